"""
Many addresses in little memory, each found by itself: of a plan of a hundred thousand records they are what is always there.

An `Address` with its key, and its place in a dict, fills two hundred bytes; here it is forty.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, MutableSet
from sys import intern
from typing import Any

from crmsync.model.address import Address
from crmsync.model.texts import Texts

#: Stands between type and key, so that texts sort as addresses do; what follows upon it ends the addresses of a type.
_BETWEEN, _BEYOND = "\0", "\1"


class Addresses(Collection[Address]):
    """Addresses in a row, of which none is taken out: each has a place, counted from 0 on, where it is made anew."""

    def __init__(self, addresses: Iterable[Address] = ()) -> None:
        self._texts = Texts(map(_text, addresses))

    def add(self, address: Address) -> int:
        """Return the place of *address*, at the end of the row where it has none yet."""
        return self._texts.add(_text(address))

    def place(self, address: Address) -> int | None:
        """Return the place of *address*, if it has one."""
        return self._texts.place(_text(address))

    def known(self, address: Address) -> int:
        """Return the place of *address*. Raises KeyError."""
        found = self.place(address)
        if found is None:
            raise KeyError(address)
        return found

    def at(self, place: int) -> Address:
        """Return the address that has this place."""
        return _address(self._texts.at(place))

    def in_order(self) -> Iterator[Address]:
        """Yield the addresses sorted by type and key."""
        return map(self.at, self._texts.places_in_order())

    def of_type(self, name: str) -> Iterator[Address]:
        """Yield those of one type, sorted."""
        order = self._texts.places_in_order()
        first, end = (bisect_left(order, name + each, key=self._texts.at) for each in (_BETWEEN, _BEYOND))
        return map(self.at, order[first:end])

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Address]:
        return map(_address, self._texts)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, Address) and self.place(address) is not None


def _text(address: Address) -> str:
    return address.type + _BETWEEN + address.key


def _address(text: str) -> Address:
    type_name, _, key = text.partition(_BETWEEN)
    return Address(intern(type_name), key)


class SomeOf(MutableSet[Address]):
    """Some of many *addresses*: a byte for each of those that may be among them."""

    def __init__(self, addresses: Addresses, some: Iterable[Address] = ()) -> None:
        self._addresses = addresses
        self._is_in = bytearray(len(addresses))
        for each in some:
            self.add(each)

    def add(self, address: Address) -> None:
        """Add one of the addresses. Raises KeyError."""
        self._is_in[self._addresses.known(address)] = True

    def discard(self, address: Address) -> None:
        """Take *address* out, if it is in."""
        place = self._addresses.place(address)
        if place is not None:
            self._is_in[place] = False

    @classmethod
    def _from_iterable(cls, addresses: Iterable[Any]) -> Any:
        return set(addresses)  # what `&` and its like return: mostly they are few

    def __contains__(self, address: object) -> bool:
        place = self._addresses.place(address) if isinstance(address, Address) else None
        return place is not None and bool(self._is_in[place])

    def __iter__(self) -> Iterator[Address]:
        return (address for address, is_in in zip(self._addresses, self._is_in, strict=True) if is_in)

    def __len__(self) -> int:
        return sum(self._is_in)


class Naming:
    """Which of many *addresses* name which others, and those that are *named*: eight bytes for each name."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self.named = Addresses()
        self._who, self._whom = array("I"), array("I")

    def add(self, address: Address, named: Iterable[Address]) -> None:
        """Note whom one of the addresses names. Raises KeyError."""
        for each in named:
            self._who.append(self._addresses.known(address))
            self._whom.append(self.named.add(each))

    def pairs(self, wanted: Collection[Address]) -> Iterator[tuple[Address, Address]]:
        """Yield who names one of *wanted*, and whom."""
        places = set(map(self.named.known, wanted))
        pairs = zip(self._who, self._whom, strict=True)
        return ((self._addresses.at(who), self.named.at(whom)) for who, whom in pairs if whom in places)
