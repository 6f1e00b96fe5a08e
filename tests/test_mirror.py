"""The mirror among several commands: who reads a whole type keeps nobody waiting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmsync.project.mirror import Mirror
from crmsync.project.mirrorfile import Head, Row, Stale

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

        before = sorted(tmp_path.iterdir())
        with pytest.raises(TimeoutError):
            _fill(mirror, broken())

        assert mirror.in_order("people", head) == [1, 2, 3]
        assert mirror.texts("people", [2]) == {2: b'{"id":2,"name":"Ann 2"}'}
    assert sorted(tmp_path.iterdir()) == before


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


def test_a_heap_is_there_as_long_as_its_rows(tmp_path: Path) -> None:
    """The new reading of a type has a heap of its own, and the old one goes; so does what a killed command left."""
    left = tmp_path / "mirror.db-00000000000f.bodies"
    left.write_bytes(b"half")
    os.utime(left, (1.0, 1.0))
    with Mirror(tmp_path / "mirror.db").opened() as mirror:
        heads = [mirror.fill(name, HEAD, _rows(3)) for name in ("people", "people", "leads")]

        kept = {f"mirror.db-{head.heap:012x}.bodies" for head in heads[1:]}
        assert kept == {path.name for path in tmp_path.glob("*.bodies")}
    mirror.drop()

    assert list(tmp_path.iterdir()) == []


def test_a_type_is_read_anew_while_another_command_has_it_open(tmp_path: Path) -> None:
    """Whoever looks at a record has what was read last, whole."""
    with Mirror(tmp_path / "mirror.db").opened() as other, Mirror(tmp_path / "mirror.db").opened() as mirror:
        other.fill("people", HEAD, _rows(3))
        assert other.texts("people", [1]) == {1: b'{"id":1,"name":"Ann 1"}'}
        mirror.fill("people", HEAD, [Row(1, 1, 1, b'{"id":1,"name":"Zoe"}')])

        assert other.texts("people", [1, 2]) == {1: b'{"id":1,"name":"Zoe"}'}


def test_who_names_a_record_is_found_however_the_body_is_written(tmp_path: Path) -> None:
    """Copper may put spaces into its bodies; what was changed since stands in the rows themselves."""
    bodies = [
        b'{"id":1, "company_id": 5 }',
        b'{"company_id":5,"id":2}',
        b'{"id":3,"company_id":55}',
        b'{"id":4,"owner_id":5}',
    ]
    with Mirror(tmp_path / "mirror.db").opened() as mirror:
        head = mirror.fill("people", HEAD, (Row(id, id, id, body) for id, body in enumerate(bodies, 1)))
        mirror.update("people", head, [Row(9, 9, 9, b'{"company_id":7,"id":9}')])

        assert mirror.naming("people", "company_id", {5, 7}) == [1, 2, 9]
