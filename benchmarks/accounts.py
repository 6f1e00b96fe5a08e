"""The account and the files of the benchmarks: the same every time, for any number of people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crmsync.sandbox import DEFAULT_ACCOUNT, Sandbox

PROJECT = "5f0c0000-0000-4000-8000-00000000be4c"
PEOPLE_PER_FILE = 500
#: Seconds between two creations: an account grows over months.
APART = 60
START = 1_700_000_000

SETTINGS = f"""\
crmsync: 1
project: {PROJECT}
records: [crm/]
"""

_FIRST = ("Ann", "Bob", "Cid", "Dora", "Eve", "Finn", "Gina", "Hank", "Ida", "Jon", "Kim", "Lou", "Mia", "Ned")
_LAST = ("Adler", "Brook", "Cole", "Dunn", "Ellis", "Frost", "Grant", "Hale", "Irwin", "Jones", "Klein", "Lowe", "Moss")
_CITIES = ("Austin", "Boston", "Chicago", "Denver", "El Paso", "Fresno", "Reno")
_TYPES = ("Potential Customer", "Current Customer", "Other")
_TIERS = ("Gold", "Silver", "Bronze")
_REGIONS = ("EMEA", "APAC", "LATAM", "NA")


def person(number: int) -> dict[str, Any]:
    """Return one person as a file says it: ten plain fields, two e-mails, a phone, three tags, five custom fields."""
    first, last = _FIRST[number % len(_FIRST)], _LAST[number % len(_LAST)]
    return {
        "name": f"{first} {last} {number}",
        "title": f"Buyer {number % 97}",
        "contact_type": _TYPES[number % len(_TYPES)],
        "assignee": ("dana@ourfirm.com", "lee@ourfirm.com")[number % 2],
        "details": f"Met at fair {number % 41}, stand {number % 301}.",
        "address": {
            "street": f"{number % 900 + 1} Main St",
            "city": _CITIES[number % len(_CITIES)],
            "state": "NV",
            "postal_code": f"{number % 90000 + 10000}",
            "country": "US",
        },
        "emails": [
            {"email": f"{first.lower()}{number}@crowd.test", "category": "work"},
            {"email": f"{last.lower()}{number}@home.test", "category": "personal"},
        ],
        "phone_numbers": [{"number": f"+1415{5550000 + number % 10000:07d}", "category": "work"}],
        "tags": ["crowd", f"group {number % 10}", f"wave {number % 23}"],
        "custom_fields": {
            "Tier": _TIERS[number % 3],
            "Regions": [_REGIONS[number % 4], _REGIONS[(number + 1) % 4]],
            "Renewal date": f"2027-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
            "Annual revenue": 1000 * (number % 900 + 1),
            "Code": f"C-{number:06d}",
        },
    }


def key(number: int) -> str:
    """Return what the files call person *number*."""
    return f"p{number:07d}"


class Clock:
    """A clock that is set while an account is made, and then runs on from now."""

    def __init__(self) -> None:
        self.now: float | None = float(START)

    def __call__(self) -> float:
        import time

        return time.time() if self.now is None else self.now


def sandbox(people: int, others: Mapping[str, int] | None = None) -> Sandbox:
    """Return a sandbox with so many people as the files say them, and *others* by type, without request limits."""
    clock = Clock()
    made = Sandbox(DEFAULT_ACCOUNT, clock=clock, rate=None, populate=dict(others or {}))
    for number in range(people):
        clock.now = START + APART * number
        made.create("people", person(number))
    clock.now = None
    return made


def write_files(folder: Path, people: int) -> None:
    """Write a project that declares the first *people*, 500 a file."""
    (folder / "crm").mkdir(parents=True, exist_ok=True)
    (folder / "crmsync.yaml").write_text(SETTINGS, encoding="utf-8")
    for start in range(0, people, PEOPLE_PER_FILE):
        numbers = range(start, min(start + PEOPLE_PER_FILE, people))
        path = folder / "crm" / f"people-{start // PEOPLE_PER_FILE:04d}.yaml"
        path.write_text(
            "people:\n" + "".join(f"  {key(each)}:\n{_text(person(each))}" for each in numbers), encoding="utf-8"
        )


def write_rows(folder: Path, people: int) -> None:
    """Write a project that declares the same people in one file of rows."""
    write_files(folder, 0)
    with (folder / "crm" / "people.jsonl").open("w", encoding="utf-8") as file:
        for number in range(people):
            file.write(json.dumps({"key": key(number), **person(number)}) + "\n")


def _text(record: Mapping[str, Any]) -> str:
    return "".join(_lines(record, 4))


def _lines(values: Mapping[str, Any], indent: int) -> Iterator[str]:
    blanks = " " * indent
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield f"{blanks}{name}:\n"
            yield from _lines(value, indent + 2)
        elif isinstance(value, list) and isinstance(value[0], Mapping):
            yield f"{blanks}{name}:\n"
            for each in value:
                yield f"{blanks}  - {{{', '.join(f'{part}: {_scalar(text)}' for part, text in each.items())}}}\n"
        elif isinstance(value, list):
            yield f"{blanks}{name}: [{', '.join(value)}]\n"
        else:
            yield f"{blanks}{name}: {_scalar(value)}\n"


def _scalar(value: object) -> str:
    text = str(value)
    return f"'{text}'" if text.startswith("+") or (text[:1].isdigit() and text.isdigit() and len(text) == 5) else text
