"""The table of countries."""

from __future__ import annotations

from collections import Counter

from crmsync.catalogue.countries import COUNTRIES, country_code


def test_every_name_leads_to_its_country() -> None:
    """No two countries share a name, and each is found by all of its names in any case."""
    wrong = [(code, name) for code, *names in COUNTRIES for name in (code, *names) if country_code(name.upper()) != code]

    assert (wrong, len(COUNTRIES)) == ([], 250)


def test_every_code_stands_once() -> None:
    """A country is one row."""
    assert [code for code, count in Counter(code for code, *_ in COUNTRIES).items() if count > 1] == []
