"""The reserved key `crmsync:` of a record: what crmsync should know and Copper never sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from crmsync.config.fields import FieldReader
from crmsync.config.policy import read_policy
from crmsync.config.structure import is_empty_scalar, plain_value, whole_number
from crmsync.model.address import Address
from crmsync.model.catalogue import EntityType
from crmsync.model.codes import CODES
from crmsync.model.records import RecordOptions
from crmsync.model.source import Diagnostic, Listing, Node, Scalar, Table
from crmsync.model.suggest import did_you_mean


class Options(Struct, frozen=True):
    """The options of a record, and the fields it does not take from `defaults`."""

    options: RecordOptions = field(default_factory=RecordOptions)
    without: frozenset[str] = frozenset()


_NOTHING_SAID = Options()


class OptionsReader:
    """Reads options under one profile of several."""

    def __init__(self, fields: FieldReader, profile: str | None, profiles: Sequence[str]) -> None:
        self._fields = fields
        self._profile = profile
        self._profiles = profiles

    def read(self, node: Node | None, entity: EntityType, address: Address, diagnostics: list[Diagnostic]) -> Options:
        """Return what stands under `crmsync:`; what has another shape is told elsewhere and counts as not written."""
        if not isinstance(node, Table):
            return _NOTHING_SAID
        id_node = self._id_node(node.get("id"), address, diagnostics)
        number = whole_number(id_node) if id_node is not None else None
        policy = read_policy(node.get("policy"), lambda name: self._fields.names(name, entity, address, diagnostics) or ())
        options = RecordOptions(
            id=number,
            id_position=id_node.position if number is not None and id_node is not None else None,
            is_new=_is_true(node.get("new")),
            is_protected=_is_true(node.get("protect")),
            policy=policy,
        )
        return Options(options, self._without(node.get("without"), entity, address, diagnostics))

    def _id_node(self, node: Node | None, address: Address, diagnostics: list[Diagnostic]) -> Scalar | None:
        """Return the id as written for the active profile."""
        if isinstance(node, Table) and self._profile is None:
            detail = "This `id` is written by profile, but no profile is active. Name one, or write the number alone."
            diagnostics.append(Diagnostic(CODES["CRM045"], detail, node.position, address))
            return None
        if isinstance(node, Table):
            diagnostics += self._strangers(node, address)
            node = node.get(self._profile or "")
        return node if isinstance(node, Scalar) else None

    def _strangers(self, table: Table, address: Address) -> Iterator[Diagnostic]:
        """Yield a complaint for each key of *table* that is no profile: its id would never count, without a word."""
        for key, _ in table.entries:
            if self._profiles and key.text not in self._profiles:
                known = f"There are: {', '.join(self._profiles)}."
                detail = f'There is no profile called "{key.text}". {known}{did_you_mean(key.text, self._profiles)}'
                yield Diagnostic(CODES["CRM026"], detail, key.position, address)

    def _without(
        self, node: Node | None, entity: EntityType, address: Address, diagnostics: list[Diagnostic]
    ) -> frozenset[str]:
        without: set[str] = set()
        for item in node.items if isinstance(node, Listing) else ():
            if not isinstance(item, Scalar) or is_empty_scalar(item):
                continue
            names = self._fields.names(item, entity, address, diagnostics)
            if names is None:
                detail = f'{entity.name} have no field called "{item.text}".{did_you_mean(item.text, entity.by_name)}'
                diagnostics.append(Diagnostic(CODES["CRM011"], detail, item.position, address))
            without.update(names or ())
        return frozenset(without)


def _is_true(node: Node | None) -> bool:
    return isinstance(node, Scalar) and plain_value(node) is True
