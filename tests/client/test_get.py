"""``crmsync get`` and ``crmsync labels``: the client on the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest
import yaml

from crmsync.sandbox import Sandbox
from tests.client.conftest import note
from tests.desk import Desk, Ran

ANN = "70000001"


@pytest.fixture
def full(desk: Desk) -> Desk:
    """A desk whose sandbox has Acme, two of its people and a deal."""
    sandbox: Sandbox = desk.sandbox
    sandbox.create("companies", {"name": "Acme", "email_domain": "acme.com", "assignee": "Dana"})
    ann = {"name": "Ann Lee", "emails": ["ann@acme.com"], "company": "acme.com", "tags": ["vip"]}
    sandbox.create("people", {**ann, "custom_fields.Renewal date": "2026-12-31", "custom_fields.Code": "A-1"})
    sandbox.create("people", {"name": "=Bob\x1b[31m", "emails": ["bob@acme.com"], "company": "acme.com", "tags": ["vip"]})
    deal = {"name": "Renewal", "company": "acme.com", "pipeline": "Sales", "stage": "Proposal", "monetary_value": 5000}
    sandbox.create("opportunities", deal)
    sandbox.log.clear()
    return desk


def test_a_table(full: Desk) -> None:
    """A table shows the usual columns, by label, and nothing that a terminal acts on."""
    ran = full.run("get", "people", "--where", "company=Acme", "--where", "tag=vip", "--sort", "name")

    assert (ran.code, ran.out, ran.err) == (
        0,
        "      id  name          emails        phone_numbers  company  title  assignee\n"
        "70000002  =Bob\\x1b[31m  bob@acme.com                 Acme\n"
        "70000001  Ann Lee       ann@acme.com                 Acme\n",
        "",
    )


FIELDS = ("--sort", "name", "--desc", "--fields", 'name,emails,"Renewal date",company_id')
FIRST = {"name": "Ann Lee", "emails": "ann@acme.com", "Renewal date": "2026-12-31", "company_id": 40000001}


@pytest.mark.parametrize("output", ["csv", "json", "jsonl", "yaml"])
def test_the_same_rows_in_every_format(full: Desk, output: str) -> None:
    """Each format gives the same cells; csv is never a formula."""
    ran = full.run("get", "people", *FIELDS, "-o", output)
    read = {
        "csv": lambda text: list(csv.DictReader(io.StringIO(text))),
        "json": json.loads,
        "jsonl": lambda text: [json.loads(line) for line in text.splitlines()],
        "yaml": yaml.safe_load,
    }[output]
    first, second = read(ran.out)

    assert (0, {key: str(value) for key, value in FIRST.items()}) == (ran.code, {key: str(first[key]) for key in FIRST})
    assert second["name"] == ("'=Bob\\x1b[31m" if output == "csv" else "=Bob\x1b[31m")
    assert "\x1b" not in ran.out


def test_a_workbook(full: Desk) -> None:
    """Excel gets texts as texts, never formulas, dates as dates, and a head that stays."""
    command = [sys.executable, "-c", "from crmsync.cli import main; main()", "get", "people", *FIELDS, "-o", "xlsx"]
    done = subprocess.run(command, cwd=full.root, env=full.environment(), capture_output=True, timeout=60, check=True)
    sheet = openpyxl.load_workbook(io.BytesIO(done.stdout)).active

    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == ["name", "emails", "Renewal date", "company_id"]
    assert (
        rows[1][0],
        str(rows[1][2])[:10],
        rows[1][3],
        sheet["A3"].data_type,
        sheet.freeze_panes,
    ) == ("Ann Lee", "2026-12-31", 40000001, "s", "A2")


def test_a_workbook_without_the_package(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without XlsxWriter the exact command to install it is said."""
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    ran = full.run("get", "people", "-o", "xlsx")

    assert (
        ran.code,
        ran.out,
        ran.err,
    ) == (1, "", "error: Excel needs one more package. Install it with: pip install 'crmsync[excel]'\n")


@pytest.mark.parametrize("target", [("people", ANN), (f"people/{ANN}",), ("person", f"#{ANN}")])
def test_one_record(full: Desk, target: tuple[str, ...]) -> None:
    """One record is shown line by line, without what is empty, with its link."""
    ran = full.run("get", *target)

    assert ran.code == 0
    assert [line.split("  ")[0] for line in ran.out.splitlines()[:4]] == ["id", "name", "first_name", "last_name"]
    assert "https://app.copper.com/companies/1/app#/contact/70000001" in ran.out
    assert "title" not in ran.out


