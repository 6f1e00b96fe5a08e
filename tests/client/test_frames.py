"""Rows go into pandas, polars and csv as they are, every value in a column of its own kind."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from typing import Any

import pandas
import polars
import pytest

from crmsync import Copper
from tests.client.conftest import Shop

COUNT = 130


@pytest.fixture(scope="module")
def copper() -> Copper:
    """An account whose later deals have what the first hundred have not: fractions, dates, labels."""
    shop = Shop()
    for number in range(COUNT):
        late: dict[str, Any] = {"custom_fields.Tier": "Gold", "close_date": "2026-12-31"} if number > 110 else {}
        shop.clock.sleep(1)
        shop.sandbox.create("opportunities", {"name": f"D{number}", "monetary_value": number + (number > 110) / 4, **late})
    return shop.copper


def test_pandas(copper: Copper) -> None:
    """pandas sees amounts as numbers and times as times, and a column for each custom field."""
    frame = pandas.DataFrame(copper.opportunities.search().to_rows())

    assert (len(frame), str(frame["monetary_value"].dtype), frame["monetary_value"].iloc[-1]) == (COUNT, "float64", 129.25)
    assert (frame["Tier"].iloc[-1], frame["close_date"].iloc[-1]) == ("Gold", date(2026, 12, 31))
    assert str(frame["date_created"].dtype).endswith("UTC]")


def test_polars(copper: Copper) -> None:
    """polars reads a few rows as they are, and any number of them by column, without a fraction lost."""
    search = copper.opportunities.search()
    few = polars.DataFrame(copper.opportunities.search(limit=100).to_rows())
    frame = polars.DataFrame(search.to_columns())
    rows = polars.DataFrame(search.to_rows(), infer_schema_length=None)

    assert (few.height, frame.equals(rows), frame.columns) == (100, True, list(search.to_rows()[0]))
    assert frame.row(-1, named=True)["monetary_value"] == 129.25
    assert [frame[name].dtype for name in ("Tier", "close_date", "date_created")] == [
        polars.String,
        polars.Date,
        polars.Datetime("us", "UTC"),
    ]


def test_csv(copper: Copper) -> None:
    """The writer of the standard library takes them as well."""
    rows = copper.opportunities.search(limit=2).to_rows()
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)

    assert [(row["name"], row["monetary_value"]) for row in csv.DictReader(io.StringIO(buffer.getvalue()))] == [
        ("D0", "0.0"),
        ("D1", "1.0"),
    ]


def test_nothing_found_has_its_columns(copper: Copper) -> None:
    """Without a record there are the columns, empty."""
    found = copper.opportunities.search(name="nobody")

    assert (found.to_rows(), set(map(tuple, found.to_columns().values())), "Tier" in found.to_columns()) == ([], {()}, True)


def test_times_are_aware(copper: Copper) -> None:
    """A time says that it is UTC."""
    (row,) = copper.opportunities.search(limit=1).to_rows()

    assert row["date_created"] == datetime(2026, 1, 15, 20, 0, 1, tzinfo=UTC)
