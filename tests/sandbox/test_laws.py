"""What holds for any request whatever."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from crmsync.sandbox import Sandbox
from crmsync.sandbox.filters import FILTERS
from crmsync.sandbox.routes import ROUTES
from crmsync.sandbox.tables import ENTITIES

from .conftest import Client, Clock
from .test_outside import _content

KEYS = sorted(
    {field.name for row in ENTITIES.values() for field in row.fields}
    | {key for rows in FILTERS.values() for key in rows}
    | {*ENTITIES, "resource", "type", "id", "value", "match", "option", "category", "email", "number", "url"}
    | {"properties", "match", "field_name", "field_value", "details", "person", "company", "opportunity", "parent"}
    | {"target", "source", "entity_type", "event", "secret", "headers", "data_type", "available_on", "options"}
    | {"icon_type", "file_name", "key", "activity_types", "is_filterable", "activity_date", "user_id"}
    | {"custom_field_definition_id", "minimum_value", "allow_empty", "street", "page_size", "sort_by", "foo"}
)
MORE = (10_000_001, 30_000_001, 50_000_001, 200_001, 190_001, 0, 3_000_000_001, 600_001, 800_001)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.sampled_from(
        [40_000_001, 70_000_001, 20_000_001, 50_001, 450_001, 210_001, 980_002, *range(100_001, 100_012), *MORE]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        [
            "a@b.com",
            "12/31/2026",
            "2",
            "person",
            "company",
            "opportunity",
            "task",
            "lead",
            "user",
            "work",
            "Open",
            "acme.com",
            "",
        ]
    ),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5).map(lambda body: {"name": "x", **body}) | VALUES
IDS = st.sampled_from([f"{id}" for id in (40_000_001, 70_000_001, 20_000_001, *MORE)] + ["1", "-1", "x", "%20"])
CALLS = st.tuples(st.sampled_from(ROUTES), IDS, st.sampled_from(sorted(ENTITIES)), BODIES)


_DEFINE = next(route for route in ROUTES if (route.method, route.pattern) == ("POST", "/custom_field_definitions"))


@settings(max_examples=150, deadline=None)
@given(st.lists(CALLS, min_size=1, max_size=8))
@example([(_DEFINE, "1", "companies", {"name": "x", "available_on": {}})])
def test_any_request_is_answered_and_remembered(calls):
    """No request breaks the sandbox, and what it then holds is what its file holds."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.jsonl"
        api = Client(Sandbox(clock=Clock(), data=data))
        for plural in ENTITIES:
            api.new(plural)
        for route, id, plural, body in calls:
            path = route.pattern.replace("{id}", id).replace("{plural}", plural).replace("{file_id}", id)
            reply = api.send(route.method, path, body)
            assert reply.status in (200, 400, 404, 422, 500)
            json.loads(reply.body)

        assert _content(api.sandbox) == _content(Sandbox(clock=Clock(), data=data))
