"""Many made-up records, to see how things go at size: `--seed-records people=100000`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from crmsync.sandbox.tables import ENTITIES
from crmsync.sandbox.world import World
from crmsync.sandbox.write import create

FIRST = ("Ann", "Bob", "Cid", "Dora", "Eve", "Finn", "Gina", "Hank", "Ida", "Jon", "Kim", "Lou", "Mia", "Ned")
LAST = ("Adler", "Brook", "Cole", "Dunn", "Ellis", "Frost", "Grant", "Hale", "Irwin", "Jones", "Klein", "Lowe", "Moss")
CITIES = ("Austin", "Boston", "Chicago", "Denver", "El Paso", "Fresno", "Reno")
APART = 60
"""Seconds between the creations, the newest being now."""

AT_ONCE = 1000

Values = dict[str, Any]


def parse_counts(settings: Iterable[str]) -> dict[str, int]:
    """Return the numbers that settings such as `people=1000` give; raise ValueError with every problem."""
    counts: dict[str, int] = {}
    problems: list[str] = []
    for setting in settings:
        plural, _, text = setting.partition("=")
        if plural not in ENTITIES:
            problems.append(f'There are no records of the type "{plural}". Known types: {", ".join(ENTITIES)}.')
        elif not (text.isascii() and text.isdigit()):
            problems.append(f'"{setting}" does not say how many. Write it like {plural}=1000.')
        else:
            counts[plural] = counts.get(plural, 0) + int(text)
    if problems:
        raise ValueError("\n".join(problems))
    return counts


def fill(world: World, counts: Mapping[str, int], save: Callable[[], None]) -> None:
    """
    Create so many records of each type, companies before those who work there; the same every time.

    *save* is called now and then: what waits to be saved is kept twice.
    """
    for plural in (name for name in MAKERS if counts.get(name)):
        row, make = ENTITIES[plural], MAKERS[plural]
        companies = list(world.store.records["companies"]) if plural != "companies" else []
        for n in range(counts[plural]):
            values = make(n) | _details(n)
            if companies and plural in ("people", "opportunities"):
                values["company_id"] = companies[n % len(companies)]
            create(replace(world, now=world.now - APART * (counts[plural] - 1 - n)), row, values)
            if n % AT_ONCE == 0:
                save()
        # A crowd is old: no search lags behind it.
        world.lag.born.clear()


def _name(n: int) -> str:
    return f"{FIRST[n % len(FIRST)]} {LAST[n % len(LAST)]} {n + 1}"


def _details(n: int) -> Values:
    return {"details": f"Made up, number {n + 1}"} if n % 3 == 0 else {}


def _company(n: int) -> Values:
    place = {"city": CITIES[n % len(CITIES)], "country": "US"}
    return {"name": f"{LAST[n % len(LAST)]} Works {n + 1}", "email_domain": f"works{n + 1}.test", "address": place}


def _person(n: int) -> Values:
    first = FIRST[n % len(FIRST)].lower()
    phone = {"number": f"+1 415 555 {n % 10000:04d}", "category": "work"}
    mail = {"email": f"{first}{n + 1}@crowd.test", "category": "work"}
    place = {"city": CITIES[n % len(CITIES)], "country": "US"}
    values: Values = {"name": _name(n), "emails": [mail], "phone_numbers": [phone], "address": place}
    return values | {"tags": ["crowd", f"group {n % 10}"]}


def _deal(n: int) -> Values:
    return {"name": f"Deal {n + 1}", "monetary_value": 100 * (n % 500), "close_date": f"{n % 12 + 1}/{n % 28 + 1}/2027"}


def _lead(n: int) -> Values:
    return {"name": _name(n), "email": {"email": f"lead{n + 1}@crowd.test", "category": "work"}}


def _project(n: int) -> Values:
    return {"name": f"Project {n + 1}"}


def _task(n: int) -> Values:
    return {"name": f"Task {n + 1}", "priority": ("None", "High")[n % 2]}


MAKERS: Mapping[str, Callable[[int], Values]] = {
    "companies": _company,
    "people": _person,
    "opportunities": _deal,
    "leads": _lead,
    "projects": _project,
    "tasks": _task,
}
