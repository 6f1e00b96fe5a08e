"""The requests of an apply, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crmsync.model.catalogue import Catalogue, EntityType, Field
from crmsync.model.http import Request, json_request

SEARCH_SIZE = 200


def create(entity: EntityType, bodies: Sequence[Mapping[str, Any]], is_bulk: bool) -> Request:
    """Return the call that creates records: one, or up to ten in bulk."""
    if is_bulk:
        return json_request("POST", f"{entity.path}/bulk_create", {entity.name: list(bodies)})
    return json_request("POST", entity.path, bodies[0])


def update(entity: EntityType, items: Sequence[tuple[int, Mapping[str, Any]]], is_bulk: bool) -> Request:
    """Return the call that updates records, each with only the keys that change."""
    if is_bulk:
        return json_request("POST", f"{entity.path}/bulk_update", _bulk_items(entity, items))
    id, body = items[0]
    return json_request("PUT", f"{entity.path}/{id}", body)


def _bulk_items(entity: EntityType, items: Sequence[tuple[int, Mapping[str, Any]]]) -> dict[str, Any]:
    return {entity.name: [{"id": id, **body} for id, body in items]}


def relate(entity: EntityType, id: int, field: Field, target_id: int, catalogue: Catalogue) -> Request:
    """Return the call that relates a record to another (copper-api.md 7.9)."""
    return json_request("POST", f"{entity.path}/{id}/related", _resource(field, target_id, catalogue))


def unrelate(entity: EntityType, id: int, field: Field, target_id: int, catalogue: Catalogue) -> Request:
    """Return the call that takes a relation away."""
    return json_request("DELETE", f"{entity.path}/{id}/related", _resource(field, target_id, catalogue))


def _resource(field: Field, target_id: int, catalogue: Catalogue) -> dict[str, Any]:
    return {"resource": {"id": target_id, "type": catalogue[str(field.target)].singular}}


def delete(entity: EntityType, id: int) -> Request:
    """Return the call that deletes a record."""
    return json_request("DELETE", f"{entity.path}/{id}")


def get(entity: EntityType, id: int) -> Request:
    """Return the call that reads one record."""
    return json_request("GET", f"{entity.path}/{id}")


def related(entity: EntityType, id: int) -> Request:
    """Return the call that lists what a record is related to."""
    return json_request("GET", f"{entity.path}/{id}/related")


def by_ids(entity: EntityType, ids: Sequence[int]) -> Request:
    """Return the search for up to 200 records by id."""
    return json_request("POST", f"{entity.path}/search", {"ids": list(ids), "page_size": SEARCH_SIZE})


def newest(entity: EntityType, since: int, page: int) -> Request:
    """Return the search for the records created since *since* (unix seconds), newest first."""
    wish = {
        "minimum_created_date": since,
        "sort_by": "date_created",
        "sort_direction": "desc",
        "page_size": SEARCH_SIZE,
        "page_number": page,
    }
    return json_request("POST", f"{entity.path}/search", wish)
