"""What it takes to put a set back: member by member, whatever others did to it since."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crmsync.catalogue import CATALOGUE
from crmsync.model.digest import Digester
from crmsync.model.values import Member, Members
from crmsync.plan.undoing import _reverted

EMAILS = CATALOGUE["people"].by_name["emails"]
members = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["work", "personal"])).map(
    lambda found: Members(tuple(Member(f"{key}@acme.com", f"{key}@acme.com", category) for key, category in found.items()))
)


@given(members, members, members)
def test_what_the_run_changed_is_put_back_and_nothing_else(old: Members, new: Members, live: Members) -> None:
    """A member that the run changed and nobody since is as before; every other one stays as it is, in its place."""
    change, is_moved = _reverted(EMAILS, (old, new), live, None, Digester(bytes(32)))

    after = live if change is None else change.after
    assert isinstance(after, Members)
    for key in {each.key for each in (*old, *new, *live)}:
        is_ours = old.get(key) != new.get(key) and live.get(key) == new.get(key)
        assert after.get(key) == (old if is_ours else live).get(key)
    assert is_moved == any(
        old.get(each.key) != new.get(each.key) and live.get(each.key) not in (old.get(each.key), new.get(each.key))
        for each in (*old, *new)
    )
    stay = [each.key for each in live if after.get(each.key) is not None]
    assert stay == [each.key for each in after if live.get(each.key) is not None]
    assert change is None or change.before != change.after
