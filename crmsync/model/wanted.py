"""
Records as they should be, packed until somebody looks; what a new one gets comes out of the same bytes.

Of a hundred thousand new records a plan keeps no more than these bytes, which it was made of.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from sys import intern
from typing import Any

from crmsync.model.address import Address
from crmsync.model.addresses import Addresses
from crmsync.model.numbered import Numbered
from crmsync.model.packed import ALL_ADDED, FEW, Common, PackedFields, shared
from crmsync.model.packing import FLAT_NOBODY, flat, flat_position, from_bytes, made, to_bytes
from crmsync.model.plan import Cause
from crmsync.model.records import Desired, DesiredField, Policy, RecordOptions
from crmsync.model.rows import MemoryPile, Pile
from crmsync.model.source import Position

#: Smaller numbers take two bytes.
_SMALL = 2**16

#: What many records have in common: the names of their fields, and the rules of these.
Alike = tuple[tuple[str, ...], tuple[Policy, ...]]
#: Of each field of a new record: its name, its place among those that are declared, is it a set, are its members ours.
Shape = tuple[tuple[str, int, bool, bool], ...]


class FlatFields(Mapping[str, DesiredField]):
    """
    Values that fields should have, out of the bytes of a record in a pile; each is made when it is asked for.

    Those are a number, the place of the record, those of the fields, and the values. The number is that of the names and
    rules, for those of many records are alike.
    """

    __slots__ = ("_places", "_rules", "_values", "alike", "names", "number", "pile", "position")

    def __init__(self, pile: Pile, number: int, alike: Sequence[Alike]) -> None:
        self.pile, self.number = pile, number
        self.alike, (file, *place), self._places, self._values = from_bytes(pile.get(number))
        self.position = Position(intern(file), *place)
        self.names: tuple[str, ...]
        self._rules: tuple[Policy, ...]
        self.names, self._rules = alike[self.alike]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> DesiredField:
        if name not in self.names:
            raise KeyError(name)
        at = self.names.index(name)
        place = next(islice(_places_in(self._places, self.position), at, None))
        return DesiredField(made(self._values[at]), self._rules[at], Position(*place))

    def items(self) -> Any:
        """Return all, made at once."""
        return dict(zip(self.names, self._fields(), strict=True)).items()

    def values(self) -> Any:
        """Return all, made at once."""
        return dict(self.items()).values()

    def _fields(self) -> list[DesiredField]:
        places = (Position(*each) for each in _places_in(self._places, self.position))
        return list(map(DesiredField, map(made, self._values), self._rules, places))

    @property
    def addresses(self) -> Iterator[Address]:
        """The records that are named."""
        return (Address(*each[1:]) for each in self._values if each.__class__ is tuple and each[0] == "address")

    @property
    def policies(self) -> Sequence[Policy]:
        """The rules of the fields."""
        return self._rules


def _flat_places(record: Position, fields: Iterable[Position]) -> bytes | tuple[tuple[Any, ...], ...]:
    """Return the places of the fields of a record: three small numbers each, or as they are where one is elsewhere."""
    places, first = tuple(fields), record.line
    numbers = [number for _, line, column, length in places for number in (line - first, column, length)]
    is_here = all(each.file == record.file for each in places) and all(0 <= number < _SMALL for number in numbers)
    return array("H", numbers).tobytes() if is_here else tuple(map(tuple, places))


def _places_in(flat: bytes | tuple[tuple[Any, ...], ...], record: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the places that `_flat_places` made *flat* of."""
    if isinstance(flat, tuple):
        yield from flat
        return
    file, first, _, _ = record
    numbers = array("H", flat)
    for at in range(0, len(numbers), 3):
        yield file, first + numbers[at], numbers[at + 1], numbers[at + 2]


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
        self._data, self._pile = fields.number, fields.pile
        self._shape = shape

    @classmethod
    def aside(cls, alike: Common, pile: Pile, number: int) -> NewFields:
        """Return what a new record gets whose bytes have this *number* in *pile*."""
        made = cls.__new__(cls)
        made._names, made._causes, made._shape = alike
        made._data, made._pile = number, pile
        return made

    @property
    def alike(self) -> Common:
        """What those of many records have in common."""
        return self._names, self._causes, self._shape

    def _rows(self) -> Iterable[tuple[Any, ...]]:
        _, place, places, values = from_bytes(self._bytes())
        where = list(_places_in(places, place))
        for _, at, is_set, is_ours in self._shape:
            before = FLAT_NOBODY if is_set else None
            after = before if values[at] is None else values[at]
            yield before, after, where[at], ALL_ADDED if is_ours else None, False


def fields_aside(alike: Common, pile: Pile, number: int) -> PackedFields:
    """Return the field changes whose bytes have this *number* in *pile*; *alike* says which sort they are of."""
    return (PackedFields if alike[2] is None else NewFields).aside(alike, pile, number)


class PackedDesired(Mapping[Address, Desired]):
    """
    Records as they should be, each of another address, all but a few as bytes in a pile; made anew when asked for.

    The *addresses* have the places of the records.
    """

    def __init__(self, records: Iterable[Desired], pile: Pile | None = None) -> None:
        self.addresses = Addresses()
        self._few: list[Desired] = []
        self._places = array("Q")  # in the pile, of all but the few
        self._pile = pile or MemoryPile()
        self._alike = Numbered[Alike]()
        self._options: dict[Address, RecordOptions] = {}
        for each in records:
            self.addresses.add(each.address)
            if len(self._few) < FEW:
                self._few.append(each)
            else:
                self._places.append(self._pile.put(self._packed(each)))
            if each.options != _NOTHING_SAID:
                self._options[each.address] = each.options

    def __len__(self) -> int:
        return len(self.addresses)

    def __iter__(self) -> Iterator[Address]:
        return iter(self.addresses)

    def __contains__(self, address: object) -> bool:
        return address in self.addresses

    def __getitem__(self, address: Address) -> Desired:
        at = self.addresses.known(address)
        if at < FEW:
            return self._few[at]
        fields = FlatFields(self._pile, self._places[at - FEW], self._alike)
        return Desired(address, fields, fields.position, self.options(address))

    def options(self, address: Address) -> RecordOptions:
        """Return what the reserved key of a record says, without making the record."""
        return self._options.get(address, _NOTHING_SAID)

    def _packed(self, record: Desired) -> bytes:
        fields = record.fields.values()
        places = _flat_places(record.position, [each.position for each in fields])
        values = tuple([flat(each.value) for each in fields])
        names, rules = tuple(record.fields), tuple([each.policy for each in fields])
        number = self._alike.number_by((names, tuple(map(id, rules))), (names, rules))
        return to_bytes((number, flat_position(record.position), places, values))


_NOTHING_SAID = RecordOptions()
