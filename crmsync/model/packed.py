"""
What a plan is made of and what it says, packed until somebody looks: records, the fields of a change, what a note remembers.

A plan of a hundred thousand changes is read by few, one change at a time: who prints it, who counts it, who sends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import Any, overload

from crmsync.model.events import Applied
from crmsync.model.packing import flat, flat_position, from_bytes, made, made_position, to_bytes
from crmsync.model.plan import Cause, Delta, FieldChange
from crmsync.model.records import Observed
from crmsync.model.rows import MemoryPile, Pile
from crmsync.model.values import Members, Value

#: So many records stay values, the first ones: where few are looked at, each is asked for several times.
FEW = 500

#: How a delta is kept that only adds, and adds all there is after it: that of nearly every new record.
ALL_ADDED = 1


#: What the field changes of many records have in common: names, causes, and what else their bytes are to be read with.
Common = tuple[tuple[str, ...], tuple[Cause, ...], Any]


class PackedFields(Sequence[FieldChange]):
    """
    Field changes as bytes; each is made anew when it is asked for, so two looks give equal ones, not the same.

    The bytes may be put aside: then *data* is their number in a *pile*.
    """

    __slots__ = ("_causes", "_data", "_names", "_pile")

    def __init__(self, changes: Iterable[FieldChange]) -> None:
        changes = tuple(changes)
        # Those of many records are alike, and kept once.
        self._names: tuple[str, ...] = shared(tuple(change.field for change in changes))
        self._causes: tuple[Cause, ...] = shared(tuple(change.cause for change in changes))
        self._data: Any = to_bytes(tuple(map(_flat, changes)))
        self._pile: Pile | None = None

    @classmethod
    def aside(cls, alike: Common, pile: Pile, number: int) -> PackedFields:
        """Return the changes whose bytes have this *number* in *pile*."""
        made = cls.__new__(cls)
        made._names, made._causes, _ = alike
        made._data, made._pile = number, pile
        return made

    @property
    def alike(self) -> Common:
        """What those of many records have in common."""
        return self._names, self._causes, None

    def number_in(self, pile: Pile) -> int:
        """Return the number of the bytes in *pile*, where they are put if they are not there."""
        number: int = self._data if self._pile is pile else pile.put(self._bytes())
        return number

    def _bytes(self) -> bytes:
        data: bytes = self._data if self._pile is None else self._pile.get(self._data)
        return data

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[FieldChange]:
        return map(_made, self._names, self._causes, self._rows())

    def _rows(self) -> Iterable[tuple[Any, ...]]:
        """Return of each change what `_flat` made of it."""
        rows: tuple[tuple[Any, ...], ...] = from_bytes(self._bytes())
        return rows

    def those(self, keys: Sequence[Any], wanted: Collection[Any]) -> Iterator[FieldChange]:
        """Yield the changes whose key, by its place, is among the *wanted* ones, and make no others."""
        if not any(key in wanted for key in keys):
            return
        for key, name, cause, data in zip(keys, self._names, self._causes, self._rows(), strict=True):
            if key in wanted:
                yield _made(name, cause, data)

    def after(self) -> dict[str, Value]:
        """Return what the fields shall be, and make nothing else of the changes."""
        return {name: made(data[1]) for name, data in zip(self._names, self._rows(), strict=True)}

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that change."""
        return self._names

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Why each of them does."""
        return self._causes

    @overload
    def __getitem__(self, place: int) -> FieldChange: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[FieldChange, ...]: ...
    def __getitem__(self, place: int | slice) -> FieldChange | tuple[FieldChange, ...]:
        return tuple(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (tuple, PackedFields)) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def fields_named(changes: Sequence[FieldChange], names: Collection[str]) -> Iterable[FieldChange]:
    """Return those of *changes* that are of the fields in *names*."""
    if isinstance(changes, PackedFields):
        return changes.those(changes.names, names)
    return [change for change in changes if change.field in names]


def fields_caused(changes: Sequence[FieldChange], causes: Collection[Cause]) -> Iterable[FieldChange]:
    """Return those of *changes* that have one of these *causes*."""
    if isinstance(changes, PackedFields):
        return changes.those(changes.causes, causes)
    return [change for change in changes if change.cause in causes]


def names_of(changes: Sequence[FieldChange]) -> tuple[str, ...]:
    """Return the names of the fields that change."""
    return changes.names if isinstance(changes, PackedFields) else tuple(change.field for change in changes)


def values_after(changes: Sequence[FieldChange]) -> dict[str, Value]:
    """Return what the fields shall be that change."""
    return changes.after() if isinstance(changes, PackedFields) else {each.field: each.after for each in changes}


@lru_cache(maxsize=1000)
def shared(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return *parts*, the one of all that are alike."""
    return parts


