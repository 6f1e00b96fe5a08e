"""Records: read, created, updated, deleted, related; labels in, labels out, ids always at hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from crmsync import BadInput, NotFound, Record
from crmsync.sandbox import Fault, Quirks
from tests.client.conftest import Shop, names

ACME, BOLT = 40_000_001, 40_000_002
ANN, BOB, CY = 70_000_001, 70_000_002, 70_000_003
DEAL = 20_000_001


def test_a_record_is_a_mapping_with_labels(shop: Shop) -> None:
    """Fields by name, parts of an address, custom fields by their own names; the rest is nested as in a record file."""
    acme = shop.copper.companies.get(ACME)

    assert (
        acme["name"],
        acme["assignee"],
        acme["Tier"],
        acme["custom_fields"]["Regions"],
        acme["address.city"],
        acme["address"]["state"],
    ) == ("Acme", "Dana", "Gold", ["EMEA", "APAC"], "Reno", None)
    assert {"name", "address", "custom_fields", "id"} <= set(acme)
    assert "nothing" not in acme
    assert acme.get("nothing") is None


def test_the_ids_behind_the_labels(shop: Shop) -> None:
    """Ids stay at hand: of the record, of labels and references, and in the raw body."""
    deal = shop.copper.opportunities.get(DEAL)

    assert (
        deal.id,
        deal.type,
        deal.ids["company"],
        deal.ids["primary_contact"],
        deal.ids["stage"],
    ) == (DEAL, "opportunities", ACME, ANN, 980_002)
    assert deal.raw["pipeline_stage_id"] == 980_002
    assert deal["primary_contact"] == f"#{ANN}"
    assert deal.link == f"https://app.copper.com/companies/1/app#/deal/{DEAL}"


def test_values_are_pythons_own(shop: Shop) -> None:
    """Dates are dates, times are times in UTC, numbers numbers, boxes true or false, lists lists."""
    deal, ann = shop.copper.opportunities.get(DEAL), shop.copper.people.get(ANN)

    assert (date(2026, 12, 31), 5000, date(2026, 12, 31), False, ["vip", "press"]) == (
        deal["close_date"],
        deal["monetary_value"],
        ann["Renewal date"],
        ann["VIP"],
        ann["tags"],
    )
    assert deal["date_created"] == datetime(2026, 1, 16, 20, 0, tzinfo=UTC)


def test_equal_records(shop: Shop) -> None:
    """Records are equal when all that Copper shows of them is."""
    people = shop.copper.people
    one, same = people.get(ANN), people.get(ANN)
    people.update(ANN, title="CTO")

    assert (
        one == same,
        one == people.get(ANN),
        len({one, same}),
        repr(one),
    ) == (True, False, 1, "<people 70000001 Ann Lee>")


def test_gone_records(shop: Shop) -> None:
    """What is not there is not found, by id and by e-mail; many at once leave out what is gone."""
    people = shop.copper.people

    with pytest.raises(NotFound, match=r"Copper has no person #5\."):
        people.get(5)
    with pytest.raises(NotFound, match=r"Nobody in Copper has the e-mail x@y\.zz"):
        people.get_by_email("x@y.zz")
    assert [each.id for each in people.get_many([CY, 5, ANN, CY])] == [CY, ANN]


def test_a_person_by_email(shop: Shop) -> None:
    """The e-mail finds the person, in whatever case."""
    assert shop.copper.people.get_by_email("ANN@acme.com").id == ANN


WRITTEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("companies", {"assignee": "lee@ourfirm.com"}, {"assignee": "Lee"}),
    ("companies", {"assignee": 50_001}, {"assignee": "Dana"}),
    ("companies", {"assignee_id": 50_001}, {"assignee": "Dana"}),
    ("companies", {"contact_type": "other"}, {"contact_type": "Other"}),
    ("companies", {"primary_contact": "ann@acme.com"}, {"primary_contact": f"#{ANN}"}),
    ("companies", {"tags": ["Big", "old"]}, {"tags": ["big", "old"]}),
    ("companies", {"phone_numbers": [{"number": "+1 415 555 0123", "category": "mobile"}]}, {}),
    ("companies", {"websites": ["https://x.com"]}, {"websites": ["https://x.com"]}),
    ("companies", {"address": {"city": "Bonn", "country": "Germany"}}, {"address.city": "Bonn", "address.country": "DE"}),
    ("companies", {"city": "Bonn"}, {"address.city": "Bonn"}),
    (
        "companies",
        {"custom_fields": {"Tier": "gold", "Regions": ["NA", "EMEA"]}},
        {"Tier": "Gold", "Regions": ["EMEA", "NA"]},
    ),
    ("companies", {"Tier": 120_002}, {"Tier": "Silver"}),
    ("companies", {"Renewal date": date(2027, 1, 2)}, {"Renewal date": date(2027, 1, 2)}),
    ("companies", {"Renewal date": datetime(2027, 1, 2, 3, 4, tzinfo=UTC)}, {"Renewal date": date(2027, 1, 1)}),
    ("companies", {"Annual revenue": Decimal("1200000.5")}, {"Annual revenue": 1200000.5}),
    ("companies", {"Probability": 30}, {"Probability": 30}),
    ("companies", {"VIP": True, "Code": "=1+1", "Notes": "a\nb"}, {"VIP": True, "Code": "=1+1", "Notes": "a\nb"}),
    ("people", {"company": "bolt.io", "title": "x"}, {"company": "Bolt", "title": "x"}),
    ("people", {"company": BOLT}, {"company": "Bolt"}),
    ("people", {"company": f"#{BOLT}"}, {"company": "Bolt"}),
    ("people", {"company": {"name": "bolt"}}, {"company": "Bolt"}),
    ("opportunities", {"pipeline": "Renewals", "stage": "Negotiation"}, {"stage": "Negotiation", "win_probability": 80}),
    ("opportunities", {"status": "won", "priority": "HIGH"}, {"status": "Won", "priority": "High"}),
    ("opportunities", {"close_date": "2027-02-03"}, {"close_date": date(2027, 2, 3)}),
    ("opportunities", {"customer_source": "Referral", "loss_reason": "Price"}, {"customer_source": "Referral"}),
]


@pytest.mark.parametrize(("type_name", "given", "expected"), WRITTEN, ids=[str(each[1])[:50] for each in WRITTEN])
def test_labels_in_labels_out(shop: Shop, type_name: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is given by label on creation and on update is there by label."""
    records = shop.copper[type_name]
    created = records.create(name="New", **given)
    updated = records.update(records.create(name="Newer"), given)

    assert (expected, expected) == ({key: created[key] for key in expected}, {key: updated[key] for key in expected})


