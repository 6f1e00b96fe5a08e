"""Searching: labels in, labels out; what Copper cannot do is done here; no row is lost."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

import crmsync.copper.read
import crmsync.sandbox.search
from crmsync import BadInput, Copper
from crmsync.copper.pace import Pacer
from crmsync.sandbox import Quirks
from tests.client.conftest import Answer, Clock, Shop, names

ANN, BOB, CY = "Ann Lee", "Bob", "Cy"


def test_the_search_of_the_documentation(shop: Shop) -> None:
    """A company by name, a tag, a sort: records come with labels in place of ids."""
    found = list(shop.copper.people.search(company="Acme", tags=["vip"], sort="name", descending=True))

    assert [(each["name"], each["company"]) for each in found] == [("Bob", "Acme"), ("Ann Lee", "Acme")]


def test_nothing_is_sent_before_it_is_iterated(shop: Shop) -> None:
    """A search is a question; only iterating asks it, and only as many pages as are looked at."""
    shop.people(450)
    shop.forget()
    found = iter(shop.copper.people.search())
    before = len(shop.sent("/people/search"))
    next(found)

    assert (before, len(shop.sent("/people/search"))) == (0, 1)


def test_raw_gives_the_wire(shop: Shop) -> None:
    """With raw the bodies are Copper's own, ids and all, and no label is fetched."""
    (body,) = shop.copper.opportunities.search(raw=True)

    assert (body["close_date"], body["pipeline_stage_id"], len(shop.sandbox.log)) == ("12/31/2026", 980002, 1)


EQUAL: list[tuple[str, dict[str, Any], list[str]]] = [
    ("people", {"name": "ann lee"}, [ANN]),
    ("people", {"emails": "BOB@acme.com"}, [BOB]),
    ("people", {"email": ["ann@acme.com", "cy@bolt.io"]}, [ANN, CY]),
    ("people", {"company": "acme.com"}, [ANN, BOB]),
    ("people", {"company": ["Acme", "Bolt"]}, [ANN, BOB, CY]),
    ("people", {"company": 40000002}, [CY]),
    ("people", {"company": None}, []),
    ("people", {"tags": "VIP"}, [ANN, BOB]),
    ("people", {"tags": None}, [CY]),
    ("people", {"title": "ceo"}, [ANN]),
    ("people", {"contact_type": "Potential Customer"}, [ANN, BOB, CY]),
    ("people", {"assignee": None}, [ANN, BOB, CY]),
    ("people", {"custom_fields": {"Renewal date": date(2026, 12, 31)}}, [ANN]),
    ("people", {"Renewal date": "2026-12-31"}, [ANN]),
    ("people", {"Code": "a-1"}, [ANN]),
    ("people", {"opportunity": 20000001}, [ANN]),
    ("people", {"minimum_date_created": "2026-01-16"}, [ANN, BOB, CY]),
    ("people", {"maximum_created_date": date(2026, 1, 15)}, []),
    ("companies", {"Tier": "Gold"}, ["Acme"]),
    ("companies", {"Tier": ["Gold", "Silver"]}, ["Acme"]),
    ("companies", {"Regions": "EMEA"}, ["Acme"]),
    ("companies", {"Regions": "NA"}, []),
    ("companies", {"city": "reno"}, ["Acme"]),
    ("companies", {"address": {"city": "Reno"}}, ["Acme"]),
    ("companies", {"assignee": "dana@ourfirm.com"}, ["Acme"]),
    ("companies", {"assignee": ["Dana", "Lee"]}, ["Acme", "Bolt"]),
    ("companies", {"email_domain": "BOLT.io"}, ["Bolt"]),
    ("companies", {"date_created": date(2026, 1, 15)}, ["Acme", "Bolt"]),
    ("opportunities", {"pipeline": "Sales", "stage": "Proposal"}, ["Acme renewal"]),
    ("opportunities", {"stage": "Negotiation"}, []),
    ("opportunities", {"status": "open"}, ["Acme renewal"]),
    ("opportunities", {"status": ["Won", "Lost"]}, []),
    ("opportunities", {"primary_contact": "ann@acme.com"}, ["Acme renewal"]),
    ("opportunities", {"minimum_monetary_value": 5000, "maximum_monetary_value": 5000}, ["Acme renewal"]),
    ("opportunities", {"close_date": "2026-12-31"}, ["Acme renewal"]),
    ("opportunities", {"maximum_close_date": "2026-12-30"}, []),
]