def test_one_record_for_programs(full: Desk) -> None:
    """JSON of one record is one object, nested as in a record file; raw is Copper's body."""
    labelled = json.loads(full.run("get", f"people/{ANN}", "-o", "json").out)
    raw = json.loads(full.run("get", f"people/{ANN}", "--raw").out)

    assert (
        labelled["company"],
        labelled["custom_fields"]["Renewal date"],
        raw["company_id"],
    ) == ("Acme", "2026-12-31", 40000001)


def test_one_record_as_yaml(full: Desk) -> None:
    """YAML of one record is one mapping."""
    assert yaml.safe_load(full.run("get", f"people/{ANN}", "-o", "yaml").out)["company"] == "Acme"


def test_times_are_the_accounts_for_people(full: Desk) -> None:
    """A day that a task is due is that day in a table, whatever it is in UTC; for programs a time says that it is UTC."""
    full.sandbox.create("tasks", {"name": "Call", "due_date": "2027-01-31"})
    fields = ("get", "tasks", "--fields", "due_date")
    table, text = full.run(*fields), full.run(*fields, "-o", "csv")

    assert (table.out, text.out) == ("due_date\n2027-01-31 00:00\n", "due_date\n2027-01-31T08:00:00Z\n")


def test_the_activities_of_a_record(full: Desk) -> None:
    """The activities of a record can be narrowed like those of all."""
    for details in ("tea", "coffee"):
        note(full.sandbox, int(ANN), details)
    ran = full.run(
        "get", f"people/{ANN}/activities", "--where", "type=Note", "--where", "details=tea", "--fields", "details"
    )

    assert (ran.code, ran.out) == (0, "details\ntea\n")


def test_a_table_fits_the_terminal(full: Desk) -> None:
    """On a terminal no line is wider than it, and the widest columns give way."""
    master, slave = pty.openpty()
    command = [sys.executable, "-c", "from crmsync.cli import main; main()", "get", "people"]
    subprocess.run(command, cwd=full.root, env=full.environment(COLUMNS="60"), stdout=slave, timeout=60, check=True)
    os.close(slave)
    lines = os.read(master, 10_000).decode().splitlines()
    os.close(master)

    assert (len(lines), max(map(len, lines)) <= 60, lines[1][:8]) == (3, True, ANN)


def test_related_records(full: Desk) -> None:
    """What a record is related to, with names; of one type as well."""
    all_of_them = full.run("get", "companies/40000001/related").out
    deals = full.run("get", "companies/40000001/related/opportunities").out

    assert "opportunities  20000001  Renewal\n" in all_of_them
    assert "people         70000001  Ann Lee\n" in all_of_them
    assert len(deals.splitlines()) == 2


def test_a_notice_goes_to_stderr(full: Desk) -> None:
    """What is looked for here is said on stderr, and stdout is the result alone."""
    ran = full.run("get", "people", "--where", "Code=A-1", "--fields", "name", "-o", "csv")

    assert (ran.code, ran.out) == (0, "name\nAnn Lee\n")
    assert ran.err.startswith('note: Copper cannot search people by "Code", which is a custom field of type String')


BAD: list[tuple[tuple[str, ...], int, str, int]] = [
    (("peple",), 64, 'There are no "peple" in Copper. Did you mean "people"?', 0),
    (("people", "--where", "name>x"), 64, 'There is no operator ">". Did you mean ">="?', 0),
    (("people", "--where", "name"), 64, '"name" is no condition.', 0),
    (("people", ANN, "--where", "name=x"), 64, "--where, --sort and --limit are for a search", 0),
    ((f"people/{ANN}/related", "--limit", "3"), 64, "--where, --sort and --limit are for a search", 0),
    (("people", "--desc"), 64, "--desc needs a field to sort by: --sort FIELD", 0),
    (("people", "--where", "age>=5"), 1, '"age" is created at most so many seconds ago: ask for it with =.', 2),
    (
        ("people", "--where", "Tier=Glod"),
        1,
        'no option of Tier called "Glod" in this Copper account. Did you mean "Gold"?',
        2,
    ),
    (("people", "--raw", "-o", "csv"), 64, "--raw shows whole bodies", 0),
    (("people", "-o", "excel"), 64, "Invalid value for '-o'", 0),
    (("people/ann",), 64, 'To search by name: --where name="ann"', 0),
    (("people/5/friends",), 64, 'A record has "related" and "activities", not "friends".', 0),
    (("people", "--where", "compny=Acme"), 1, 'A person has no field "compny". Did you mean "company"?', 2),
    (("people", "--where", "assignee=Danna"), 1, 'There is no user called "Danna" in this Copper account.', 1),
    (("people", "--fields", "name,nme"), 1, 'A person has no field "nme". Did you mean "name"?', 2),
    (("people", "--sort", "nme"), 1, 'A person has no field "nme". Did you mean "name"?', 2),
    (("people/999",), 1, "Copper has no person #999.", 1),
]