def test_none_clears(shop: Shop) -> None:
    """None clears texts, labels, dates, lists, links and options."""
    fields = ("title", "tags", "company", "Renewal date", "Code")
    ann = shop.copper.people.update(ANN, dict.fromkeys(fields))

    assert tuple(ann[name] for name in fields) == (None, [], None, None, None)


def test_an_update_sends_only_what_is_given(shop: Shop) -> None:
    """Nothing is read and nothing else is sent, where nothing else is needed."""
    dict(shop.copper.companies.get(ACME))
    shop.forget()
    shop.copper.companies.update(ACME, details="x", Tier="Silver")

    sent = {"details": "x", "custom_fields": [{"custom_field_definition_id": 100_001, "value": 120_002}]}
    assert [(f"/companies/{ACME}", sent)] == [(each.path, each.body) for each in shop.sandbox.log]


def test_the_other_parts_of_an_address_stay(shop: Shop) -> None:
    """A part of an address goes with the others, whatever Copper does with an address that has only some."""
    acme = shop.copper.companies.update(ACME, state="NV")

    assert (acme["address.city"], acme["address.state"]) == ("Reno", "NV")


@pytest.mark.parametrize("quirk", ["apply", "ignore", "refuse"])
def test_a_person_changes_the_company(quirk: str) -> None:
    """The company of a person changes through related items, whatever a PUT would do; the rest goes as usual."""
    shop = Shop(Quirks(person_company_put=quirk))
    for name in ("Acme", "Bolt"):
        shop.sandbox.create("companies", {"name": name})
    people = shop.copper.people
    ann = people.create(name="Ann", company="Acme")
    moved = people.update(ann, company="Bolt", title="CEO")
    left = people.update(ann, company=None)

    assert [(each["company"], each["title"]) for each in (moved, left)] == [("Bolt", "CEO"), (None, "CEO")]


def test_a_stage_is_looked_up_in_the_pipeline_of_its_record(shop: Shop) -> None:
    """Both pipelines have a stage Negotiation; the one of the record's own pipeline is meant."""
    deal = shop.copper.opportunities.update(DEAL, stage="Negotiation")

    assert (deal["pipeline"], deal.ids["stage"]) == ("Sales", 980_003)


def test_deleting(shop: Shop) -> None:
    """A deleted record is gone; several go one by one, and what is gone already is told."""
    people = shop.copper.people
    people.delete(ANN)

    with pytest.raises(NotFound):
        people.delete(ANN)
    deleted = people.delete_many([BOB, ANN, CY])
    assert (deleted.ids, [place for place, _ in deleted.errors], people.search().ids()) == ((BOB, CY), [1], [])