@pytest.mark.parametrize(("type_name", "fields", "expected"), EQUAL, ids=[f"{a}-{b}" for a, b, _ in EQUAL])
def test_conditions_by_field(shop: Shop, type_name: str, fields: dict[str, Any], expected: list[str]) -> None:
    """A field with a value, several, or none."""
    assert expected == names(shop.copper[type_name].search(**fields))


WHERE: list[tuple[str, str, list[str]]] = [
    ("people", "tag=vip", [ANN, BOB]),
    ("people", "tags!=vip", [CY]),
    ("people", "name~EE", [ANN]),
    ("people", "emails~acme", [ANN, BOB]),
    ("people", "title!=CEO", [BOB, CY]),
    ("people", "title=", [BOB, CY]),
    ("people", "Renewal date>=2026-01-01", [ANN]),
    ("people", "Renewal date<=2026-01-01", []),
    ("people", "company_id=40000001", [ANN, BOB]),
    ("opportunities", "monetary_value>=5000.00", ["Acme renewal"]),
    ("opportunities", "monetary_value!=5000", []),
    ("opportunities", "close_date >= 2026-12-31", ["Acme renewal"]),
    ("opportunities", "stage~propo", ["Acme renewal"]),
]


@pytest.mark.parametrize(("type_name", "text", "expected"), WHERE)
def test_conditions_as_text(shop: Shop, type_name: str, text: str, expected: list[str]) -> None:
    """The texts of the command line are understood by the client as well."""
    assert expected == names(shop.copper[type_name].search(text))


def test_copper_is_asked_what_it_can_be_asked(shop: Shop) -> None:
    """Labels and records go out as ids, days as seconds with a day to spare, options as Copper wants them."""
    start = 1798704000 - 86400
    list(shop.copper.opportunities.search("close_date>=2026-12-31", status="Won", company="Acme", tags=["a", "b"]))
    list(shop.copper.companies.search(Tier="Gold", Regions=["EMEA"], assignee=None, city="Reno"))
    ids = {"Tier": 100001, "Regions": 100002}

    assert {
        "minimum_close_date": start,
        "status_ids": [1],
        "company_ids": [40000001],
        "tags": {"option": "ANY", "value": ["a", "b"]},
    }.items() <= shop.sent("/opportunities/search")[-1].items()
    assert {
        "assignee_ids": [-2],
        "city": "Reno",
        "custom_fields": [
            {"custom_field_definition_id": ids["Tier"], "value": [120001]},
            {"custom_field_definition_id": ids["Regions"], "value": [120004], "option": "ANY"},
        ],
    }.items() <= shop.sent("/companies/search")[-1].items()


def test_a_notice_says_what_is_looked_for_here(shop: Shop) -> None:
    """A text custom field cannot be searched: all that match the rest are read, and the caller is told."""
    search = shop.copper.people.search(Code="A-1", tags="vip")

    assert (names(search), len(search.notices)) == ([ANN], 1)
    assert 'cannot search people by "Code", which is a custom field of type String' in search.notices[0]
    assert shop.sent("/people/search")[-1]["tags"] == ["vip"]


@pytest.mark.parametrize("quirk", [{"name_filter": "substring"}, {"email_filter": "prefix"}, {"modified_filter": "refused"}])
def test_copper_narrows_and_we_decide(quirk: dict[str, str]) -> None:
    """Filters that find too much, or that Copper refuses, change nothing in what is found."""
    shop = Shop(Quirks(**quirk))
    shop.sandbox.create("people", {"name": "Ann", "emails": ["ann@acme.com"]})
    shop.sandbox.create("people", {"name": "Anna", "emails": ["ann@acme.com.au"]})
    people = shop.copper.people

    assert [
        names(people.search(name="Ann")),
        names(people.search(emails="ann@acme.com")),
        names(people.search("date_modified>=2026-01-01")),
    ] == [["Ann"], ["Ann"], ["Ann", "Anna"]]


