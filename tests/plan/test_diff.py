"""The difference law: every verdict, every policy, values and members."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsync.catalogue import CATALOGUE
from crmsync.model import wanted
from crmsync.model.address import Address
from crmsync.model.digest import Digester
from crmsync.model.events import Applied
from crmsync.model.plan import Cause, Delta, FieldChange
from crmsync.model.records import Desired, DesiredField, Mode, OnAdopt, OnDrift, Policy
from crmsync.model.source import Position
from crmsync.model.values import Member, Members
from crmsync.model.wanted import PackedDesired, addresses_in, policies_of
from crmsync.plan.diff import creations, judge, verdict
from crmsync.plan.sent import compose, confirmed, is_met, members_asked, rebase

NAME = CATALOGUE["companies"].by_name["name"]
TAGS = CATALOGUE["companies"].by_name["tags"]
DIGESTER = Digester(bytes(32))
HERE = Position("crm/a.yaml", 1, 1)


def desired(value, **policy) -> DesiredField:
    return DesiredField(value, Policy(**policy), HERE)


def applied(asked: str, answered: str, *, is_kept: bool = False) -> Applied:
    return Applied(DIGESTER.value(NAME, asked), DIGESTER.value(NAME, answered), is_kept=is_kept)


def tags(*names: str) -> Members:
    return Members(tuple(Member(name, name) for name in names))


def ours(*names: str) -> Applied:
    members = {DIGESTER.member_key(TAGS, each): (DIGESTER.member(TAGS, each),) * 2 for each in tags(*names)}
    return Applied(DIGESTER.value(TAGS, tags(*names)), DIGESTER.value(TAGS, tags(*names)), members)


@pytest.mark.parametrize(
    ("is_same", "is_known", "is_as_asked", "is_as_answered", "expected"),
    [
        (True, False, False, False, None),
        (True, True, False, False, None),
        (False, False, False, False, Cause.ADOPTED),
        (False, True, True, True, None),
        (False, True, False, True, Cause.EDITED),
        (False, True, True, False, Cause.DRIFTED),
        (False, True, False, False, Cause.CONFLICT),
    ],
)
def test_verdict(is_same: bool, is_known: bool, is_as_asked: bool, is_as_answered: bool, expected: Cause | None) -> None:
    """The verdict follows from which of D, O and A agree, as the table in the module says."""
    pair = ("d" if is_as_asked else "x", "o" if is_as_answered else "x") if is_known else None

    assert verdict(is_same, "d", "o", pair) == expected


#: What each single-value policy makes of each verdict: write, keep, hold, report, or nothing.
VALUES = {
    # (mode, on_drift, on_adopt): (edited, drifted, conflict, adopted)
    (Mode.ENFORCE, OnDrift.OVERWRITE, OnAdopt.OVERWRITE): ("write", "write", "write", "write"),
    (Mode.ENFORCE, OnDrift.KEEP, OnAdopt.OVERWRITE): ("write", "keep", "keep", "write"),
    (Mode.ENFORCE, OnDrift.HOLD, OnAdopt.OVERWRITE): ("write", "hold", "hold", "write"),
    (Mode.ENFORCE, OnDrift.OVERWRITE, OnAdopt.FILL): ("write", "write", "write", "keep"),
    (Mode.ENFORCE, OnDrift.OVERWRITE, OnAdopt.HOLD): ("write", "write", "write", "hold"),
    (Mode.SEED, OnDrift.OVERWRITE, OnAdopt.OVERWRITE): ("nothing",) * 4,
    (Mode.FILL, OnDrift.OVERWRITE, OnAdopt.OVERWRITE): ("nothing",) * 4,
    (Mode.OBSERVE, OnDrift.OVERWRITE, OnAdopt.OVERWRITE): ("report",) * 4,
}
STATES = {
    Cause.EDITED: applied("Old", "Copper's"),
    Cause.DRIFTED: applied("File's", "Old"),
    Cause.CONFLICT: applied("Old", "Older"),
    Cause.ADOPTED: None,
}


def what(judgement) -> str:
    found = {
        "write": judgement.change,
        "keep": judgement.kept,
        "hold": judgement.held,
        "report": judgement.observed_only,
    }
    said = [name for name, change in found.items() if change is not None]
    assert len(said) < 2
    return said[0] if said else "nothing"


@pytest.mark.parametrize(("policy", "expected"), VALUES.items(), ids=str)
def test_values_by_policy_and_verdict(policy, expected) -> None:
    """Every policy meets every verdict."""
    mode, on_drift, on_adopt = policy
    wish = desired("File's", mode=mode, on_drift=on_drift, on_adopt=on_adopt)

    assert expected == tuple(what(judge(NAME, wish, "Copper's", state, DIGESTER)) for state in STATES.values())


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.FILL])
def test_empty_values_are_filled(mode: Mode) -> None:
    """A value that Copper does not have is filled under enforce and fill alike."""
    judgement = judge(NAME, desired("File's", mode=mode), None, None, DIGESTER)

    assert judgement.change == FieldChange("name", None, "File's", Cause.ADOPTED, HERE)


def test_a_rewriting_account_is_quiet() -> None:
    """D as asked and O as answered is in sync, though they differ."""
    judgement = judge(NAME, desired("acme"), "ACME", applied("acme", "ACME"), DIGESTER)

    assert (judgement.change, judgement.kept, judgement.held, judgement.applied) == (None, None, None, None)


def test_a_kept_value_stays_kept_until_the_file_changes() -> None:
    """What was kept on purpose is kept for this D, also when a person changes it again; a new D writes over it."""
    policy = {"on_drift": OnDrift.KEEP}
    first = judge(NAME, desired("File's", **policy), "Person's", applied("File's", "File's"), DIGESTER)
    again = judge(NAME, desired("File's", **policy), "Person's", first.applied, DIGESTER)
    moved = judge(NAME, desired("File's", **policy), "Person's too", first.applied, DIGESTER)
    edited = judge(NAME, desired("New", **policy), "Person's", first.applied, DIGESTER)

    assert [what(each) for each in (first, again, moved, edited)] == ["keep", "keep", "keep", "write"]
    assert again.applied is None
    assert edited.change is not None
    assert edited.change.cause is Cause.EDITED


def test_a_digest_of_an_older_kind_says_nothing() -> None:
    """A digest made by another version of the kind counts as no A."""
    stale = Applied("0.aaaaaaaaaaaaaaaa", "0.aaaaaaaaaaaaaaaa")

    judgement = judge(NAME, desired("File's"), "Copper's", stale, DIGESTER)

    assert judgement.change is not None
    assert judgement.change.cause is Cause.ADOPTED


MEMBERS = {
    # declared, observed, ours: added, removed, foreign
    "a new one is added last": (tags("a", "b"), tags("x", "a"), ours("a"), ["b"], [], ["x"]),
    "one no longer declared is removed": (tags("a"), tags("a", "b", "x"), ours("a", "b"), [], ["b"], ["x"]),
    "what others added stays": (tags("a"), tags("x", "a", "y"), ours("a"), [], [], ["x", "y"]),
    "one that a person removed is put back": (tags("a", "b"), tags("a"), ours("a", "b"), ["b"], [], []),
    "one that a person removed and we too": (tags("a"), tags("a"), ours("a", "b"), [], [], []),
    "a stranger's that we declare becomes ours": (tags("a", "x"), tags("a", "x"), ours("a"), [], [], []),
    "an empty list takes away ours alone": (tags(), tags("a", "x"), ours("a"), [], ["a"], ["x"]),
    "adopted": (tags("a"), tags("x"), None, ["a"], [], ["x"]),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_members_under_own(name: str) -> None:
    """Under `own` what we declared and confirmed is ours; everything else stays as it is."""
    declared, observed, state, added, removed, foreign = MEMBERS[name]

    change = judge(TAGS, desired(declared, mode=Mode.OWN), observed, state, DIGESTER).change

    if not added and not removed:
        assert change is None
    else:
        assert change is not None
        assert change.delta is not None
        found = [[each.key for each in part] for part in (change.delta.added, change.delta.removed, change.delta.foreign)]
        assert found == [added, removed, foreign]
        assert [each.key for each in change.after] == [*(m.key for m in observed if m.key not in removed), *added]


def test_add_never_removes_and_null_clears_all() -> None:
    """`add` leaves what is no longer declared; null takes everybody's away."""
    kept = judge(TAGS, desired(tags("a"), mode=Mode.ADD), tags("a", "b"), ours("a", "b"), DIGESTER)
    cleared = judge(TAGS, desired(None, mode=Mode.OWN), tags("a", "x"), ours("a"), DIGESTER)

    assert kept.change is None
    assert cleared.change is not None
    assert cleared.change.after == Members()