def test_relations(shop: Shop) -> None:
    """Related records are read, added and taken away; doing it twice is no trouble."""
    copper = shop.copper
    bob, deal = copper.people.get(BOB), copper.opportunities.get(DEAL)
    copper.people.relate(bob, deal)
    copper.people.relate(bob, ("opportunities", DEAL))
    both = copper.people.related(bob)
    deals = copper.people.related(bob, "opportunities", full=True)
    copper.people.unrelate(bob, deal)
    copper.people.unrelate(bob, deal)

    assert ({("companies", ACME), ("opportunities", DEAL)}, ["Acme renewal"], [("companies", ACME)]) == (
        set(both),
        names(deals),
        copper.people.related(BOB),
    )


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("companies", {}, 'A company needs "name"'),
    ("companies", {"name": "x", "nmae": "y"}, 'A company has no field "nmae". Did you mean "name"?'),
    ("companies", {"name": "x", "interaction_count": 4}, '"interaction_count" of a company is computed by Copper'),
    ("companies", {"name": "x", "Tier": "Glod"}, 'There is no option of Tier called "Glod"'),
    ("companies", {"name": "x", "Regions": ["EMEA", "Mars"]}, 'There is no option of Regions called "Mars"'),
    ("companies", {"name": "x", "assignee": 7}, "There is no user with the id 7 in this Copper account."),
    ("companies", {"name": "x", "assignee": ["Dana"]}, '"assignee" is one label, not several.'),
    ("companies", {"name": "x", "tags": "vip"}, '"tags" is a list.'),
    ("companies", {"name": "x", "email_domain": "https://x.com"}, "is not a domain"),
    ("companies", {"name": "x", "Probability": 0.34}, "Copper would cut"),
    ("companies", {"name": "x", "details": object()}, "A object cannot be a value in Copper."),
    ("people", {"name": "x", "emails": ["nobody"]}, '"nobody" is not an e-mail address'),
    ("people", {"name": "x", "company": "Acne"}, 'There is no company with the name "Acne" in Copper.'),
    ("opportunities", {"name": "x", "pipeline": "Sales", "stage": "Upcoming"}, 'There is no stage called "Upcoming"'),
    ("opportunities", {"name": "x", "stage": "Negotiation"}, '"Negotiation" could be Negotiation (#980003), Negotiation'),
]


@pytest.mark.parametrize(("type_name", "given", "message"), REFUSED, ids=[each[2][:50] for each in REFUSED])
def test_what_cannot_be_written(shop: Shop, type_name: str, given: dict[str, Any], message: str) -> None:
    """What cannot be is told before anything is written."""
    with pytest.raises(BadInput) as raised:
        shop.copper[type_name].create(given)

    assert message in str(raised.value)
    assert not [each for each in shop.sandbox.log if each.executed]


def test_a_record_of_another_type_is_refused(shop: Shop) -> None:
    """A person is no company, and an id is no text."""
    ann = shop.copper.people.get(ANN)

    with pytest.raises(BadInput, match='"company" takes one of companies'):
        shop.copper.people.create(name="x", company=ann)
    with pytest.raises(BadInput, match="A record is named by its id"):
        shop.copper.people.get("70000001")


# ---- many at once


def test_many_are_created_ten_in_a_call(shop: Shop) -> None:
    """Twenty-three people take three calls; each result stands where its row stood."""
    rows = [{"name": f"P{number:02}", "company": "Acme", "Tier": "Gold"} for number in range(23)]
    written = shop.copper.people.create_many(rows)

    assert ([10, 10, 3], [row["name"] for row in rows], 1) == (
        [len(body["people"]) for body in shop.sent("/people/bulk_create")],
        names(written.check()),
        len(shop.sent("/companies/search")),
    )


def test_one_bad_row_fails_alone(shop: Shop) -> None:
    """An e-mail that is taken fails its own row, with Copper's words; the others are created."""
    rows = [{"name": "A"}, {"name": "B", "emails": ["ann@acme.com"]}, {"name": "C"}]
    written = shop.copper.people.create_many(rows)
    ((place, error),) = written.errors

    assert (names(written.records), place, error.message) == (["A", "C"], 1, "Copper refused the record: emails: taken")
    with pytest.raises(type(error)):
        written.check()


def test_two_with_one_email_never_share_a_call(shop: Shop) -> None:
    """What Copper makes of one e-mail twice in a call is not known, so it is never asked."""
    rows = [{"name": "A", "emails": ["x@x.com"]}, {"name": "B", "emails": ["X@x.com"]}, {"name": "C"}]
    written = shop.copper.people.create_many(rows)

    assert ([len(b["people"]) for b in shop.sent("/bulk_create")], names(written.records)) == ([1, 2], ["A", "C"])


def test_a_lower_limit_of_bulk_calls_is_learned() -> None:
    """When Copper says that it takes fewer, the calls shrink, and nothing is sent twice."""
    shop = Shop(Quirks(bulk_limit="5"))
    written = shop.copper.companies.create_many([{"name": f"C{number}"} for number in range(12)])

    assert (
        [len(body["companies"]) for body in shop.sent("/bulk_create")],
        len(written.records),
        len(shop.sandbox.records("companies")),
    ) == ([10, 5, 5, 2], 12, 12)