@pytest.mark.parametrize("quirk", ["supported", "refused"])
def test_records_by_their_ids(quirk: str) -> None:
    """Ids are a condition like others, also where Copper refuses it; many at once come in the order asked for."""
    shop = Shop(Quirks(lead_ids_filter=quirk))
    ids = [shop.copper.leads.create(name=f"L{number}").id for number in range(4)]
    leads = shop.copper.leads

    assert [
        leads.search(id=[ids[2], ids[0]], sort="name").ids(),
        leads.search(f"id={ids[1]}").ids(),
        [each.id for each in leads.get_many([ids[3], 5, ids[1]])],
    ] == [[ids[0], ids[2]], [ids[1]], [ids[3], ids[1]]]


WHY: list[tuple[str, dict[str, Any] | str, str]] = [
    ("people", {"Code": "A"}, '"Code", which is a custom field of type String: '),
    ("people", {"title": "CEO"}, '"title": '),
    ("people", "tags!=vip", '"tags" with !=: '),
    ("people", "Tier!=Gold", '"Tier" with !=: '),
    ("people", {"Tier": None}, '"Tier" in this way: '),
    ("people", {"contact_type": [None, "Other"]}, '"contact_type" in this way: '),
]


@pytest.mark.parametrize(("type_name", "wanted", "text"), WHY, ids=[each[2] for each in WHY])
def test_why_copper_cannot_be_asked(shop: Shop, type_name: str, wanted: dict[str, Any] | str, text: str) -> None:
    """A notice names what it is that Copper cannot do."""
    found = shop.copper[type_name].search(**wanted) if isinstance(wanted, dict) else shop.copper[type_name].search(wanted)

    assert [f"Copper cannot search people by {text}crmsync reads all that match the rest, and looks itself."] == [
        *found.notices
    ]


def test_several_records_of_one_name_all_count_in_a_search(shop: Shop) -> None:
    """Two companies called Acme: the people of both are found; to write, one must be named."""
    twin = shop.sandbox.create("companies", {"name": "Acme"})
    shop.sandbox.create("people", {"name": "Dee", "company": str(twin)})

    assert names(shop.copper.people.search(company="Acme")) == [ANN, BOB, "Dee"]
    with pytest.raises(BadInput, match=f"fits several companies: #40000001, #{twin}"):
        shop.copper.people.create(name="Eve", company="Acme")


@pytest.mark.parametrize("sort", ["title", "emails", "email", "date_created"])
def test_sorting_by_a_field_or_by_coppers_word(shop: Shop, sort: str) -> None:
    """Both the field's name and Copper's word for it sort, in Copper."""
    found = list(shop.copper.people.search(sort=sort))

    assert (len(found), next(key for key in shop.sent("/people/search")[-1] if key == "sort_by")) == (3, "sort_by")


def test_sorting_by_what_copper_cannot_sort(shop: Shop) -> None:
    """A custom field sorts here; empty values come last either way; a notice says so."""
    shop.sandbox.edit("people", 70000002, {"custom_fields.Renewal date": "2026-06-30"})
    up = shop.copper.people.search(sort="Renewal date")
    down = shop.copper.people.search(sort="Renewal date", descending=True)

    assert (names(up), names(down), len(up.notices)) == ([BOB, ANN, CY], [ANN, BOB, CY], 1)


def test_limits_and_single_records(shop: Shop) -> None:
    """A limit, the first, the only one, the ids, the count."""
    people = shop.copper.people

    assert names(people.search(limit=2)) == [ANN, BOB]
    assert people.search(name="nobody").first() is None
    assert people.search(name="Cy").one()["name"] == CY
    assert people.search(company="Acme").ids() == [70000001, 70000002]
    assert people.search(company="Acme").count() == 2
    with pytest.raises(BadInput, match="Several of people meet"):
        people.search().one()
    with pytest.raises(BadInput, match="None of people meet"):
        people.search(name="nobody").one()


# ---- all of them


