"""The `moved` entries of a record file."""

from __future__ import annotations

from collections.abc import Iterator

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.codes import CODES
from crmsync.model.records import Moved
from crmsync.model.source import Diagnostic, Listing, Node, Scalar, Table


def read_moved(root: Table, catalogue: Catalogue, diagnostics: list[Diagnostic]) -> Iterator[Moved]:
    """Yield the renames of one file; what has not the shape of one is told elsewhere and left out."""
    entries = root.get("moved")
    for entry in entries.items if isinstance(entries, Listing) else ():
        if not isinstance(entry, Table):
            continue
        origin, destination = (_address(entry.get(end), catalogue) for end in ("from", "to"))
        if origin is None or destination is None:
            continue
        moved = Moved(origin, destination, entry.position)
        complaint = _complaint(moved)
        if complaint is None:
            yield moved
        else:
            diagnostics.append(Diagnostic(CODES["CRM043"], complaint, entry.position, destination))


def _address(node: Node | None, catalogue: Catalogue) -> Address | None:
    address = Address.parse(node.text) if isinstance(node, Scalar) else None
    return address if address is not None and address.type in catalogue.by_name else None


def _complaint(moved: Moved) -> str | None:
    if moved.origin == moved.destination:
        return f"{moved.origin} is moved onto itself. Remove this entry."
    if moved.origin.type != moved.destination.type:
        return f"{moved.origin} cannot become {moved.destination}: a record keeps its type."
    return None
