"""
The stamp: a custom field that says, in Copper itself, which address a record has.

With ``stamp: true`` every declared record carries a short digest of its address, under the project's lineage. It is a field
like any other: planned, shown, sent sparsely, put back when somebody changes it. It makes a lost state certain to rebuild,
also for records without a natural key. The digest says nothing to those who do not know the address.
"""

from __future__ import annotations

import hashlib
import json

from msgspec.structs import replace

from crmsync.config.packing import with_text
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.catalogue import STAMP, Catalogue, Match
from crmsync.model.http import json_request
from crmsync.model.records import Declared, DeclaredField
from crmsync.model.settings import Settings
from crmsync.project.reading import EachRecord, Reading
from crmsync.project.trouble import Trouble

NAME = STAMP.partition(".")[2]


def stamp_of(lineage: str, address: Address) -> str:
    """Return the stamp of *address* in the project *lineage*."""
    return hashlib.blake2b(f"{lineage} {address}".encode(), digest_size=8, person=b"crmsync-stamp").hexdigest()


def with_stamp_rung(catalogue: Catalogue) -> Catalogue:
    """Return *catalogue* with the stamp as the first rung of the identity ladder, for the types that have the field."""
    types = tuple(
        replace(entity, match_on=(Match(STAMP), *entity.match_on)) if STAMP in entity.by_name else entity
        for entity in catalogue.types
    )
    return replace(catalogue, types=types)


def with_stamps(reading: Reading, settings: Settings, catalogue: Catalogue) -> Reading:
    """Return *reading* with the stamp among the fields of each record whose type has the field, where stamps are wanted."""
    if not settings.has_stamp:
        return reading
    stamped = frozenset(entity.name for entity in catalogue.types if STAMP in entity.by_name)
    lineage = settings.project

    def made(record: Declared) -> Declared:
        if record.address.type not in stamped or STAMP in record.fields:
            return record
        mark = DeclaredField(stamp_of(lineage, record.address), record.position)
        return replace(record, fields={**record.fields, STAMP: mark})

    def packed(address: Address, data: bytes) -> bytes:
        return data if address.type not in stamped else with_text(data, STAMP, stamp_of(lineage, address))

    return reading.with_each(EachRecord(made, packed))


def make_field(client: Client, catalogue: Catalogue) -> int | None:
    """Make the custom field, or let more types have it; return its id, None where all have it. Raises Trouble."""
    wanted = [entity.singular for entity in catalogue.types]
    found = next((each for each in read.definitions(client) if each.get("name") == NAME), None)
    if found is not None and set(wanted) <= set(found.get("available_on", ())):
        return None
    if found is None:
        body = {"name": NAME, "data_type": "String", "available_on": wanted, "is_filterable": False}
        request = json_request("POST", "/custom_field_definitions", body)
    else:
        types = sorted({*found.get("available_on", ()), *wanted})
        request = json_request("PUT", f"/custom_field_definitions/{found['id']}", {"available_on": types})
    try:
        response = client.write(request)
    except OSError as error:
        raise Trouble(f"Whether the custom field {NAME} was made is not known: {error}. Run again.") from error
    if response.status != 200:
        raise Trouble(
            f"Copper refused to make the custom field {NAME} for `stamp: true` (status {response.status}). "
            "It takes the key of an administrator; or make it in Copper, of the type Text Field."
        )
    return int(json.loads(response.body)["id"])
