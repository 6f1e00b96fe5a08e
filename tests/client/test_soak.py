"""More than Copper shows of one search, at Copper's own size."""

from __future__ import annotations

from typing import Any

import pytest

from crmsync.sandbox import Quirks
from tests.client.conftest import Shop

COUNT = 100_700


@pytest.mark.soak
@pytest.mark.parametrize("options", [{}, {"sort": "name", "descending": True}], ids=["unsorted", "name"])
def test_every_one_of_very_many(options: dict[str, Any]) -> None:
    """A hundred thousand people and some more, with short pages and a total too high: every one, once, in order."""
    shop = Shop(Quirks(short_pages="on", total="surplus"), crowd={"people": COUNT})
    found = [body["name"] for body in shop.copper.people.search(raw=True, **options)]

    assert (len(found), len(set(found))) == (COUNT, COUNT)
    assert not options or found == sorted(found, key=str.casefold, reverse=True)
