"""docs/copperr.md, row by row: all 54 functions of the R package, and what its author left for later."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crmsync import Copper, NotFound
from tests.client.conftest import Shop, note
from tests.desk import Desk

PAGE = Path(__file__).parents[1] / "docs" / "copperr.md"
ACME, ANN, DEAL, LOU = 40_000_001, 70_000_001, 20_000_001, 30_000_001

#: The exports of copperr 0.1.0, without their prefix.
EXPORTS = re.findall(
    r"\w+",
    """
    initialize getUsers getUserId
    getCompanies getCompanyById getCompanyByName createNewCompany updateCompany deleteCompany updateCompanyCustomFieldDirect
    getLeads createNewLead updateLead deleteLead
    getOpps getOppById getOppByName createNewOpp updateOpp deleteOpp updateOppCloseDate updateOppStage
    updateOppCustomFieldDirect updateOppCustomFieldDropdown updateOppCustomFieldDropdownMulti
    getPeople getPersonById getPersonByName getPersonByEmail getPersonId getAllRecordsRelatedToPerson getOppsRelatedToPerson
    createNewPerson updatePerson deletePerson updatePersonCustomFieldDirect
    getContactTypes getCustomerSources getCustomerSourceId getLeadStatuses getLeadStatusId getLossReasons getLossReasonId
    getPipelines getPipelineStages getPipelineStageId getCustomFieldDefinitions getCustomFieldId getCustomFieldName
    getCustomFieldDatatype getCustomFieldOptionId getCustomFieldOptionName getCustomFieldOptionsAll
    extractCustomFieldValues
    """,
)


@dataclass(frozen=True)
class Row:
    """One row of a table of the page."""

    name: str
    code: str
    command: str


def rows_of(text: str) -> list[Row]:
    """Return the rows of the tables in *text*."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        code = re.search(r"`([^`]+)`", cells[1]) if len(cells) == 3 else None
        if code is not None:
            found.append(Row(re.split(r"\W", cells[0].strip("`"))[0], code[1], cells[2].strip("`")))
    return found


TEXT = PAGE.read_text(encoding="utf-8")
HEAD, _, LATER = TEXT.partition("## What its author left for later")
ROWS, LATER_ROWS = rows_of(HEAD), rows_of(LATER)


def stock(sandbox: Any) -> None:
    """Put in what the page says there is."""
    vip = {"tags": ["vip"], "assignee": "Dana"}
    sandbox.create("companies", {"name": "Acme", "email_domain": "acme.com", "custom_fields.Tier": "Gold", **vip})
    sandbox.create("people", {"name": "Ann Lee", "emails": ["ann@acme.com"], "company": "acme.com", **vip})
    deal = {"name": "Acme renewal", "company": "acme.com", "primary_contact": "ann@acme.com", "pipeline": "Sales"}
    sandbox.create("opportunities", {**deal, "stage": "Proposal"})
    sandbox.create("leads", {"id": LOU, "name": "Lou", "assignee": "Dana"})
    sandbox.create("tasks", {"name": "Send offer", "related_resource": "company/Acme"})
    sandbox.create("projects", {"name": "Onboarding"})
    note(sandbox, ANN, "Met at a fair")


def gone(type_name: str, id: int) -> Callable[[Any, Copper], bool]:
    """Return the check that a record is no longer there."""

    def check(result: Any, copper: Copper) -> bool:
        with pytest.raises(NotFound):
            copper[type_name].get(id)
        return True

    return check


def is_named(*names: str) -> Callable[[Any, Copper], bool]:
    """Return the check that the rows have these names."""
    return lambda result, copper: [row["name"] for row in result] == list(names)


def has(**fields: Any) -> Callable[[Any, Copper], bool]:
    """Return the check that the record has these values, also when it is read again."""

    def check(result: Any, copper: Copper) -> bool:
        again = copper[result.type].get(result.id)
        return all(result[name] == again[name] == value for name, value in fields.items())

    return check


def lists(*labels: str) -> Callable[[Any, Copper], bool]:
    """Return the check that a table begins with these labels."""
    return lambda result, copper: result.names[: len(labels)] == labels


def equals(value: Any) -> Callable[[Any, Copper], bool]:
    """Return the check that the result is *value*."""
    return lambda result, copper: bool(result == value)


#: What each call must come to.
EXPECTED: dict[str, Callable[[Any, Copper], bool]] = {
    "initialize": lambda result, copper: isinstance(result, Copper),
    "getUsers": lists("Dana", "Lee"),
    "getUserId": equals(50_001),
    "getCompanies": is_named("Acme"),
    "getCompanyById": has(name="Acme", assignee="Dana"),
    "getCompanyByName": has(name="Acme"),
    "createNewCompany": has(name="Bolt", assignee="Lee"),
    "updateCompany": has(details="A customer since 1949", name="Acme"),
    "deleteCompany": gone("companies", ACME),
    "updateCompanyCustomFieldDirect": has(Code="A-1", Tier="Gold"),
    "getLeads": is_named("Lou"),
    "createNewLead": has(name="Max", email="max@new.com", status="Contacted"),
    "updateLead": has(title="CEO", name="Lou"),
    "deleteLead": gone("leads", LOU),
    "getOpps": is_named("Acme renewal"),
    "getOppById": has(name="Acme renewal"),
    "getOppByName": has(stage="Proposal"),
    "createNewOpp": has(company="Acme", stage="Closing", win_probability=90),
    "updateOpp": has(monetary_value=7000, status="Won"),
    "deleteOpp": gone("opportunities", DEAL),
    "updateOppCloseDate": has(close_date=date(2027, 12, 31)),
    "updateOppStage": has(stage="Negotiation", pipeline="Sales"),
    "updateOppCustomFieldDirect": has(Score=4.5),
    "updateOppCustomFieldDropdown": has(Tier="Silver"),
    "updateOppCustomFieldDropdownMulti": has(Regions=["EMEA", "NA"]),
    "getPeople": is_named("Ann Lee"),
    "getPersonById": has(name="Ann Lee"),
    "getPersonByName": has(emails=["ann@acme.com"]),
    "getPersonByEmail": has(name="Ann Lee"),
    "getPersonId": equals(ANN),
    "getAllRecordsRelatedToPerson": equals([("companies", ACME), ("opportunities", DEAL)]),
    "getOppsRelatedToPerson": is_named("Acme renewal"),
    "createNewPerson": has(name="Bob", company="Acme"),
    "updatePerson": has(title="CEO", tags=["vip", "press"]),
    "deletePerson": gone("people", ANN),
    "updatePersonCustomFieldDirect": lambda result, copper: result["Renewal date"] == date(2027, 12, 31),
    "getContactTypes": lists("Potential Customer"),
    "getCustomerSources": lists("Email", "Referral"),
    "getCustomerSourceId": equals(330_002),
    "getLeadStatuses": lists("New", "Contacted"),
    "getLeadStatusId": equals(200_002),
    "getLossReasons": lists("Price", "Competitor"),
    "getLossReasonId": equals(300_001),
    "getPipelines": lists("Sales", "Renewals"),
    "getPipelineStages": lists("Qualifying", "Proposal", "Negotiation", "Closing"),
    "getPipelineStageId": equals(980_003),
    "getCustomFieldDefinitions": lists("Tier", "Regions"),
    "getCustomFieldId": equals(100_001),
    "getCustomFieldName": equals("Tier"),
    "getCustomFieldDatatype": equals("Dropdown"),
    "getCustomFieldOptionId": equals(120_002),
    "getCustomFieldOptionName": equals("Silver"),
    "getCustomFieldOptionsAll": lists("Gold", "Silver", "Bronze"),
    "extractCustomFieldValues": equals(["Gold"]),
}


#: What each call must come to that copperr never had. The task, project and note of the page are not there before.
LATER_EXPECTED: dict[str, Callable[[Any, Copper], bool]] = {
    "copper.tasks.search": is_named("Send offer"),
    "copper.tasks.create": has(name="Call", related_resource=f"company/{ACME}"),
    "copper.projects.search": is_named("Onboarding"),
    "copper.projects.create": has(name="Roll-out", assignee="Dana"),
    "list": lambda result, copper: [each["details"] for each in result if each["type"] == "Note"] == ["Met at a fair"],
    "copper.activities.create": has(details="Likes tea", type="Note", parent=f"person/{ANN}"),
    "copper.leads.upsert": has(name="Lou", email="lou@new.com"),
    "copper.leads.convert": lambda result, copper: (
        gone("leads", LOU)(result, copper) and result["opportunities"]["name"] == "First deal"
    ),
}


def test_the_page_has_all_54() -> None:
    """Every export has its row, once, in order, and an expectation here."""
    assert (54, EXPORTS, set(EXPORTS)) == (len(EXPORTS), [row.name for row in ROWS], set(EXPECTED))


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_call_of_each_row(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call in Python does what the function of copperr does."""
    shop = Shop()
    stock(shop.sandbox)
    monkeypatch.setenv("COPPER_API_KEY", "sandbox-1")
    monkeypatch.setenv("COPPER_USER_EMAIL", "dana@ourfirm.com")
    result = eval(row.code, {"copper": shop.copper, "Copper": Copper})

    assert EXPECTED[row.name](result, shop.copper), result


@pytest.mark.parametrize("row", LATER_ROWS, ids=[row.code for row in LATER_ROWS])
def test_what_was_left_for_later(row: Row) -> None:
    """The calls that copperr never had give records."""
    shop = Shop()
    stock(shop.sandbox)
    result = eval(row.code, {"copper": shop.copper})

    assert LATER_EXPECTED[row.code.partition("(")[0]](result, shop.copper), result


COMMANDS = sorted({row.command for row in (*ROWS, *LATER_ROWS) if row.command and row.command != "crmsync apply"})


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command(command: str, desk: Desk) -> None:
    """The command of each row runs, and shows something; one about a record that is there shows its name."""
    stock(desk.sandbox)
    desk.write("crm/acme.yaml", "companies:\n  acme: {name: Acme}\n")
    ran = desk.run(*shlex.split(command)[1:])

    assert (ran.code, bool(ran.out.strip())) == (0, True), ran.err


FILE = """
companies:
  bolt: {name: Bolt, assignee: Lee}
opportunities:
  more:
    name: More
    company: bolt
    pipeline: Sales
    stage: Negotiation
    close_date: 2027-12-31
    custom_fields: {Tier: Silver, Regions: [EMEA, NA], Score: 4.5}
"""


def test_the_rows_of_apply(desk: Desk) -> None:
    """What the rows with `crmsync apply` promise: created from a file, changed with it, gone when it is gone from it."""
    desk.write("crm/bolt.yaml", FILE)
    created = desk.run("apply", "--auto-approve")
    (deal,) = desk.sandbox.records("opportunities")
    desk.write("crm/bolt.yaml", FILE.replace("stage: Negotiation", "stage: Closing").replace("[EMEA, NA]", "[APAC]"))
    changed = desk.run("apply", "--auto-approve")
    (moved,) = desk.sandbox.records("opportunities")
    desk.write("crm/bolt.yaml", "companies:\n  bolt: {name: Bolt, assignee: Lee}\n")
    removed = desk.run("apply", "--auto-approve")

    assert (created.code, changed.code, removed.code) == (0, 0, 0), created.err + changed.err + removed.err
    assert (
        deal["pipeline_stage_id"],
        moved["pipeline_stage_id"],
        desk.sandbox.records("opportunities"),
    ) == (980_003, 980_004, [])
