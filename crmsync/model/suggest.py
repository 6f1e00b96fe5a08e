"""Suggestions: what somebody who wrote an unknown word may have meant."""

from __future__ import annotations

from collections.abc import Iterable

MAX_CHOICES = 2_000


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """
    Return ``' Did you mean "Renewals"?'`` for the nearest of *choices*, or no text when none is near.

    Case does not count. Of more than 2,000 choices only those with the same first letter are compared, to stay quick.
    """
    names = {choice.casefold(): choice for choice in choices if choice != word}
    wanted = word.casefold()
    if wanted in names:
        return f' Did you mean "{names[wanted]}"?'
    if len(names) > MAX_CHOICES:
        names = {folded: choice for folded, choice in names.items() if folded[:1] == wanted[:1]}
    from difflib import get_close_matches  # for its cost: only for what went wrong

    near = get_close_matches(wanted[:100], names, n=1, cutoff=0.6)
    return f' Did you mean "{names[near[0]]}"?' if near else ""