@pytest.mark.parametrize(
    ("on_drift", "expected"), [(OnDrift.OVERWRITE, "write"), (OnDrift.KEEP, "keep"), (OnDrift.HOLD, "hold")]
)
def test_a_member_that_a_person_removed_is_drift(on_drift: OnDrift, expected: str) -> None:
    """A declared member that a person removed follows `on_drift`."""
    wish = desired(tags("a", "b"), mode=Mode.OWN, on_drift=on_drift)

    assert what(judge(TAGS, wish, tags("a"), ours("a", "b"), DIGESTER)) == expected


#: What each policy makes of a member, by what became of it. Of ours: as it was, removed, changed, given up, given up and
#: changed; of others: declared, there under another category, foreign.
MEMBER_STORIES = {
    "new": (("x", "work"), None, None),
    "another category": (("x", "work"), ("x", "home"), None),
    "removed by a person": (("x", "work"), None, "work"),
    "changed by a person": (("x", "work"), ("x", "home"), "work"),
    "changed by the file": (("x", "home"), ("x", "work"), "work"),
    "changed by both": (("x", "mobile"), ("x", "home"), "work"),
    "removed by a person, changed by the file": (("x", "home"), None, "work"),
    "given up": (None, ("x", "work"), "work"),
    "given up, changed by a person": (None, ("x", "home"), "work"),
    "a stranger's": (None, ("x", "home"), None),
}
MEMBER_RULES = {
    # (mode, on_drift): one word a story
    (Mode.OWN, OnDrift.OVERWRITE): ["write"] * 9 + ["nothing"],
    (Mode.OWN, OnDrift.KEEP): ["write", "write", "keep", "keep", "write", "keep", "keep", "write", "keep", "nothing"],
    (Mode.OWN, OnDrift.HOLD): ["write", "write", "hold", "hold", "write", "hold", "hold", "write", "hold", "nothing"],
    (Mode.ADD, OnDrift.OVERWRITE): ["write"] * 7 + ["nothing"] * 3,
    (Mode.ADD, OnDrift.KEEP): ["write", "write", "keep", "keep", "write", "keep", "keep"] + ["nothing"] * 3,
    (Mode.ADD, OnDrift.HOLD): ["write", "write", "hold", "hold", "write", "hold", "hold"] + ["nothing"] * 3,
    (Mode.SEED, OnDrift.OVERWRITE): ["nothing"] * 10,
    (Mode.OBSERVE, OnDrift.OVERWRITE): ["report"] * 10,
}
PHONES = CATALOGUE["people"].by_name["phone_numbers"]


