"""Plain data as nodes of a file, so that tests can read what they show."""

from __future__ import annotations

from crmsync.model.source import Listing, Node, Position, Scalar, Table
from crmsync.model.values import Plain

HERE = Position("crm/test.yaml", 1, 1)


def node_of(data: Plain) -> Node:
    """Return *data* as a file would hold it."""
    if isinstance(data, dict):
        return Table(tuple((Scalar(key, HERE), node_of(value)) for key, value in data.items()), HERE)
    if isinstance(data, list):
        return Listing(tuple(node_of(item) for item in data), HERE)
    if isinstance(data, bool):
        return Scalar(str(data).lower(), HERE)
    return Scalar(str(data), HERE, is_plain=not isinstance(data, str))
