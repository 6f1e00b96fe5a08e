"""A state that was restored from a copy: what is remembered beside it does not count for it any more."""

from __future__ import annotations

import pytest

from crmsync.project.session import open_project, opened_state
from tests.desk import Desk


@pytest.mark.parametrize("is_compacted", [False, True])
def test_a_restored_state_of_the_same_length_is_another_one(desk: Desk, is_compacted: bool) -> None:
    """What was planned on a state counts for that log alone, not for a copy that was restored and grew as long."""
    path = desk.root / ".crmsync" / "state.db"
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme}\n  beta: {name: Beta}\n")
    desk.done("apply", "-y")
    backup = path.read_bytes()
    desk.done("state", "mv", "companies.acme", "companies.other")
    desk.done("state", "mv", "companies.other", "companies.acme")
    _compact(desk, is_compacted)
    assert "No changes." in desk.done("plan")
    assert "No changes." in desk.done("plan")
    position = desk.state().position

    path.write_bytes(backup)
    desk.done("state", "forget", "companies.acme")
    desk.done("state", "forget", "companies.beta")
    _compact(desk, is_compacted)

    assert position == desk.state().position
    assert "2 to adopt" in desk.done("plan")


def _compact(desk: Desk, is_compacted: bool) -> None:
    with opened_state(open_project(start=desk.root, environ={}), create=False) as (store, state):
        if is_compacted:
            store.compact(state.position)