@pytest.fixture
def small_cap(monkeypatch: pytest.MonkeyPatch) -> int:
    """Copper's cap lowered from 100,000 rows to 400, on both sides."""
    monkeypatch.setattr(crmsync.copper.read, "LAST_PAGE", 2)
    monkeypatch.setattr(crmsync.sandbox.search, "CAP", 400)
    return 400


@pytest.mark.parametrize(
    "options",
    [{}, {"sort": "date_created", "descending": True}, {"sort": "name"}, {"sort": "name", "descending": True}],
    ids=["unsorted", "newest", "name", "name-down"],
)
@pytest.mark.parametrize("quirks", [{}, {"short_pages": "on"}, {"total": "surplus"}], ids=["plain", "short", "surplus"])
def test_more_than_copper_shows(small_cap: int, options: dict[str, Any], quirks: dict[str, str]) -> None:
    """Beyond Copper's cap, with pages short and totals high, every row is there, once, in the order asked for."""
    shop = Shop(Quirks(**quirks))
    shop.people(1030)
    found = names(shop.copper.people.search(**options))
    expected = [f"Person {number:04}" for number in range(1030)]

    assert (expected[::-1] if options.get("descending") else expected) == found


def test_a_few_of_very_many_are_cheap(small_cap: int) -> None:
    """The first three of more than Copper shows cost one request of three rows, in whatever order."""
    shop = Shop()
    shop.people(500)
    shop.forget()
    found = names(shop.copper.people.search(sort="name", descending=True, limit=3))

    assert found == ["Person 0499", "Person 0498", "Person 0497"]
    assert [body["page_size"] for body in shop.sent("/people/search")] == [3]


def test_parts_of_one_second_each(small_cap: int) -> None:
    """Records created in the same second may lie on both sides of a part, and come once."""
    shop = Shop()
    for number in range(900):
        if number % 7 == 0:
            shop.clock.sleep(1)
        shop.sandbox.create("people", {"name": f"Person {number:04}"})

    assert len(set(shop.copper.people.search().ids())) == 900


def test_a_limit_beyond_the_cap(small_cap: int) -> None:
    """A limit above what Copper shows is met, sorted as well."""
    shop = Shop()
    shop.people(900)

    assert len(shop.copper.people.search(sort="name", limit=700).ids()) == 700


class Log:
    """A `send` that knows 1,000 activities in no order, of which it shows 400 at a time; every tenth is a stub."""

    def __init__(self) -> None:
        self.all = [{"id": id, "activity_date": 1_700_000_000 + id * 7919 % 1000} for id in range(1, 1001)]
        self.requests = 0

    def __call__(self, request: Any) -> Any:
        self.requests += 1
        asked = json.loads(request.body)
        low, high = asked.get("minimum_activity_date", 0), asked.get("maximum_activity_date", 2**31)
        rows = [row for row in self.all if low <= row["activity_date"] <= high]
        start = (asked["page_number"] - 1) * asked["page_size"]
        page = [row if row["id"] % 10 else {"id": row["id"], "is_deleted": True} for row in rows[:400][start : start + 200]]
        return Answer(200, json.dumps(page).encode(), {"X-PW-TOTAL": str(len(rows))})


def test_rows_in_no_order(small_cap: int) -> None:
    """That activities come newest first is not documented: where they do not, they are read in parts of their dates."""
    log, clock = Log(), Clock()
    copper = Copper(log, pacer=Pacer(100_000), clock=clock, sleep=clock.sleep)

    found = [body["id"] for body in copper.activities.search(raw=True)]
    assert [id for id in range(1, 1001) if id % 10] == sorted(found)


def test_a_condition_on_dates_survives_the_parts(small_cap: int) -> None:
    """A caller's own bounds on the creation date hold in every part."""
    shop = Shop()
    shop.people(1000)
    first = shop.copper.people.search(limit=1).one()["date_created"]
    since = first + timedelta(seconds=100)

    assert len(shop.copper.people.search(minimum_date_created=since).ids()) == 900


@pytest.mark.parametrize("sort", [None, "name"])
def test_short_pages_lose_nothing(sort: str | None) -> None:
    """Pages with fewer rows than asked for are no end."""
    shop = Shop(Quirks(short_pages="on", total="surplus"))
    ids = shop.people(777)

    assert ids == shop.copper.people.search(sort=sort).ids()


