"""The mirror among several commands: who reads a whole type keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crmsync.project.mirror import Head, Mirror, Row, Stale

HEAD = Head(1, 100.0, 100.0)


def _rows(count: int) -> Iterator[Row]:
    return (Row(id, id, id, b'{"id":%d,"name":"Ann %d"}' % (id, id)) for id in range(1, count + 1))


def test_other_commands_write_while_a_type_is_read(tmp_path: Path) -> None:
    """The pages of a type take minutes; another command's update in between takes no time, and both are kept."""
    path = tmp_path / "mirror.db"
    with Mirror(path).opened() as other:
        leads = other.fill("leads", HEAD, _rows(3))

        def pages() -> Iterator[Row]:
            for number, row in enumerate(_rows(500)):
                if number == 250:
                    other._sql("PRAGMA busy_timeout = 0")
                    assert other.update("leads", leads, [Row(4, 4, 4)]) is not None
                yield row

        with Mirror(path).opened() as mirror:
            head = mirror.fill("people", HEAD, pages())

            assert list(range(1, 501)) == mirror.in_order("people", head)
        now = other.head("leads")
        assert now is not None
        assert other.in_order("leads", now) == [1, 2, 3, 4]


def test_what_was_read_of_a_type_is_dropped_when_it_fails(tmp_path: Path) -> None:
    """What was there before stays, and no file is left beside the mirror."""
    with Mirror(tmp_path / "mirror.db").opened() as mirror:
        head = mirror.fill("people", HEAD, _rows(3))

        def broken() -> Iterator[Row]:
            yield from _rows(2)
            raise TimeoutError

        with pytest.raises(TimeoutError):
            _fill(mirror, broken())

        assert mirror.in_order("people", head) == [1, 2, 3]
    assert [each.name for each in tmp_path.iterdir()] == ["mirror.db"]


def _fill(mirror: Mirror, rows: Iterator[Row]) -> None:
    try:
        mirror.fill("people", HEAD, rows)
    except Exception as error:
        raise error.__cause__ or error from None


@pytest.mark.parametrize("row", [Row(2**63, 1, 1), Row(2, 2**63, 1), Row(2, 1, -(2**63) - 1)])
def test_numbers_that_do_not_fit_are_not_kept(tmp_path: Path, row: Row) -> None:
    """Copper is asked then, and says what is wrong with such a record."""
    with Mirror(tmp_path / "mirror.db").opened() as mirror:
        head = mirror.fill("people", HEAD, _rows(1))

        with pytest.raises(Stale):
            mirror.update("people", head, [row])
        with pytest.raises(Stale):
            mirror.fill("people", HEAD, [row])
