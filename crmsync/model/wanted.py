"""
Records as they should be, packed until somebody looks; what a new one gets comes out of the same bytes.

Of a hundred thousand new records a plan keeps no more than these bytes, which it was made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from crmsync.model.address import Address
from crmsync.model.packed import ALL_ADDED, PackedFields, shared
from crmsync.model.packing import FLAT_NOBODY, flat, flat_position, from_bytes, made, made_position, to_bytes
from crmsync.model.plan import Cause
from crmsync.model.records import Desired, DesiredField, Policy, RecordOptions
from crmsync.model.source import Position

#: So many records stay values, the first ones: where few are looked at, each is asked for several times.
_FEW = 500

#: Of each field of a new record: its name, its place among those that are declared, is it a set, are its members ours.
Shape = tuple[tuple[str, int, bool, bool], ...]


class FlatFields(Mapping[str, DesiredField]):
    """
    Values that fields should have, out of the *data* of a record; each is made when it is asked for.

    That is its place, and six entries a field: name, value, the number of its rule, line, column, length. A place in
    another file stands whole where the length does.
    """

    __slots__ = ("_flat", "_rules", "data", "names", "position")

    def __init__(self, data: bytes, rules: Sequence[Policy]) -> None:
        place, self._flat = from_bytes(data)
        self._rules, self.data = rules, data
        self.position: Position = tuple.__new__(Position, place)
        self.names: tuple[str, ...] = shared(self._flat[::6])

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> DesiredField:
        if name not in self.names:
            raise KeyError(name)
        return self._field(6 * self.names.index(name))

    def items(self) -> Any:
        """Return all, made at once."""
        return dict(zip(self.names, map(self._field, range(0, len(self._flat), 6)), strict=True)).items()

    def values(self) -> Any:
        """Return all, made at once."""
        return dict(self.items()).values()

    def _field(self, at: int) -> DesiredField:
        place = made_position(self._place(at))
        assert place is not None
        return DesiredField(made(self._flat[at + 1]), self._rules[self._flat[at + 2]], place)

    @property
    def addresses(self) -> Iterator[Address]:
        """The records that are named."""
        return (Address(*each[1:]) for each in self._flat[1::6] if each.__class__ is tuple and each[0] == "address")

    @property
    def policies(self) -> Iterator[Policy]:
        """The rules of the fields."""
        return (self._rules[rule] for rule in self._flat[2::6])

    @property
    def shape(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """What is alike of many records: the names of the fields, and the numbers of their rules."""
        return self.names, self._flat[2::6]

    def _place(self, at: int) -> tuple[Any, ...]:
        _, _, _, line, column, length = self._flat[at : at + 6]
        return (self.position.file, line, column, length) if length.__class__ is int else length


def addresses_in(fields: Mapping[str, DesiredField]) -> Iterable[Address]:
    """Return the records that *fields* name."""
    if isinstance(fields, FlatFields):
        return fields.addresses
    return (each.value for each in fields.values() if isinstance(each.value, Address))


def policies_of(fields: Mapping[str, DesiredField]) -> Iterable[Policy]:
    """Return the rules of *fields*."""
    return fields.policies if isinstance(fields, FlatFields) else (each.policy for each in fields.values())


class NewFields(PackedFields):
    """
    What a new record gets, out of the bytes that say how it should be: no others are made for it.

    *shape* tells of each field its name, where it stands among those of the record, whether it is a set, and whether all
    its members are ours.
    """

    __slots__ = ("_shape",)

    def __init__(self, fields: FlatFields, shape: Shape) -> None:
        is_whole = len(shape) == len(fields)
        self._names = fields.names if is_whole else shared(tuple(name for name, _, _, _ in shape))
        self._causes = shared((Cause.CREATED,) * len(shape))
        self._data = fields.data
        self._shape = shape

    def _rows(self) -> Iterable[tuple[Any, ...]]:
        place, items = from_bytes(self._data)
        for _, at, is_set, is_ours in self._shape:
            _, value, _, line, column, length = items[6 * at : 6 * at + 6]
            before = FLAT_NOBODY if is_set else None
            after = before if value is None else value
            where = (place[0], line, column, length) if length.__class__ is int else length
            yield before, after, where, ALL_ADDED if is_ours else None, False


class PackedDesired(Mapping[Address, Desired]):
    """Records as they should be, all but a few as bytes; made anew when asked for."""

    def __init__(self, records: Iterable[Desired]) -> None:
        self._policies: dict[Policy, int] = {}
        self._numbers: dict[int, tuple[int, Policy]] = {}
        self._options: dict[Address, RecordOptions] = {}
        self._records: dict[Address, Desired | bytes] = {}
        for each in records:
            self._records[each.address] = each if len(self._records) < _FEW else self._packed(each)
            if each.options != _NOTHING_SAID:
                self._options[each.address] = each.options
        self._rules = tuple(self._policies)
        self._numbers.clear()

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Address]:
        return iter(self._records)

    def __contains__(self, address: object) -> bool:
        return address in self._records

    def __getitem__(self, address: Address) -> Desired:
        packed = self._records[address]
        if isinstance(packed, Desired):
            return packed
        fields = FlatFields(packed, self._rules)
        return Desired(address, fields, fields.position, self.options(address))

    def options(self, address: Address) -> RecordOptions:
        """Return what the reserved key of a record says, without making the record."""
        return self._options.get(address, _NOTHING_SAID)

    def _packed(self, record: Desired) -> bytes:
        items: list[Any] = []
        file = record.position.file
        for name, each in record.fields.items():
            own, line, column, length = each.position
            place = (line, column, length) if own == file else (0, 0, tuple(each.position))
            items += (name, flat(each.value), self._number(each.policy), *place)
        return to_bytes((flat_position(record.position), tuple(items)))

    def _number(self, policy: Policy) -> int:
        """Return the number of a rule; nearly always it is one of the same few values, and found without comparing."""
        known = self._numbers.get(id(policy))
        if known is None:
            number = self._policies.setdefault(policy, len(self._policies))
            known = self._numbers[id(policy)] = number, policy  # kept, or another one might come to have this id
        return known[0]


_NOTHING_SAID = RecordOptions()