def test_many_are_updated(shop: Shop) -> None:
    """Rows name their records by id; the company of a person changes on the way."""
    written = shop.copper.people.update_many([{"id": ANN, "title": "A"}, {"id": BOB, "title": "B", "company": "Bolt"}])

    assert [(each["title"], each["company"]) for each in written.check()] == [("A", "Acme"), ("B", "Bolt")]
    assert len(shop.sent("/bulk_update")) == 1


def test_opportunities_are_updated_one_by_one(shop: Shop) -> None:
    """Copper has no bulk update for opportunities; the caller does not notice."""
    made = shop.copper.opportunities.create_many([{"name": f"D{number}"} for number in range(3)]).check()
    written = shop.copper.opportunities.update_many([{"id": each, "status": "Won"} for each in made])

    assert ([each["status"] for each in written.check()], shop.sent("/bulk_update")) == (["Won"] * 3, [])


def test_bad_rows_stop_everything_before_it_begins(shop: Shop) -> None:
    """A row that cannot be is told before the first is written."""
    with pytest.raises(BadInput) as raised:
        shop.copper.companies.create_many([{"nmae": "A", "name": "A"}, {"name": "B"}, {"name": "B", "Tier": "Glod"}])
    with pytest.raises(BadInput, match=r"Row 2: .*Glod"):
        shop.copper.people.update_many([{"id": CY, "company": "Acme"}, {"id": ANN, "Tier": "Glod"}])
    with pytest.raises(BadInput, match='needs an "id"'):
        shop.copper.companies.update_many([{"name": "A"}])

    assert [text[:6] for text in str(raised.value).splitlines()] == ["Row 1:", "Row 3:"]
    assert not [each for each in shop.sandbox.log if each.executed]


@pytest.mark.parametrize("quirk", ["item", "call"])
def test_one_record_that_is_gone_fails_alone(quirk: str) -> None:
    """A record that is gone fails its own row, read first or not, and whatever Copper does with the call."""
    shop = Shop(Quirks(bulk_unknown_id=quirk))
    ids = shop.people(4)
    shop.sandbox.create("companies", {"name": "Acme"})
    values = [{"title": "A"}, {"title": "B"}, {"company": "Acme"}, {"city": "Reno"}, {"title": "E"}]
    rows = [{"id": id, **each} for id, each in zip([ids[0], 5, 6, 7, ids[1]], values, strict=True)]
    written = shop.copper.people.update_many(rows)

    assert [place for place, _ in written.errors] == [1, 2, 3]
    assert [each["title"] for each in written.records] == ["A", "E"]


def test_without_bulk_calls(shop: Shop) -> None:
    """Bulk calls are a beta of Copper's: without them the records go one by one."""
    shop.fault(Fault("status_before", status=405, path="bulk_create"))
    written = shop.copper.companies.create_many([{"name": f"C{number}"} for number in range(12)])

    assert (names(written.check()), len(shop.sent("/bulk_create"))) == ([f"C{number}" for number in range(12)], 1)


def test_a_call_that_is_refused_as_a_whole(shop: Shop) -> None:
    """Refused because of one of them, perhaps: nothing was executed, so each is sent again alone and has its own answer."""
    shop.fault(Fault("status_before", status=422, path="bulk_create", nth=1))
    written = shop.copper.companies.create_many([{"name": "A"}, {"name": "B", "email_domain": "acme.com"}, {"name": "C"}])

    assert (names(written.records), [place for place, _ in written.errors]) == (["A", "C"], [1])


# ---- rows


def test_rows_are_flat(shop: Shop) -> None:
    """A row has one plain cell for each field: parts of the address and custom fields too; lists are joined."""
    row = shop.copper.companies.get(ACME).to_row()

    assert tuple(row[name] for name in ("name", "assignee", "address.city", "Tier", "Regions", "Renewal date")) == (
        "Acme",
        "Dana",
        "Reno",
        "Gold",
        "EMEA; APAC",
        None,
    )
    assert not [value for value in row.values() if isinstance(value, list | dict)]


def test_rows_of_one_type_have_the_same_columns(shop: Shop) -> None:
    """All rows of a search have the same columns in the same order, so that they make a table."""
    rows = shop.copper.people.search(sort="name").to_rows()

    assert len({tuple(row) for row in rows}) == 1
    assert [(row["company"], row["company_id"]) for row in rows] == [("Acme", ACME), ("Acme", ACME), ("Bolt", BOLT)]


def test_a_record_is_what_it_says() -> None:
    """The public name leads to the class of the records."""
    shop = Shop()

    assert isinstance(shop.copper.companies.create(name="A"), Record)
