"""The committed schema of the log says what the codec writes."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from jsonschema import Draft202012Validator

from crmsync.model.events import Event
from crmsync.state.codec import encode_events
from crmsync.state.schema import events_schema, render
from tests.state.strategies import events

COMMITTED = Path(__file__).parents[2] / "schemas" / "events.schema.json"
VALIDATOR = Draft202012Validator(events_schema())


def test_the_committed_schema_is_fresh() -> None:
    """`python -m crmsync.state.schema` was run after the last change of an event."""
    assert render() == COMMITTED.read_text(encoding="utf-8")


@settings(max_examples=60)
@given(event=events)
def test_every_event_fits_the_schema(event: Event) -> None:
    """Whatever the codec writes is what the schema describes."""
    VALIDATOR.validate(json.loads(encode_events([event])))
