"""What other people do in the web app, and the memory of a sandbox between runs."""

from __future__ import annotations

import datetime

import pytest

from crmsync.sandbox import JournalError, LabelError, Quirks, Sandbox, load_account
from crmsync.sandbox.tables import ENTITIES

from .conftest import Client, Clock, email


def test_records_are_edited_by_label(api):
    """Labels and wire keys both do; the edit bumps date_modified and is in no log."""
    company = api.sandbox.create("companies", {"name": "Acme", "email_domain": "acme.com"})
    person = api.sandbox.create("people", {"name": "Ann", "company": "acme.com", "emails": ["ann@acme.com"]})
    deal = api.sandbox.create("opportunities", {"name": "Deal", "primary_contact": "ann@acme.com"})
    api.clock.now += 50
    api.sandbox.edit("companies", company, {"assignee": "lee@ourfirm.com", "contact_type": "Current Customer"})
    api.sandbox.edit("companies", company, {"custom_fields.Tier": "Gold", "address": {"city": "Reno"}})
    api.sandbox.edit("people", person, {"custom_fields": {"Regions": ["EMEA", "NA"], "VIP": True, "Score": 1.5}})
    values = {"pipeline": "Renewals", "stage": "Negotiation", "close_date": "2026-12-31", "monetary_value": 5.5}
    shown = api.sandbox.edit("opportunities", deal, values)

    acme = api.sandbox.record("companies", company)
    assert (acme["assignee_id"], acme["contact_type_id"], acme["date_modified"]) == (50_002, 450_002, 1_700_000_050)
    assert api.value("companies", company, "Tier") == 120_001
    assert api.value("people", person, "Regions") == [120_004, 120_007]
    assert (api.value("people", person, "VIP"), api.value("people", person, "Score")) == (True, 1.5)
    assert (shown["pipeline_stage_id"], shown["close_date"], float(shown["monetary_value"])) == (
        980_006,
        "12/31/2026",
        5.5,
    )
    assert shown["company_id"] == company
    assert {entry.method for entry in api.sandbox.log} == {"GET"}


@pytest.mark.parametrize("quirks", [{"close_date_order": "dmy"}, {"custom_date": "utc"}, {"array_update": "merge"}])
def test_other_people_know_no_quirks(make, quirks):
    """What people edit in the web app does not depend on the API's behaviour."""
    api = make(**quirks)
    id = api.sandbox.create("opportunities", {"name": "Deal", "tags": ["a"], "close_date": datetime.date(2026, 12, 31)})
    shown = api.sandbox.edit("opportunities", id, {"tags": ["b"]})

    assert shown["tags"] == ["b"]
    assert sorted(shown["close_date"].split("/")) == ["12", "2026", "31"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"assignee": "nobody"}, 'There are no users called "nobody".'),
        ({"custom_fields.Tier": "Platinum"}, 'Tier has no option called "Platinum".'),
        ({"custom_fields.Rank": 1}, 'A company has no custom field called "Rank".'),
        ({"colour": "red"}, "A company has no field called colour."),
        ({"name": ""}, "Name: can't be blank."),
    ],
)
def test_edits_that_cannot_be(api, values, problem):
    """A wrong label is a LabelError in one sentence."""
    id = api.new("companies")
    with pytest.raises(LabelError) as caught:
        api.sandbox.edit("companies", id, values)

    assert str(caught.value) == problem


def test_a_merge_moves_the_links(api):
    """The loser is gone, the winner has its e-mails, tags and links."""
    company = api.new("companies")
    winner = api.new("people", tags=["a"], emails=[email("a@b.com")])
    loser = api.new("people", tags=["b"], emails=[email("c@d.com")], title="CEO", company_id=company)
    deal = api.new("opportunities", primary_contact_id=loser)
    api.sandbox.merge("people", winner, loser)

    kept = api("GET", f"/people/{winner}")
    assert (kept["tags"], kept["title"], kept["company_id"]) == (["a", "b"], "CEO", company)
    assert [item["email"] for item in kept["emails"]] == ["a@b.com", "c@d.com"]
    assert api.status("GET", f"/people/{loser}") == 404
    assert api("GET", f"/opportunities/{deal}")["primary_contact_id"] == winner


