"""Digests: set out by hand for speed, they are those of the documents that they stand for."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crmsync.catalogue import CATALOGUE
from crmsync.model.address import Address
from crmsync.model.digest import Digester, canonical, canonical_text, document_digest
from crmsync.model.plan import Action, Cause, Change, Delta, FieldChange, Kept, Plan
from crmsync.model.values import Member, Members
from crmsync.render.digests import change_digest, plan_digest

KEY = b"k" * 32
NAME, EMAILS = CATALOGUE["people"].by_name["name"], CATALOGUE["people"].by_name["emails"]

texts = st.text(st.characters(), max_size=8)
members = st.lists(st.builds(Member, texts | st.integers(1, 99), texts, st.none() | texts), max_size=3).map(
    lambda each: Members(tuple(each))
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    texts,
    st.dates(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.builds(Address, st.just("people"), st.sampled_from(["ann", "a.b@c"])),
    members,
)
deltas = st.none() | st.builds(Delta, members, members, members)
changes = st.builds(FieldChange, texts, values, values, st.sampled_from(Cause), st.none(), deltas)


def _as_json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@settings(max_examples=300, deadline=None)
@given(value=values)
def test_canonical_texts_are_canonical_data_as_json(value):
    """What digests are taken over is the canonical form as JSON, whatever the value."""
    assert _as_json(canonical(value)) == canonical_text(value)


@settings(max_examples=100, deadline=None)
@given(value=values, again=values)
def test_digests_of_values_are_keyed_hashes_of_what_they_are(value, again):
    """A digest is the version and the keyed hash of purpose and value, however many were made before."""
    digester = Digester(KEY)
    digester.value(NAME, again)
    text = _as_json([f"{NAME.kind.name}/value", canonical(value)])
    made = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=KEY, digest_size=8).hexdigest()

    assert f"{NAME.kind.version}.{made}" == digester.value(NAME, value) == digester.value(NAME, value)


@settings(max_examples=100, deadline=None)
@given(member=st.builds(Member, texts | st.integers(2, 99), texts, st.none() | texts))
def test_digests_of_members_are_keyed_hashes_of_key_and_category(member):
    """A member has a digest of its key, and one of itself."""
    digester = Digester(KEY)
    forms = {"key": canonical(member.key), "member": [canonical(member.key), member.category]}
    texts = [_as_json([f"{EMAILS.kind.name}/{purpose}", form]) for purpose, form in forms.items()]
    made = [hashlib.blake2b(each.encode("utf-8", "surrogatepass"), key=KEY, digest_size=8).hexdigest() for each in texts]

    assert tuple(f"{EMAILS.kind.version}.{each}" for each in made) == digester.pair(EMAILS, member)
    assert digester.pair(EMAILS, member) == (digester.member_key(EMAILS, member), digester.member(EMAILS, member))


@pytest.mark.parametrize(
    ("value", "digest"),
    [
        ("Ann", "1.7c40de8303683faa"),
        (date(2026, 11, 26), "1.b065ee1deb67c8b4"),
        (Decimal("12.50"), "1.535dee0f0254e170"),
        (Members((Member("b", "b", "work"), Member("a", "a"))), "1.8792594441573187"),
    ],
)
def test_digests_are_frozen(value, digest):
    """States hold digests: a value keeps the one that it had in the first release."""
    assert digest == Digester(KEY).value(NAME, value)


@settings(max_examples=200, deadline=None)
@given(
    fields=st.lists(changes, max_size=3).map(tuple),
    record_id=st.none() | st.integers(1, 99),
    orphans=st.lists(st.tuples(st.sampled_from(["task", "person"]), st.integers(1, 9)), max_size=2).map(tuple),
)
def test_the_digest_of_a_change_is_that_of_a_document(fields, record_id, orphans):
    """What a reviewer approves is the SHA-256 of canonical JSON that anybody could make."""
    address = Address("people", "ann")
    change = Change(address, Action.UPDATE, record_id, "Ann", fields, None, "", orphans=orphans)
    document = {"address": "people.ann", "action": "update", "record_id": record_id, "fields": list(map(_listed, fields))}
    if orphans:
        document["orphans"] = list(map(list, orphans))

    assert document_digest(document) == change_digest(change)


def _listed(each):
    """Return what a digest is taken of, of one field."""
    moving = each.delta and [canonical(part) for part in (each.delta.added, each.delta.removed, each.delta.changed)]
    return [each.field, canonical(each.before), canonical(each.after), each.cause.value, moving]


@given(st.lists(st.text("0123456789abcdef", min_size=64, max_size=64)), st.lists(changes, max_size=2), st.text())
def test_the_digest_of_a_plan_is_that_of_a_document(digests, fields, lineage):
    """Set out piece by piece, it is what a reviewer gets who puts the document together."""
    conflicts = [replace(each, cause=Cause.CONFLICT) for each in fields]
    plan = Plan(kept=tuple(Kept(Address("people", "ann"), 1, "", each) for each in conflicts))
    kept = [["people.ann", _listed(each)] for each in conflicts]
    document = {"account": 7, "lineage": lineage, "changes": digests, "kept": kept}

    assert document_digest(document) == plan_digest(digests, plan, 7, lineage)
