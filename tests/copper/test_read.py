"""The questions, asked of a sandbox and of servers that answer oddly."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from crmsync.copper import read
from crmsync.copper.errors import ServerTrouble
from crmsync.model.http import Request
from crmsync.sandbox import Fault, Quirks, Sandbox
from tests.copper.conftest import Answer, Script, json_answer

HEADERS = {
    "X-PW-AccessToken": "sandbox-1",
    "X-PW-Application": "developer_api",
    "X-PW-UserEmail": "dana@ourfirm.com",
    "Content-Type": "application/json",
}
GONE = json_answer({"success": False, "status": 404, "message": "Resource not found"}, 404)


class Copper:
    """A sandbox with a client that looks at it."""

    def __init__(self, time, client_of, **quirks):
        self.sandbox = Sandbox(clock=time.clock, quirks=Quirks(**quirks))
        self.client = client_of(self.send)
        self.time = time

    def send(self, request: Request):
        return self.sandbox.handle(replace(request, headers=HEADERS))

    def create(self, number: int) -> list[int]:
        """Create companies, one a second, and return their ids."""
        ids = []
        for each in range(number):
            ids.append(self.sandbox.create("companies", {"name": f"Company {each}", "email_domain": f"c{each}.test"}))
            self.time.now += 1
        return ids

    @property
    def asked(self) -> int:
        return self.client.requests.total


@pytest.fixture
def copper(time, client_of) -> Copper:
    """A sandbox as the documents describe it."""
    return Copper(time, client_of)


def test_the_account_and_its_labels(copper):
    """What a plan reads first comes in one request each."""
    client = copper.client

    assert read.account(client)["id"] == copper.sandbox.account.id
    assert read.me(client)["email"] == "dana@ourfirm.com"
    assert [user["email"] for user in read.users(client)] == [user.email for user in copper.sandbox.account.users]
    assert [each["name"] for each in read.definitions(client)] == [each.name for each in copper.sandbox.account.definitions]
    assert [each["name"] for each in read.pipelines(client)] == [each.name for each in copper.sandbox.account.pipelines]
    assert {"stages"} <= read.pipelines(client)[0].keys()
    for lookup in (read.contact_types, read.customer_sources, read.loss_reasons):
        assert [each for each in lookup(client) if each["name"]]
    assert copper.asked == 9


@pytest.mark.parametrize(
    ("quirks", "asked"),
    [({}, 3), ({"short_pages": "on"}, 4), ({"total": "surplus"}, 4), ({"short_pages": "on", "total": "surplus"}, 4)],
)
def test_a_search_finds_everything(time, client_of, quirks, asked):
    """All records come, oldest first and each once, though pages are short or the total is too high."""
    copper = Copper(time, client_of, **quirks)
    before = [body["id"] for body in read.search_all(copper.client, "/companies")]
    ids = copper.create(450)
    already = copper.asked

    assert [body["id"] for body in read.search_all(copper.client, "/companies")] == before + ids
    assert copper.asked - already <= asked


@pytest.mark.parametrize(("quirks", "asked"), [({}, 3), ({"short_pages": "on"}, 8)])
def test_records_are_fetched_by_id(time, client_of, quirks, asked):
    """Two hundred ids a request, in any order, double ones once; unknown ids are just not there."""
    copper = Copper(time, client_of, **quirks)
    ids = copper.create(401)

    found = read.by_ids(copper.client, "/companies", [*reversed(ids), ids[0], 999])

    assert found.keys() == set(ids)
    assert {body["name"] for body in found.values()} == {f"Company {each}" for each in range(401)}
    assert 3 <= copper.asked <= asked


def test_no_ids_cost_no_request(copper):
    """Asking for nothing is not asked."""
    assert (read.by_ids(copper.client, "/people", []), copper.asked) == ({}, 0)


def test_one_record(copper):
    """A record is got by its id; a deleted one is None."""
    (id,) = copper.create(1)

    assert read.get(copper.client, "/companies", id)["name"] == "Company 0"
    copper.sandbox.delete("companies", id)
    assert read.get(copper.client, "/companies", id) is None


def test_records_by_what_is_theirs(copper):
    """E-mails, domains and names find their records; many go into one request where the filter takes a list."""
    copper.create(250)
    person = copper.sandbox.create("people", {"name": "Ann Other", "emails": [{"email": "ann@c1.test", "category": "work"}]})
    emails = ["ann@c1.test", *(f"nobody{each}@c1.test" for each in range(150))]
    domains = [f"c{each}.test" for each in range(250)]
    client = copper.client

    assert [body["id"] for body in read.by_texts(client, "/people", "emails", emails, True)] == [person]
    assert copper.asked == 2
    found = read.by_texts(client, "/companies", "email_domains", domains, True)
    assert {body["email_domain"] for body in found} == set(domains)
    already = copper.asked
    found = read.by_texts(client, "/companies", "name", ["Company 7", "Company 9", "Company 7"], False)
    assert ([body["name"] for body in found], copper.asked - already) == (["Company 7", "Company 9"], 2)


def test_a_page_that_left_a_row_out_is_read_again(copper):
    """Whoever concludes that there is none looks again while Copper speaks of one: else it would be made a second time."""
    copper.create(1)
    copper.sandbox.faults = [Fault("short_page", nth=1), Fault("short_page", nth=2)]

    found = read.by_texts(copper.client, "/companies", "name", ["Company 0"], False)
    assert [body["name"] for body in found] == ["Company 0"]


def test_the_newest_records(copper):
    """Those created at a moment or later, newest first."""
    ids = copper.create(10)
    since = copper.time.now - 3

    assert [body["id"] for body in read.newest_created(copper.client, "/companies", since)] == ids[:-4:-1]


def test_related_records(copper):
    """What a record is related to is told by type and id."""
    (company,) = copper.create(1)
    person = copper.sandbox.create("people", {"name": "Ann Other", "company": "Company 0"})

    assert {"id": person, "type": "person"} in read.related(copper.client, "/companies", company)


def test_counting(copper):
    """The number of records costs one request and one row."""
    before = read.count(copper.client, "/companies")
    copper.create(5)

    assert read.count(copper.client, "/companies") == before + 5
    assert read.count(copper.client, "/companies", {"name": "Company 3"}) == 1


def test_beyond_the_first_hundred_thousand(time, client_of, monkeypatch):
    """Where Copper cuts a search off it goes on from the last creation date."""
    monkeypatch.setattr(read, "LAST_PAGE", 2)
    monkeypatch.setattr(read, "PAGE_SIZE", 10)
    copper = Copper(time, client_of)
    before = [body["id"] for body in read.search_all(copper.client, "/companies")]
    ids = copper.create(65)

    assert [body["id"] for body in read.search_all(copper.client, "/companies")] == before + ids


def test_too_many_at_once_is_an_error(time, client_of, monkeypatch):
    """More records of one second than a search shows cannot be told apart, and are not passed over in silence."""
    monkeypatch.setattr(read, "LAST_PAGE", 1)
    row = {"id": 1, "date_created": 5}

    with pytest.raises(ServerTrouble, match="in the same second"):
        read.search_all(client_of(Script(time, [json_answer([row])])), "/people")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, b"<html>no such page</html>"),
        json_answer({"error": "not_found"}, 404),
        json_answer([]),
        json_answer({"id": "7"}),
        json_answer({"id": True}),
        json_answer({"id": 8}),
        json_answer(None),
    ],
    ids=lambda answer: answer.body.decode(),
)
def test_what_is_not_copper_proves_nothing(time, client_of, answer):
    """A page of a proxy, another record or an odd body is trouble, never "the record is gone"."""
    with pytest.raises(ServerTrouble):
        read.get(client_of(Script(time, [answer])), "/people", 7)


@pytest.mark.parametrize("answer", [GONE, json_answer({"id": 7, "is_deleted": True})])
def test_a_gone_record_is_none(time, client_of, answer):
    """Copper's own 404, and the stub that is left of some records, say that it is gone."""
    assert read.get(client_of(Script(time, [answer])), "/people", 7) is None