def _phone(pair: tuple[str, str] | None) -> Members:
    return Members() if pair is None else Members((Member(pair[0], pair[0], pair[1]),))


@pytest.mark.parametrize(("rule", "expected"), MEMBER_RULES.items(), ids=str)
def test_members_by_policy_and_story(rule: tuple[Mode, OnDrift], expected: list[str]) -> None:
    """Every policy of a set meets every story of a member."""
    mode, on_drift = rule
    found = []
    for declared, observed, ours_as in MEMBER_STORIES.values():
        wish = desired(_phone(declared), mode=mode, on_drift=on_drift)
        members = {}
        if ours_as is not None:
            member = Member("x", "x", ours_as)
            members = {DIGESTER.member_key(PHONES, member): (DIGESTER.member(PHONES, member),) * 2}
        state = Applied(DIGESTER.value(PHONES, Members()), DIGESTER.value(PHONES, Members()), members)
        found.append(what(judge(PHONES, wish, _phone(observed), state, DIGESTER)))

    assert expected == found


def test_enforce_on_a_set_means_exactly_these() -> None:
    """Under `enforce` what others added goes."""
    judgement = judge(TAGS, desired(tags("a"), mode=Mode.ENFORCE), tags("a", "x"), ours("a"), DIGESTER)

    assert judgement.change is not None
    assert judgement.change.after == tags("a")
    assert judgement.change.delta is None


