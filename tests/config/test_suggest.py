"""Suggestions for unknown words."""

from __future__ import annotations

import pytest

from crmsync.model.suggest import did_you_mean


@pytest.mark.parametrize(
    ("word", "choices", "expected"),
    [
        ("Renewal", ["Sales", "Renewals"], ' Did you mean "Renewals"?'),
        ("sales", ["Sales", "Renewals"], ' Did you mean "Sales"?'),
        ("Bogus", ["Sales", "Renewals"], ""),
        ("Sales", ["Sales"], ""),
        ("x", [], ""),
        ("acme-crop", [f"acme-{n}" for n in range(5000)] + ["acme-corp"], ' Did you mean "acme-corp"?'),
    ],
)
def test_the_nearest_choice_is_suggested(word: str, choices: list[str], expected: str) -> None:
    """A slip of the pen finds its word, case aside; nothing is suggested when nothing is near."""
    assert expected == did_you_mean(word, choices)
