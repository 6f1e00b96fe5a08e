"""Knobs that show over several requests, and how knobs are parsed."""

from __future__ import annotations

import json

import pytest

from crmsync.sandbox import Quirks, Rate, Sandbox

from .conftest import HEADERS, Client, Clock

ADDRESS = {"street": "1 Main St", "city": "Reno"}


def test_search_lags_behind(make):
    """Creations and deletions show up late in search, at once in GET (6.5)."""
    api = make(search_lag=3.0)
    id = api.new("people")
    assert (api.found("people"), api.status("GET", f"/people/{id}")) == ([], 200)
    api.clock.now += 3
    assert api.found("people") == api.found("people", ids=[id]) == [id]
    api("DELETE", f"/people/{id}")
    assert (api.found("people"), api.status("GET", f"/people/{id}")) == ([id], 404)
    api.clock.now += 3

    assert api.found("people") == []


def test_get_lags_behind(make):
    """One client saw that GET does, too (6.5)."""
    api = make(get_lag=3.0)
    id = api.new("people")
    assert api.status("GET", f"/people/{id}") == 404
    api.clock.now += 3
    assert api.status("GET", f"/people/{id}") == 200
    api("DELETE", f"/people/{id}")
    assert api.status("GET", f"/people/{id}") == 200
    api.clock.now += 3

    assert api.status("GET", f"/people/{id}") == 404


def _refused(api, users, count):
    """Return how many of *count* requests, by the users in turn, are answered 429."""
    headers = [{**HEADERS, "X-PW-UserEmail": user} for user in users]
    replies = [api.send("GET", "/account", headers=headers[n % len(headers)]) for n in range(count)]
    return sum(reply.status == 429 for reply in replies)


@pytest.mark.parametrize(
    ("quirks", "rate", "refused"),
    [
        ({}, None, 0),
        ({}, Rate(), 20),
        ({"rate_limit": "60"}, None, 140),
        ({"rate_limit": "60"}, Rate(), 140),
        ({"rate_scope": "user"}, Rate(), 0),
        ({"rate_scope": "user", "rate_limit": "60"}, None, 80),
    ],
)
def test_limits_and_whose_they_are(quirks, rate, refused):
    """The limit may be lower, and may be counted for each user (1.1, section 13)."""
    clock = Clock()
    api = Client(Sandbox(clock=clock, rate=rate, quirks=Quirks(**quirks)), clock)

    assert _refused(api, ["dana@ourfirm.com", "lee@ourfirm.com"], 200) == refused


@pytest.mark.parametrize("trouble", ["none", "random"])
def test_bad_days(make, trouble):
    """Errors come at random, the same from the same seed, and some creations are done although no reply comes."""
    api = make(trouble=trouble)
    told = []
    for _ in range(200):
        try:
            told.append(api.status("POST", "/people", {"name": "x"}))
        except TimeoutError:
            told.append("lost")
    made = len(api.sandbox.records("people"))

    assert set(told) == ({200} if trouble == "none" else {200, 429, 500, 502, "lost"})
    assert made == told.count(200) + told.count("lost")
    assert api.sandbox.faults == []


@pytest.mark.parametrize("size", [1, 10, 20])
def test_short_pages_lose_nothing(make, size):
    """Pages may be short, no row is lost or repeated, and the total covers the pages (section 6)."""
    api = make(short_pages="on")
    ids = [api.new("companies") for _ in range(95)]
    criteria = {"sort_by": "date_created", "page_size": size}
    total = int(api.send("POST", "/companies/search", criteria).headers["X-PW-TOTAL"])
    pages = [api.found("companies", **criteria, page_number=n) for n in range(1, -(-total // size) + 1)]

    assert [id for page in pages for id in page] == ids
    assert max(map(len, pages)) <= size
    assert size < 10 or min(map(len, pages[:-1])) < size
    assert api.found("companies", **criteria, page_number=len(pages) + 1) == []


@pytest.mark.parametrize(("quirk", "header"), [("no", None), ("yes", "60")])
def test_too_many_requests(quirk, header):
    """Beyond 180 in 60 seconds, or 3 bulk calls a second, the answer is 429 (1.1, section 13)."""
    clock = Clock()
    api = Client(Sandbox(clock=clock, rate=Rate(5, 3), quirks=Quirks(retry_after=quirk)), clock)
    body = {"people": [{"name": "x"}]}
    bulk = [api.status("POST", "/people/bulk_create", body) for _ in range(4)]
    single = [api.send("GET", "/account") for _ in range(3)]

    assert bulk == [200, 200, 200, 429]
    assert [reply.status for reply in single] == [200, 200, 429]
    assert json.loads(single[2].body) == {"success": False, "status": 429, "message": "Too many requests"}
    assert single[2].headers.get("Retry-After") == header
    clock.now += 60

    assert api.status("POST", "/people/bulk_create", body) == 200


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("tagz=keep", "There is no quirk called 'tagz'. Did you mean tags?"),
        ("tags=loud", "Quirk tags cannot be 'loud'. It is one of: lower, keep."),
        ("search_lag=soon", "Quirk search_lag cannot be 'soon'. It is a number of seconds."),
    ],
)
def test_a_quirk_that_is_none(setting, problem):
    """Problems name the known knobs and values."""
    with pytest.raises(ValueError, match="uirk") as caught:
        Quirks.parse([setting])

    assert str(caught.value) == problem


def test_all_problems_of_quirks_are_named():
    """Not the first problem but all of them, a line each."""
    with pytest.raises(ValueError, match=r"tags cannot be 'loud'.*\n.*no quirk called 'tagz'"):
        Quirks.parse(["tags=loud", "total=exact", "tagz=keep"])


def test_quirks_are_parsed():
    """Settings are knob=value, over those there were."""
    assert Quirks.parse(["total=surplus"], base=Quirks(tags="keep")) == Quirks(tags="keep", total="surplus")
    assert Quirks.parse(["tags=keep", "search_lag=2.5"]) == Quirks(tags="keep", search_lag=2.5)


@pytest.mark.parametrize("quirk", ["replace", "merge"])
def test_the_same_address_again_changes_nothing(make, quirk):
    """An address put back with its parts null is the same address."""
    api = make(address_update=quirk)
    id = api.new("companies", address=ADDRESS)
    shown = api("GET", f"/companies/{id}")["address"]
    api.clock.now += 9

    assert api("PUT", f"/companies/{id}", {"address": shown})["date_modified"] == 1_700_000_000