@pytest.mark.parametrize("value", [{}, None, [1], [{}], [{"id": "1"}], [{"id": -1}], [[]], "rows"])
@pytest.mark.parametrize(
    "ask",
    [
        read.users,
        read.pipelines,
        lambda client: read.by_ids(client, "/people", [1]),
        lambda client: read.search_all(client, "/people"),
        lambda client: read.related(client, "/people", 1),
    ],
)
def test_odd_lists_are_trouble(time, client_of, ask, value):
    """A list of anything but records is not read as far as it goes."""
    with pytest.raises(ServerTrouble):
        ask(client_of(Script(time, [json_answer(value)])))


@pytest.mark.parametrize("headers", [{}, {"X_PW_TOTAL": "many"}, {"X_PW_TOTAL": "-1"}])
def test_a_missing_total_is_trouble_when_counting(time, client_of, headers):
    """No number is made up."""
    with pytest.raises(ServerTrouble, match="X-PW-TOTAL"):
        read.count(client_of(Script(time, [json_answer([], **headers)])), "/people")


def test_without_a_total_the_empty_page_is_the_end(time, client_of):
    """The total is a help, not needed."""
    pages = [json_answer([{"id": 1}]), json_answer([{"id": 2}, {"id": 1}]), json_answer([])]
    send = Script(time, pages)

    assert [user["id"] for user in read.users(client_of(send))] == [1, 2]
    assert len(send.asked) == 3