NAMES = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6).map(lambda names: tags(*names))


@given(declared=NAMES, observed=NAMES, mine=NAMES)
def test_own_converges_and_leaves_others_alone(declared: Members, observed: Members, mine: Members) -> None:
    """Whatever was there: after one write the declared are there, strangers stay, and the next judgement is empty."""
    state = ours(*(each.key for each in mine))
    wish = desired(declared, mode=Mode.OWN)

    change = judge(TAGS, wish, observed, state, DIGESTER).change
    after = change.after if change is not None else observed
    strangers = {each.key for each in observed} - {each.key for each in mine} - {each.key for each in declared}

    assert {each.key for each in declared} | strangers == {each.key for each in after}
    if change is not None:
        asked = members_asked(TAGS, change, DIGESTER)
        state = confirmed(TAGS, DIGESTER.value(TAGS, change.after), asked, after, DIGESTER)
        assert is_met(change, after)
    again = judge(TAGS, wish, after, state, DIGESTER)
    assert again.change is None
    assert again.held is None


@given(declared=NAMES, observed=NAMES, later=NAMES, mine=NAMES)
def test_rebase_never_touches_strangers(declared: Members, observed: Members, later: Members, mine: Members) -> None:
    """A change re-based on what Copper shows now keeps every member that somebody else added meanwhile."""
    change = judge(TAGS, desired(declared, mode=Mode.OWN), observed, ours(*(each.key for each in mine)), DIGESTER).change
    if change is None or change.delta is None:
        return

    moved = rebase(change, later)

    assert moved is not None
    removed = {each.key for each in change.delta.removed}
    assert {each.key for each in later} - removed <= {each.key for each in moved.after}


def test_rebase_sets_aside_what_a_person_moved() -> None:
    """A single value that is neither as planned on nor as wished was moved by a person."""
    change = FieldChange("name", "Old", "New", Cause.EDITED)

    assert rebase(change, "Person's") is None
    assert rebase(change, "Old") == change
    assert rebase(change, "New") == FieldChange("name", "New", "New", Cause.EDITED)


def test_compose_puts_additions_last() -> None:
    """Others' order is kept; additions come last."""
    delta = Delta(added=tags("n"), removed=tags("b"))

    assert [each.key for each in compose(tags("c", "b", "a"), delta)] == ["c", "a", "n"]


def test_every_policy_has_a_row() -> None:
    """The table above names each mode that a single value may have."""
    modes = {mode for mode, _, _ in VALUES}

    assert modes == set(Mode) - {Mode.OWN, Mode.ADD}
    assert len(list(itertools.product(OnDrift, OnAdopt))) == 9


_COMPANIES = CATALOGUE["companies"]
_VALUES = {
    "name": st.sampled_from(["Acme", "", None]),
    "assignee": st.sampled_from([None, 7]),
    "tags": st.sampled_from([None, Members(), tags("a", "b")]),
    "gone_from_the_account": st.just("x"),
    "details": st.sampled_from(["two\nlines", Address("people", "ann")]),
}
_PLACES = st.builds(Position, st.sampled_from(["crm/a.yaml", "crm/b.yaml"]), st.integers(1, 9), st.integers(1, 9))


@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            name: st.builds(DesiredField, value, st.builds(Policy, st.sampled_from(Mode)), _PLACES)
            for name, value in _VALUES.items()
        },
    )
)
def test_a_new_record_is_the_same_from_bytes(fields: dict[str, DesiredField]) -> None:
    """What a new record gets is the same where its fields are made for it and where they stay as they are packed."""
    record = Desired(Address("companies", "acme"), fields, HERE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wanted, "FEW", 0)
        flat = PackedDesired([record])[record.address]

    assert record == flat
    assert list(fields.items()) == list(flat.fields.items())
    assert {name: flat.fields[name] for name in fields} == fields
    assert list(addresses_in(fields)) == list(addresses_in(flat.fields))
    assert list(policies_of(fields)) == list(policies_of(flat.fields))
    assert creations(_COMPANIES, fields) == creations(_COMPANIES, flat.fields)