def _flat(change: FieldChange) -> tuple[Any, ...]:
    delta: Any = None
    if change.delta is not None:
        known = change.delta
        is_more = known.removed or known.changed or known.foreign or known.remembered
        delta = ALL_ADDED if known.added is change.after and not is_more else _flat_delta(known)
    place = flat_position(change.position)
    return flat(change.before), flat(change.after), place, delta, change.is_sent_along


def _made(name: str, cause: Cause, data: tuple[Any, ...]) -> FieldChange:
    before, after, place, delta, is_sent_along = data
    new = made(after)
    return FieldChange(name, made(before), new, cause, made_position(place), _made_delta(delta, new), is_sent_along)


def _flat_delta(delta: Delta) -> tuple[Any, ...]:
    remembered = tuple(part for key, pair in delta.remembered.items() for part in (key, *pair))
    return flat(delta.added), flat(delta.removed), flat(delta.changed), flat(delta.foreign), remembered


def _made_delta(data: Any, after: Any) -> Delta | None:
    if data is None:
        return None
    if data == ALL_ADDED:
        return Delta(added=after)
    *parts, remembered = data
    added, removed, changed, foreign = (_members(part) for part in parts)
    pairs = {remembered[at]: (remembered[at + 1], remembered[at + 2]) for at in range(0, len(remembered), 3)}
    return Delta(added, removed, changed, foreign, pairs)


def _members(data: Any) -> Members:
    members = made(data)
    assert isinstance(members, Members), members
    return members


class PackedApplied(Mapping[str, Applied]):
    """What is known of fields, by field id, as bytes in a *pile*; made anew when it is asked for."""

    __slots__ = ("_names", "_number", "_pile")

    def __init__(self, applied: Mapping[str, Applied], pile: Pile) -> None:
        self._names = shared(tuple(applied))
        self._pile = pile
        self._number = pile.put(to_bytes(tuple(_flat_applied(each) for each in applied.values())))

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __getitem__(self, name: str) -> Applied:
        if name not in self._names:
            raise KeyError(name)
        return _made_applied(self._rows()[self._names.index(name)])

    def items(self) -> Any:
        """Return all, made at once."""
        return dict(zip(self._names, map(_made_applied, self._rows()), strict=True)).items()

    def _rows(self) -> tuple[Any, ...]:
        rows: tuple[Any, ...] = from_bytes(self._pile.get(self._number))
        return rows

    def values(self) -> Any:
        """Return all, made at once."""
        return dict(self.items()).values()


def _flat_applied(applied: Applied) -> Any:
    if applied.asked == applied.answered and not (applied.members or applied.is_kept or applied.is_handed_over):
        return applied.asked
    members = tuple(part for key, pair in applied.members.items() for part in (key, *pair))
    return applied.asked, applied.answered, members, applied.is_kept, applied.is_handed_over


def _made_applied(data: Any) -> Applied:
    if isinstance(data, str):
        return Applied(data, data)
    asked, answered, members, is_kept, is_handed_over = data
    pairs = {members[at]: (members[at + 1], members[at + 2]) for at in range(0, len(members), 3)}
    return Applied(asked, answered, pairs, is_kept, is_handed_over)


class PackedObserved(MutableMapping[tuple[str, int], Observed]):
    """
    Records as Copper showed them, by type and id, all but a few as bytes in a pile; made anew when asked for.

    They are without bodies.
    """

    def __init__(self, pile: Pile | None = None) -> None:
        self._pile = pile or MemoryPile()
        self._names: dict[str, tuple[str, ...]] = {}
        self._records: dict[tuple[str, int], Observed | int] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._records)

    def __contains__(self, pair: object) -> bool:
        return pair in self._records

    def __getitem__(self, pair: tuple[str, int]) -> Observed:
        packed = self._records[pair]
        if isinstance(packed, Observed):
            return packed
        names, modified, values = from_bytes(self._pile.get(packed))
        fields = dict(zip(self._names[pair[0]] if names is None else names, map(made, values), strict=True))
        return Observed(*pair, fields, modified)

    def __setitem__(self, pair: tuple[str, int], record: Observed) -> None:
        if len(self._records) < FEW:
            self._records[pair] = Observed(*pair, record.fields, record.date_modified)
            return
        own = tuple(record.fields)
        names = None if self._names.setdefault(pair[0], own) == own else own
        values = tuple(map(flat, record.fields.values()))
        self._records[pair] = self._pile.put(to_bytes((names, record.date_modified, values)))

    def __delitem__(self, pair: tuple[str, int]) -> None:
        del self._records[pair]