def test_a_clone_has_no_unique_values(api):
    """A clone has a new id and all values but e-mails."""
    id = api.new("people", name="Ann", title="CEO", emails=[email("a@b.com")])
    api.clock.now += 5
    copy = api.sandbox.record("people", api.sandbox.clone("people", id))

    assert (copy["name"], copy["title"], copy["emails"], copy["date_created"]) == ("Ann", "CEO", [], 1_700_000_005)


def test_deleting_outside(api):
    """What others delete is gone for the API."""
    id = api.new("people")
    api.sandbox.delete("people", id)

    assert api.status("GET", f"/people/{id}") == 404
    with pytest.raises(LabelError, match="There is no person with the id"):
        api.sandbox.delete("people", id)
    with pytest.raises(LabelError, match="There are no dragons"):
        api.sandbox.records("dragons")


def _fill(api):
    company = api.new("companies", name="Acme", email_domain="acme.com", custom_fields=[api.custom("Score", 1.5)])
    person = api.new("people", company_id=company, emails=[email("ann@acme.com")])
    deal = api.new("opportunities", monetary_value="77000", close_date="12/31/2026")
    api("POST", f"/people/{person}/related", {"resource": {"id": deal, "type": "opportunity"}})
    gone = api.new("people")
    api("DELETE", f"/people/{gone}")
    return person, deal


def _content(sandbox):
    """Return all records, custom fields by id."""
    return [
        {**record, "custom_fields": sorted(record["custom_fields"], key=lambda i: i["custom_field_definition_id"])}
        for plural in ENTITIES
        for record in sandbox.records(plural)
    ] + [sandbox._store.things, sandbox.account]


def test_a_sandbox_remembers(tmp_path):
    """With data=PATH everything confirmed survives, without closing; ids are not used again."""
    data = tmp_path / "new" / "sandbox.jsonl"
    first = Client(Sandbox(clock=Clock(), data=data))
    person, deal = _fill(first)
    again = Client(Sandbox(clock=Clock(), data=data))

    assert _content(again.sandbox) == _content(first.sandbox)
    assert again("GET", f"/people/{person}/related/opportunities") == [{"id": deal, "type": "opportunity"}]
    assert again.status("POST", "/people", {"name": "x", "emails": [email("ANN@acme.com")]}) == 422
    assert again.new("people") == person + 2


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path):
    """What was not written to its end was not confirmed."""
    data = tmp_path / "sandbox.jsonl"
    first = Client(Sandbox(clock=Clock(), data=data))
    first.new("people")
    with data.open("ab") as file:
        file.write(b'[["put","people",{"id"')
    again = Client(Sandbox(clock=Clock(), data=data))
    again.new("people")

    assert len(Sandbox(clock=Clock(), data=data).records("people")) == 2


def test_a_grown_file_is_rewritten(tmp_path):
    """A file much longer than its content is rewritten at start, with the same content."""
    data = tmp_path / "sandbox.jsonl"
    first = Client(Sandbox(clock=Clock(), data=data, quirks=Quirks(system_activities="none")))
    person, deal = _fill(first)
    for n in range(1100):
        first.sandbox.edit("people", person, {"title": f"{n}"})
    before = data.stat().st_size
    again = Client(Sandbox(clock=Clock(), data=data))

    assert data.stat().st_size < before / 10
    assert _content(Sandbox(clock=Clock(), data=data)) == _content(first.sandbox)
    assert again("GET", f"/people/{person}/related/opportunities") == [{"id": deal, "type": "opportunity"}]
    assert again.new("people") == person + 2


@pytest.mark.parametrize("content", [b"hello\n", b'{"crmsync_sandbox":1,"account":2}\n'])
def test_the_data_of_something_else(tmp_path, content):
    """A file that is not this account's memory is refused and left alone."""
    data = tmp_path / "sandbox.jsonl"
    data.write_bytes(content)

    with pytest.raises(JournalError):
        Sandbox(data=data)
    assert data.read_bytes() == content


def test_seeds_are_made_once(tmp_path):
    """The records of an account file are there at the first start, and not again at the second."""
    file = load_account("users: [{name: Dana, email: d@x.com}]\nrecords: {companies: [{name: Acme}]}\n")
    data = tmp_path / "sandbox.jsonl"
    Sandbox(file, data=data).close()

    assert [r["name"] for r in Sandbox(file, data=data).records("companies")] == ["Acme"]