# ---- what cannot be


BAD: list[tuple[str, tuple[str, ...], dict[str, Any], str]] = [
    ("people", (), {"compny": "x"}, 'A person has no field "compny". Did you mean "company"?'),
    (
        "people",
        (),
        {"custom_fields": {"Teir": "x"}},
        'A person has no custom field "custom_fields.Teir". Did you mean "Tier"?',
    ),
    ("people", ("name>x",), {}, 'There is no operator ">". Did you mean ">="? There are: = != >= <= ~.'),
    ("people", ("name",), {}, '"name" is no condition. Write a field, one of = != >= <= ~, and a value.'),
    ("people", ("title>=CEO",), {}, '"title" has no order. Use =, != or ~.'),
    ("people", (), {"assignee": "Danna"}, 'There is no user called "Danna" in this Copper account. Did you mean "Dana"?'),
    ("people", (), {"company": "Acne"}, 'There is no company with the name "Acne" in Copper.'),
    (
        "people",
        (),
        {"Tier": "Glod"},
        'There is no option of Tier called "Glod" in this Copper account. Did you mean "Gold"?',
    ),
    ("opportunities", (), {"stage": "Propsal"}, 'There is no stage called "Propsal" in this Copper account. Did you mean'),
    (
        "opportunities",
        (),
        {"status": "Opne"},
        '"status" is one of Open, Won, Lost, Abandoned, not "Opne". Did you mean "Open"?',
    ),
    ("opportunities", ("close_date>=soon",), {}, '"soon" is not a date. Write year, month and day, such as 2026-12-31.'),
    ("opportunities", (), {"monetary_value": "much"}, '"much" is not a number.'),
    ("people", (), {"date_created": "soon"}, '"date_created" is a day, such as 2026-12-31, or a time'),
    ("people", (), {"age": "old"}, '"age" is created at most so many seconds ago: a number.'),
    ("people", ("age>=100",), {}, '"age" is created at most so many seconds ago: ask for it with =.'),
    ("people", (), {"minimum_age": 100}, "ask for it with =."),
    ("people", (), {"followed": "perhaps"}, '"followed" is whether you follow it: true or false.'),
    ("people", (), {"id": list(range(1, 202))}, "A search takes at most 200 ids; get_many takes any number."),
    ("people", (), {"id": "ann"}, '"id" is the id of a record: a number.'),
    ("people", (), {"tags": []}, '"tags" is given no value to look for. None means those that have none.'),
    ("people", ("name>>x",), {}, 'There is no operator ">>". Did you mean ">="?'),
    ("people", (), {"sort": "id"}, "Copper cannot sort by id. date_created is the same order."),
    ("people", (), {"descending": True}, "There is nothing to sort by."),
    ("people", (), {"limit": -1}, "The limit is a number of records, 0 or more."),
]


@pytest.mark.parametrize(("type_name", "where", "fields", "message"), BAD, ids=[each[3][:40] for each in BAD])
def test_bad_conditions(shop: Shop, type_name: str, where: tuple[str, ...], fields: dict[str, Any], message: str) -> None:
    """What cannot be searched is told when the search is made, with what was meant, and no search of it is sent."""
    with pytest.raises(BadInput) as raised:
        shop.copper[type_name].search(*where, **fields)

    assert message in str(raised.value)
    assert shop.sent(f"/{type_name}/search") == []


def test_all_that_is_wrong_is_told_at_once(shop: Shop) -> None:
    """Three bad conditions make three problems."""
    with pytest.raises(BadInput) as raised:
        shop.copper.people.search("nme=x", "assignee=Danna", "Tier=Glod")

    assert [each.code.number for each in raised.value.diagnostics] == ["CRM011", "CRM030", "CRM030"]


def test_an_unknown_type() -> None:
    """A type that there is not is told without a request."""
    shop = Shop()
    with pytest.raises(BadInput, match=r'There are no "peple" in Copper\. Did you mean "people"\?'):
        shop.copper["peple"]

    assert shop.sandbox.log == []