@pytest.mark.parametrize(("arguments", "code", "text", "requests"), BAD, ids=[" ".join(each[0]) for each in BAD])
def test_bad_input(full: Desk, arguments: tuple[str, ...], code: int, text: str, requests: int) -> None:
    """What cannot be is told with what was meant, stdout stays empty, and at most the labels were asked for."""
    ran = full.run("get", *arguments)

    assert (code, "") == (ran.code, ran.out)
    assert text in ran.err.replace("\n   ", " ")
    assert [each.path for each in full.sandbox.log if each.path.startswith("/people/search")] == []
    assert len(full.sandbox.log) <= requests


def test_the_place_of_a_bad_condition(full: Desk) -> None:
    """The condition is shown, with a caret below what is wrong."""
    ran = full.run("get", "people", "--where", "name=x", "--where", "compny=Acme")

    label = full.run("get", "people", "--where", "assignee = Danna")

    assert "error[CRM011]: Unknown field\n --> --where:2:1\n 2 | compny=Acme\n   | ^^^^^^\n" in ran.err
    assert " --> --where:1:12\n 1 | assignee = Danna\n   |            ^^^^^\n" in label.err


def test_without_a_project(full: Desk, tmp_path: Path) -> None:
    """Outside a project the account of the environment is looked at; a key that is missing is exit 3."""
    (full.root / "crmsync.yaml").unlink()
    ran = full.run("get", "companies", "--fields", "name", "-o", "csv")
    refused = full.run("get", "companies", COPPER_API_KEY="")

    assert (ran.code, ran.out, refused.code) == (0, "name\nAcme\n", 3)
    assert "There is no key for the Copper API" in refused.err


def test_another_account(full: Desk) -> None:
    """A project that names another account is not looked at with this key."""
    full.write("crmsync.yaml", (full.root / "crmsync.yaml").read_text() + "account: 99\n")
    ran = full.run("get", "companies")

    assert (ran.code, ran.out) == (5, "")
    assert "The key belongs to account 1, but crmsync.yaml names account 99." in ran.err


def test_nothing_is_written(full: Desk) -> None:
    """Looking sends no write."""
    full.run("get", "people")
    full.run("labels")

    assert [each for each in full.sandbox.log if each.executed] == []


# ---- labels


def table(ran: Ran) -> list[list[str]]:
    """Return the cells of csv."""
    return list(csv.reader(io.StringIO(ran.out)))


LABELS: list[tuple[tuple[str, ...], list[list[str]]]] = [
    (("users",), [["id", "name", "email"], ["50001", "Dana", "dana@ourfirm.com"]]),
    (("pipelines",), [["id", "name"], ["210001", "Sales"]]),
    (("stages", "Sales"), [["id", "name", "pipeline"], ["980001", "Qualifying", "Sales"]]),
    (("stages",), [["id", "name", "pipeline"], ["980001", "Qualifying", "Sales"]]),
    (("contact-types",), [["id", "name"], ["450001", "Potential Customer"]]),
    (("customer_sources",), [["id", "name"], ["330001", "Email"]]),
    (("loss-reasons",), [["id", "name"], ["300001", "Price"]]),
    (("lead-statuses",), [["id", "name"], ["200001", "New"]]),
    (("custom-fields",), [["id", "name", "data_type", "available_on", "options"]]),
    (("custom-fields", "people"), [["id", "name", "data_type", "available_on", "options"]]),
    (("options", "Tier"), [["id", "name"], ["120001", "Gold"]]),
    (("options", "100001"), [["id", "name"], ["120001", "Gold"]]),
]


@pytest.mark.parametrize(("arguments", "expected"), LABELS, ids=[" ".join(each[0]) for each in LABELS])
def test_labels(full: Desk, arguments: tuple[str, ...], expected: list[list[str]]) -> None:
    """Each table is printed with ids."""
    ran = full.run("labels", *arguments, "-o", "csv")

    assert (0, expected) == (ran.code, table(ran)[: len(expected)])


def test_all_tables(full: Desk) -> None:
    """Without a table there is one line for each, with its size."""
    rows = dict(table(full.run("labels", "-o", "csv"))[1:])

    assert (rows["users"], rows["stages"], rows["custom-fields"]) == ("2", "6", "11")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("pipelins",), 'There is no table "pipelins". Did you mean "pipelines"?'),
        (("users", "Dana"), "users takes no further word."),
        (("options",), "Name the custom field whose options you want"),
    ],
)
def test_bad_tables(full: Desk, arguments: tuple[str, ...], text: str) -> None:
    """What there is not is told with what was meant."""
    ran = full.run("labels", *arguments)

    assert (ran.code, ran.out) == (64, "")
    assert text in ran.err
