"""How Copper splits a person's name into its parts (copper-api.md 4.2; which words are titles is ours)."""

from __future__ import annotations

PARTS = ("prefix", "first_name", "middle_name", "last_name", "suffix")
PREFIXES = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof"})
SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "md", "esq"})


def split_name(name: str) -> dict[str, str | None]:
    """Return the five parts of *name*; a single word is the first name (copper-field.md 2.6)."""
    words = name.split()
    prefix = words.pop(0) if len(words) > 1 and _bare(words[0]) in PREFIXES else None
    suffix = words.pop() if len(words) > 1 and _bare(words[-1]) in SUFFIXES else None
    return {
        "prefix": prefix,
        "first_name": words[0] if words else None,
        "middle_name": " ".join(words[1:-1]) or None,
        "last_name": words[-1] if len(words) > 1 else None,
        "suffix": suffix,
    }


def _bare(word: str) -> str:
    return word.strip(".,").replace(".", "").casefold()
