"""Faults as text, the hands of other people, and searches that lie."""

from __future__ import annotations

import pytest

from crmsync.sandbox import Fault, FaultError, load_faults, parse_faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset_after", Fault("reset_after")),
        (
            "status_before,status=429,path=/people,nth=3",
            Fault("status_before", status=429, path="/people", nth=3),
        ),
        ("status_before, method=post, nth=3+7, retry_after=5", Fault("status_before", "POST", nth=(3, 7), retry_after=5)),
        ("html,executed=true,probability=0.5", Fault("html", executed=True, probability=0.5)),
        ("late,delay=2.5,seconds=0", Fault("late", delay=2.5, seconds=0.0)),
        ("merge,record=people/7,into=8", Fault("merge", record="people/7", into=8)),
    ],
)
def test_faults_are_parsed(text, fault):
    """Kind first, then keys; several numbers are joined by plus."""
    assert parse_faults([text]) == [fault]


def test_every_problem_of_faults_is_named():
    """All of all faults, each with the option it is in."""
    with pytest.raises(FaultError) as caught:
        parse_faults(["flod,nth=0", "html,stats=200,status=99", "html,path=(", "html,nth=1,nth=2"])

    assert list(caught.value.problems) == [
        '--fault flod,nth=0: kind: there is no fault called "flod". Known: ' + ", ".join(_kinds()) + ".",
        "--fault flod,nth=0: nth: requests are counted from 1.",
        '--fault html,stats=200,status=99: There is no key "stats". Did you mean "status"?',
        "--fault html,stats=200,status=99: status: 99 is not a status; one is from 200 to 599.",
        '--fault html,path=(: The path "(" is not a regular expression: missing ), unterminated subpattern at position 0.',
        '--fault html,nth=1,nth=2: The key "nth" is given twice.',
    ]


def _kinds():
    from crmsync.sandbox.faults import KINDS

    return KINDS


def test_a_fault_file(tmp_path):
    """A list of mappings; problems come with file and line."""
    path = tmp_path / "faults.yaml"
    path.write_text("- {kind: html, nth: [1, 2]}\n- kind: redirect\n  method: GET\n")
    assert load_faults(path) == [Fault("html", nth=(1, 2)), Fault("redirect", method="GET")]
    path.write_text("- {nth: x}\n- html\n-\n  kind: html\n  probability: 2\n")

    with pytest.raises(FaultError) as caught:
        load_faults(path)
    assert list(caught.value.problems) == [
        f'{path}:1: nth: "x" is not a whole number.',
        f'{path}:1: The key "kind" is missing.',
        f"{path}:2: A fault is a mapping with kind, method, path, nth and so on.",
        f"{path}:4: probability: 2 is not a chance; one is from 0 to 1.",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [\n", ":2: This is not YAML"),
        ("a: 1\n", ":1: Here a list of faults is needed."),
        (None, ":1: The file cannot be read"),
    ],
)
def test_fault_files_that_are_none(tmp_path, text, problem):
    """What is no list of faults is said so."""
    path = tmp_path / "faults.yaml"
    if text is not None:
        path.write_text(text)

    with pytest.raises(FaultError, match=problem):
        load_faults(path)


@pytest.fixture
def crowd(api):
    """A client of a sandbox with twenty people, made a minute ago."""
    for n in range(20):
        api.new("people", name=f"P{n:02d}")
    api.clock.now += 60
    return api


def test_a_stale_search(crowd):
    """The struck search knows nothing of the last seconds, the next one everything."""
    first = crowd.found("people")
    crowd("DELETE", f"/people/{first[0]}")
    fresh = crowd.new("people", name="Zoe")
    crowd.sandbox.faults = [Fault("stale_search", path="/people/search", nth=1, delay=5)]

    assert crowd.found("people") == first
    assert crowd.found("people", page_size=50) == [*first[1:], fresh]


def test_a_short_page(crowd):
    """The struck page lacks its last tenth, the total stays."""
    crowd.sandbox.faults = [Fault("short_page", nth=1)]
    reply = crowd.send("POST", "/people/search", {"page_size": 20})

    assert (reply.body.count(b'"first_name"'), reply.headers["X-PW-TOTAL"]) == (18, "20")
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    assert len(crowd.found("people", page_size=20)) == 20


@pytest.mark.parametrize(
    ("fault", "count", "status"),
    [
        (Fault("clone", path="search"), 21, 200),
        (Fault("merge", path="search", record="people/70000001", into=70_000_002), 19, 404),
        (Fault("merge", path="search"), 19, None),
        (Fault("hide", path="search", record="people/70000001"), 19, 404),
        (Fault("delete", path="search", record="people/70000001"), 19, 404),
        (Fault("delete", path="search", record="people/5"), 20, 200),
        (Fault("delete", path="account"), 20, 200),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_other_people_come_in_between(crowd, fault, count, status):
    """Somebody changes a record just before the request, which then sees it."""
    crowd.sandbox.faults = [fault]

    assert len(crowd.found("people", page_size=100)) == count
    assert status in (None, crowd.status("GET", "/people/70000001"))


def test_a_record_is_deleted_under_its_writer(crowd):
    """Without `record` it is the one in the path."""
    crowd.sandbox.faults = [Fault("delete", method="PUT", nth=1)]

    assert crowd.status("PUT", "/people/70000003", {"title": "x"}) == 404
    assert crowd.sandbox.log[-1].executed is False
