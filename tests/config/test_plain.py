"""Plain records are left out of the check against the schema: it has nothing to say about them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.schema import records_schema
from crmsync.config.document import parse
from crmsync.config.frame import frame
from crmsync.config.plain import PlainRecords
from crmsync.config.structure import check_structure

CATALOGUES = [CATALOGUE, replace(CATALOGUE, has_account=True)]

_SCALARS = st.sampled_from(["x", "12", "null", "~", "''", "", "true"])
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["city", "email", "Tier", "odd"]), inner, max_size=2).map(
            lambda table: "{" + ", ".join(f"{key}: {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=4,
)
_NAMES = st.sampled_from(
    ["name", "tags", "address", "custom_fields", "crmsync", "company_name", "email_domain", "nome", "company", "stage"]
)
_RECORDS = st.dictionaries(_NAMES, _VALUES, max_size=4)
_FILES = st.dictionaries(
    st.sampled_from(["companies", "people", "opportunities", "defaults", "firms"]),
    st.dictionaries(st.sampled_from(["acme", "a@b.c", "no key", "b"]), _RECORDS, max_size=3),
    max_size=3,
)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "{" + ", ".join(f"{key}: {_text(each)}" for key, each in value.items()) + "}"


@settings(max_examples=300, deadline=None)
@given(file=_FILES, catalogue=st.sampled_from(CATALOGUES))
def test_the_schema_has_nothing_to_say_about_plain_records(file: Any, catalogue: Any) -> None:
    """What is told of a file is told of its odd part, word for word and place for place."""
    document = parse(_text(file).encode(), "f.yaml")
    schema = frame(records_schema(catalogue), catalogue)
    odd = replace(document, root=PlainRecords(catalogue).odd_part(document.root))

    assert check_structure(document, schema) == check_structure(odd, schema)


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_null_among_the_options_of_a_custom_field_is_left_to_the_schema(catalogue: Any) -> None:
    """Before the account is known nobody else would tell it."""
    document = parse(b"companies: {a: {name: A, custom_fields: {Regions: [null]}}}", "f.yaml")
    schema = frame(records_schema(catalogue), catalogue)
    odd = replace(document, root=PlainRecords(catalogue).odd_part(document.root))

    assert check_structure(document, schema) == check_structure(odd, schema)


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_usual_records_are_plain(catalogue: Any) -> None:
    """The law above would hold as well if nothing were ever plain."""
    text = "people: {ann: {name: Ann, emails: [{email: a@b.test}], address: {city: Reno}, custom_fields: {Tier: Gold}}}"

    assert PlainRecords(catalogue).odd_part(parse(text.encode(), "f.yaml").root) is None
