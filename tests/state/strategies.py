"""Random events, of every kind."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import fields

from crmsync.model.address import KEY_PATTERN, Address
from crmsync.model.events import Applied
from crmsync.state.kinds import KINDS

addresses = st.builds(
    Address,
    st.sampled_from(["companies", "people", "opportunities", "custom_fields"]),
    st.from_regex(KEY_PATTERN, fullmatch=True),
)
texts = st.text(max_size=20)

st.register_type_strategy(Address, addresses)
st.register_type_strategy(str, texts)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0))


def of_kind(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return random events of one kind, every field filled."""
    return st.builds(kind, **{field.name: st.from_type(field.type) for field in fields(kind)})


st.register_type_strategy(Applied, of_kind(Applied))
events = st.one_of([of_kind(kind) for kind in KINDS.values()])
