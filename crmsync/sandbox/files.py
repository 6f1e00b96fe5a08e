"""
Files of records: three steps to add one (copper-api.md section 11).

`GET .../files/s3_signed_url` gives an address and a key, the bytes are PUT to the address, and
`POST .../files` names the key. The address is the sandbox's own, beside the API. Only sizes and types are kept,
never bytes. The keys of the first reply are not recorded; `url` and `key` are ours.
"""

from __future__ import annotations

import mimetypes

from crmsync.sandbox.calls import Call, Form, path_id, thing
from crmsync.sandbox.replies import Answer, Json, not_found
from crmsync.sandbox.store import canonical
from crmsync.sandbox.tables import EntityRow
from crmsync.sandbox.world import World

SHELF = "files"
SHOWN = ("id", "is_deleted", "file_name", "file_size", "content_type", "creator_id", "date_created", "date_modified")
READ_ONLY = tuple(key for key in SHOWN if key != "file_name")


def signed_url(row: EntityRow, world: World, call: Call) -> Answer:
    """Answer where to PUT the bytes, and the key to name afterwards."""
    _record_id(world, row, call)
    key = world.uploads.promise()
    return Answer({"url": f"{world.uploads.url}/{key}", "key": key})


def create(row: EntityRow, world: World, call: Call) -> Answer:
    """Add the uploaded file to the record."""
    record_id = _record_id(world, row, call)
    form = Form(world, call.body, ("file_name", "key"), READ_ONLY)
    name, key = form.text("file_name", required=True), form.text("key", required=True)
    if key and key not in world.uploads.arrived:
        form.wrong("key", f"nothing was uploaded under: {key}")
    form.settle()
    size, content_type = world.uploads.arrived.pop(key)
    world.uploads.promised.discard(key)
    file = {
        "id": world.store.next_id(SHELF),
        "is_deleted": False,
        "file_name": name,
        "file_size": size,
        "content_type": content_type or mimetypes.guess_type(name)[0] or "application/octet-stream",
        "creator_id": next(u.id for u in world.account.users if canonical(u.email) == canonical(call.user_email)),
        "date_created": world.stamp,
        "date_modified": world.stamp,
        "parent": [row.plural, record_id],
    }
    world.store.keep(SHELF, file["id"], file)
    return Answer(_show(file))


def list_files(row: EntityRow, world: World, call: Call) -> Answer:
    """Answer the files of a record, oldest first."""
    parent = [row.plural, _record_id(world, row, call)]
    return Answer([_show(file) for file in world.store.things[SHELF].values() if file["parent"] == parent])


def get(row: EntityRow, world: World, call: Call) -> Answer:
    """Answer what is known of one file of a record."""
    file = thing(world, SHELF, path_id(world, call.parts["file_id"]))
    if file["parent"] != [row.plural, _record_id(world, row, call)]:
        raise not_found()
    return Answer(_show(file))


def _record_id(world: World, row: EntityRow, call: Call) -> int:
    id = path_id(world, call.parts["id"])
    if world.visible(row.plural, id) is None:
        raise not_found()
    return id


def _show(file: dict[str, Json]) -> Json:
    return {key: file[key] for key in SHOWN}
