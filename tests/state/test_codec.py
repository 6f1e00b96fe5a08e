"""What is written down is what is read back, and nothing else is read."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.events import (
    EVENT_FORMAT,
    Absent,
    Applied,
    AsIntended,
    Bound,
    Done,
    Event,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Found,
    Intent,
    Missed,
    Origin,
    Protected,
    Refused,
    Renamed,
    Ruled,
    RunEnded,
    RunStarted,
    Unknown,
    WriteAction,
)
from crmsync.model.state import Binding, Head, State
from crmsync.model.store import Unusable
from crmsync.state.codec import (
    decode_binding,
    decode_event,
    decode_events,
    decode_state,
    encode_binding,
    encode_event,
    encode_events,
    encode_state,
)
from crmsync.state.kinds import KINDS
from crmsync.state.swift import binding_in, binding_text, events_in, events_text
from crmsync.state.typed import codec_of
from tests.state.strategies import addresses, events, of_kind, texts

ACME = Address("companies", "acme")
INTENT = Intent("i1", "r1", ACME, WriteAction.CREATE, None, {"name": "d1"}, {"name": "d2"}, 115.0, 99.5)

# As first written. These lines are in people's states: they may be added to, never changed.
WRITTEN: list[tuple[Event, str]] = [
    (Bound(ACME, 7, Origin.CREATED), '{"event":"bound","address":"companies.acme","record_id":7,"origin":"created"}'),
    (
        FieldsApplied(ACME, {"name": Applied("a", "a"), "tags": Applied("b", "c", {"k": ("d", "e")}, True)}),
        '{"event":"applied","address":"companies.acme","fields":{"name":"a",'
        '"tags":{"asked":"b","answered":"c","members":{"k":["d","e"]},"is_kept":true}}}',
    ),
    (
        FieldsApplied(ACME, {"details": Applied("a", "b", is_handed_over=True)}),
        '{"event":"applied","address":"companies.acme","fields":{"details":{"asked":"a","answered":"b","is_handed_over":true}}}',
    ),
    (
        FieldsReleased(ACME, ("name", "custom_fields/5")),
        '{"event":"fields_released","address":"companies.acme","fields":["name","custom_fields/5"]}',
    ),
    (
        INTENT,
        '{"event":"intent","id":"i1","run":"r1","address":"companies.acme","action":"create","record_id":null,'
        '"fields":{"name":"d1"},"likeness":{"name":"d2"},"send_by":115.0,"server_clock":99.5}',
    ),
    (
        replace(INTENT, action=WriteAction.RELATE, record_id=7, members={"tags": {"k": "d"}}, target_id=9),
        '{"event":"intent","id":"i1","run":"r1","address":"companies.acme","action":"relate","record_id":7,'
        '"fields":{"name":"d1"},"likeness":{"name":"d2"},"send_by":115.0,"server_clock":99.5,'
        '"members":{"tags":{"k":"d"}},"target_id":9}',
    ),
    (Done("i1", 7), '{"event":"done","intent":"i1","record_id":7}'),
    (Refused("i1", "blank"), '{"event":"refused","intent":"i1","reason":"blank"}'),
    (Unknown("i1", "timeout"), '{"event":"unknown","intent":"i1","reason":"timeout"}'),
    (Found("i1", 7), '{"event":"found","intent":"i1","record_id":7}'),
    (Absent("i1"), '{"event":"absent","intent":"i1"}'),
    (Protected(ACME, True), '{"event":"protected","address":"companies.acme","is_on":true}'),
    (Ruled(ACME, None), '{"event":"ruled","address":"companies.acme","on_delete":null}'),
    (
        Renamed(ACME, Address("companies", "a.b@c")),
        '{"event":"moved","origin":"companies.acme","destination":"companies.a.b@c"}',
    ),
    (Forgotten(ACME, "gone"), '{"event":"forgotten","address":"companies.acme","reason":"gone"}'),
    (
        RunStarted("r1", 100.0, 5, "ff", "dana"),
        '{"event":"run_started","run":"r1","at":100.0,"account_id":5,"plan":"ff","by":"dana"}',
    ),
    (Missed(ACME), '{"event":"missed","address":"companies.acme"}'),
    (RunStarted("r1", 100.0, 5), '{"event":"run_started","run":"r1","at":100.0,"account_id":5}'),
    (RunEnded("r1", 101.0, {"applied": 2}), '{"event":"run_ended","run":"r1","at":101.0,"counts":{"applied":2}}'),
]

bindings = of_kind(Binding)
states = st.builds(
    State,
    head=st.just(Head("lineage", b"k" * 32)),
    position=st.integers(0, 10**9),
    account_id=st.none() | st.integers(1, 10**9),
    bindings=st.dictionaries(addresses, bindings, max_size=5),
    open_intents=st.lists(of_kind(Intent), max_size=3).map(lambda each: {intent.id: intent for intent in each}),
    started_plans=st.frozensets(texts, max_size=3),
    has_open_run=st.booleans(),
    missed=st.frozensets(addresses, max_size=3),
    deleted=st.frozensets(st.tuples(st.sampled_from(["companies", "people"]), st.integers(1, 10**9)), max_size=3),
)


def test_every_kind_of_event_has_a_name():
    """No event of the model is missing from the table."""
    assert set(get_args(Event)) == set(KINDS.values())


@pytest.mark.parametrize(("event", "line"), WRITTEN, ids=lambda each: type(each).__name__)
def test_the_format_is_frozen(event, line):
    """Events are written and read as in the first release."""
    assert line == json.dumps(encode_event(event), separators=(",", ":"))
    assert event == decode_event(json.loads(line))


def test_the_frozen_lines_cover_every_kind():
    """A new kind of event needs a line above."""
    assert set(KINDS.values()) == {type(event) for event, _ in WRITTEN}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_events_come_back_as_they_went(kind, data):
    """Whatever an event holds, also lone surrogates, it survives being written down."""
    event = data.draw(of_kind(kind))

    assert (event,) == decode_events(encode_events([event]))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_events_are_written_and_read_at_speed_as_they_are_step_by_step(kind, data):
    """Whatever the structures take is the same event, and the same JSON, that the codec gets to step by step."""
    event = data.draw(of_kind(kind))
    line = encode_event(event)
    text = json.dumps({"format": EVENT_FORMAT, "events": [line]})
    swift, read = events_text([event]), events_in(text)

    assert swift is None or json.loads(text) == json.loads(swift)
    assert read is None or (decode_event(line),) == read


@pytest.mark.parametrize(("event", "line"), WRITTEN, ids=lambda each: type(each).__name__)
def test_what_is_written_nearly_always_goes_at_speed(event, line):
    """The first lines of every kind are taken by the structures, there and back."""
    assert f'{{"format":{EVENT_FORMAT},"events":[{line}]}}' == events_text([event])
    assert (event,) == events_in(f'{{"format":{EVENT_FORMAT},"events":[{line}]}}')


def test_what_is_as_intended_is_written_as_what_it_stands_for():
    """What came back as an intent has it is the same in the log, and to whoever looks, as if it were set out."""
    known = AsIntended({"name": "1.a", "tags": "1.b"}, {"tags": {"1.k": "1.m"}})
    set_out = {"name": Applied("1.a", "1.a"), "tags": Applied("1.b", "1.b", {"1.k": ("1.m", "1.m")})}
    event, same = FieldsApplied(ACME, known), FieldsApplied(ACME, set_out)

    assert event == same
    assert encode_event(event) == encode_event(same)
    assert events_text([event]) == events_text([same])
    assert (same,) == decode_events(encode_events([event]))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_odd_number_is_written_at_speed(number):
    """A time that is none is nothing that JSON has, and never becomes null."""
    assert events_text([RunEnded("r", number, {})]) is None


@settings(max_examples=60, deadline=None)
@given(binding=bindings)
def test_bindings_are_written_and_read_at_speed_as_they_are_step_by_step(binding):
    """A binding is the same, and the same JSON, both ways."""
    data = codec_of(Binding).encode(binding)
    swift, read = binding_text(binding), binding_in(json.dumps(data))

    assert swift is None or data == json.loads(swift)
    assert read is None or binding == read
    assert binding == decode_binding(encode_binding(binding))


@settings(max_examples=50, deadline=None)
@given(state=states)
def test_states_come_back_as_they_went(state):
    """A snapshot holds everything of a state but its head."""
    assert state == decode_state(encode_state(state), state.head)


@settings(max_examples=30, deadline=None)
@given(batch=st.lists(events, max_size=4))
def test_segments_are_ascii_on_one_line(batch):
    """A segment can be stored and shown anywhere."""
    text = encode_events(batch)

    assert text.isascii()
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'{{"format":{EVENT_FORMAT + 1},"events":[]}}', f"event format {EVENT_FORMAT + 1}, this version reads up to"),
        ('{"format":1,"events":[{"event":"exploded"}]}', 'event format 2, knows no event of the kind "exploded"'),
        ('{"format":1,"events":[{"event":["done"]}]}', "knows no event"),
        ('{"format":1,"events":[{"event":"absent"}]}', "has other fields"),
        ('{"format":1,"events":[{"event":"absent","intent":"i","why":1}]}', "has other fields"),
        ('{"format":1,"events":[{"event":"absent","intent":5}]}', '"5" is not of the type str'),
        ('{"format":1,"events":[{"event":"done","intent":"i","record_id":true}]}', "not of the type int"),
        ('{"format":1,"events":[{"event":"protected","address":"acme","is_on":true}]}', '"acme" is not an address'),
        ('{"format":1,"events":[{"event":"protected","address":"companies.","is_on":true}]}', "is not an address"),
        ('{"format":1,"events":[{"event":"bound","address":"a.b","record_id":1,"origin":"dug up"}]}', "is no Origin"),
        ('{"format":1,"events":[{"event":"run_ended","run":"r","at":NaN,"counts":{}}]}', "is not a number"),
        ('{"format":1,"events":[{"event":"run_ended","run":"r","at":1,"counts":[]}]}', "an object was expected"),
        ('{"format":1,"events":[{"event":"fields_released","address":"a.b","fields":"ab"}]}', "a list was expected"),
        ('{"format":1,"events":[7]}', "an event is not an object"),
        ('{"format":1,"events":{}}', "a list was expected"),
        ('{"format":"1","events":[]}', "names no format"),
        ('{"format":1}', "other parts"),
        ("[]", "names no format"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_odd_segments_are_refused(text, told):
    """What this version would not write raises Unusable, saying what is odd and, for a newer format, which it is."""
    with pytest.raises(Unusable) as raised:
        decode_events(text)

    assert told in str(raised.value)


@pytest.mark.parametrize("text", ['{"format":1,"state":{}}', '{"format":1,"state":[]}', '{"format":1,"events":[]}', "x"])
def test_odd_snapshots_are_refused(text):
    """A snapshot with missing parts is no state."""
    with pytest.raises(Unusable):
        decode_state(text, Head("lineage", b""))
