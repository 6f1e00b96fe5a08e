"""Bodies of Copper to canonical values and back."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from crmsync.model.address import Address
from crmsync.model.bodies import Sent, decode_body, encode_fields
from crmsync.model.records import Observed
from crmsync.model.values import Member, Members, Value
from tests.catalogue.accounts import ACCOUNT, LOCALE

COMPANIES = ACCOUNT["companies"]

#: The answer to the creation of a company with nothing but a name, recorded in 2025 (copper-api.md 4.3).
MINIMAL: dict[str, Any] = {
    "id": 73615382,
    "name": "Demo Company",
    "address": None,
    "assignee_id": None,
    "contact_type_id": None,
    "details": None,
    "email_domain": None,
    "phone_numbers": [],
    "primary_contact_id": None,
    "socials": [],
    "tags": [],
    "websites": [],
    "custom_fields": [],
    "interaction_count": 0,
    "date_created": 1754503301,
    "date_modified": 1754503301,
}
EMPTY: dict[str, Value] = {
    "name": "Demo Company",
    "email_domain": None,
    "contact_type": None,
    "assignee": None,
    "primary_contact": None,
    "address.street": None,
    "address.city": None,
    "address.state": None,
    "address.postal_code": None,
    "address.country": None,
    "details": None,
    "phone_numbers": Members(),
    "socials": Members(),
    "websites": Members(),
    "tags": Members(),
    "interaction_count": 0,
    "date_created": 1754503301,
    "date_modified": 1754503301,
    "date_last_contacted": None,
    "custom_fields.Tier": None,
    "custom_fields.Regions": Members(),
    "custom_fields.Renewal date": None,
    "custom_fields.Annual revenue": None,
    "custom_fields.Partners": None,
    "custom_fields.Approved": False,
}


def _body(**changes: Any) -> dict[str, Any]:
    return {**MINIMAL, **changes}


def _custom(**values: Any) -> list[dict[str, Any]]:
    return [{"custom_field_definition_id": int(id[1:]), "value": value} for id, value in values.items()]


def test_every_field_of_the_catalogue_is_observed() -> None:
    """A body gives a value to every field, also to those it does not show."""
    record = decode_body(COMPANIES, MINIMAL, LOCALE)

    assert Observed("companies", 73615382, EMPTY, 1754503301) == record
    assert record.body == MINIMAL


@pytest.mark.parametrize(
    "address",
    [
        {},
        None,
        {"street": None, "city": None, "state": None, "postal_code": None, "country": None},
        {"street": "", "city": "", "state": "", "postal_code": "", "country": ""},
    ],
)
def test_an_address_is_empty_in_three_ways(address: Any) -> None:
    """Null, all parts null and all parts "" were all observed, and mean the same."""
    assert decode_body(COMPANIES, _body(address=address), LOCALE).fields == EMPTY


def test_missing_keys_are_empty() -> None:
    """A key that an older or newer Copper does not send reads as empty; one that we do not know is passed over."""
    body = {"id": 1, "name": "Demo Company", "interaction_count": 0, "unheard_of": {"of": 7}}

    assert decode_body(COMPANIES, body, LOCALE).fields == {**EMPTY, "date_created": None, "date_modified": None}


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_custom_fields_come_in_any_order(order: tuple[int, ...]) -> None:
    """Custom values are found by definition, never by position."""
    values = _custom(d50=501, d60=[602, 601], d61=1754031600)
    body = _body(custom_fields=[values[index] for index in order])
    record = decode_body(COMPANIES, body, LOCALE)

    shown = [record.fields[f"custom_fields.{name}"] for name in ("Tier", "Regions", "Renewal date")]
    assert [501, Members((Member(601, 601), Member(602, 602)))] == shown[:2]
    assert str(shown[2]) == "2025-08-01"


@pytest.mark.parametrize("id", [None, 0, -1, True, "7", 7.0])
def test_a_body_without_an_id_is_no_record(id: Any) -> None:
    """Only a positive whole number is an id."""
    with pytest.raises(ValueError, match="no id"):
        decode_body(COMPANIES, _body(id=id), LOCALE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 7}, "name of company 73615382: 7 is not a text"),
        ({"address": "Reno"}, "address.street of company 73615382: address has no parts"),
        ({"custom_fields": [7]}, "custom_fields of company 73615382 is not a list of values by definition"),
        ({"custom_fields": 7}, "custom_fields of company 73615382 is not a list of values by definition"),
        ({"custom_fields": [{"value": 7}]}, "custom_fields of company 73615382 is not a list of values by definition"),
    ],
)
def test_odd_bodies_fail_loudly(change: dict[str, Any], message: str) -> None:
    """A body that is not what Copper sends says what is odd about it, and where."""
    with pytest.raises(ValueError, match=message):
        decode_body(COMPANIES, _body(**change), LOCALE)


def test_only_given_fields_are_sent() -> None:
    """A body holds the given fields under Copper's keys, and nothing else."""
    values: dict[str, Value] = {
        "name": "Acme",
        "details": None,
        "assignee": 1,
        "tags": Members((Member("vip", "VIP"),)),
        "socials": Members(),
    }
    observed = decode_body(COMPANIES, _body(custom_fields=_custom(d50=501)), LOCALE)

    sent = {"name": "Acme", "details": None, "assignee_id": 1, "tags": ["VIP"], "socials": []}
    assert sent == encode_fields(COMPANIES, values, observed, LOCALE)


def test_the_other_parts_of_an_address_go_along_untouched() -> None:
    """The parts that do not change are sent in Copper's own spelling, as just read."""
    shown = {"street": " 1 Main St ", "city": "Reno", "state": "", "postal_code": None, "country": "USA", "extra": "x"}
    observed = decode_body(COMPANIES, _body(address=shown), LOCALE)
    sent = {"street": " 1 Main St ", "city": "Sparks", "state": "", "postal_code": None, "country": "USA"}

    assert {"address": sent} == encode_fields(COMPANIES, {"address.city": "Sparks"}, observed, LOCALE)


@pytest.mark.parametrize("body", [{"address": None}, {}])
def test_an_address_that_was_empty_is_sent_whole(body: dict[str, Any]) -> None:
    """Where nothing was, the other parts are null."""
    observed = Observed("companies", 1, {}, body=body)
    sent = {"street": None, "city": "Sparks", "state": None, "postal_code": None, "country": None}

    assert {"address": sent} == encode_fields(COMPANIES, {"address.city": "Sparks"}, observed, LOCALE)


def test_a_new_address_has_only_what_is_declared() -> None:
    """A record that does not exist yet has no other parts."""
    values: dict[str, Value] = {"address.city": "Reno", "address.country": "US"}

    assert encode_fields(COMPANIES, values, None, LOCALE) == {"address": {"city": "Reno", "country": "US"}}


def test_custom_fields_are_one_list() -> None:
    """Custom values go by definition, ordered by it; empty ones clear."""
    values: dict[str, Value] = {
        "custom_fields.Annual revenue": Decimal("1200000.50"),
        "custom_fields.Tier": None,
        "custom_fields.Regions": Members(),
        "custom_fields.Approved": True,
    }
    observed = decode_body(COMPANIES, _body(custom_fields=_custom(d50=501, d61=1754031600)), LOCALE)

    sent = _custom(d50=None, d60=[], d62=1200000.5, d65=True)
    assert {"custom_fields": sent} == encode_fields(COMPANIES, values, observed, LOCALE)


def test_all_custom_fields_go_along_where_copper_replaces_them() -> None:
    """The other custom values are sent as just read, those we do not know included, connections not."""
    shown = _custom(d50=501, d60=[602], d61=None, d62=Decimal("789.0"), d63=[{"id": 1}], d65=False, d99="unknown")
    observed = decode_body(COMPANIES, _body(custom_fields=shown), LOCALE)
    body = encode_fields(COMPANIES, {"custom_fields.Tier": 502}, observed, LOCALE, all_custom_fields=True)

    assert {"custom_fields": _custom(d50=502, d60=[602], d62=789, d65=False, d99="unknown")} == json.loads(json.dumps(body))


def test_custom_fields_stay_away_where_none_is_sent() -> None:
    """A change of other fields alone sends no custom values, wherever Copper replaces them or not."""
    observed = decode_body(COMPANIES, _body(custom_fields=_custom(d50=501)), LOCALE)

    assert encode_fields(COMPANIES, {"name": "Acme"}, observed, LOCALE, all_custom_fields=True) == {"name": "Acme"}


def test_a_record_without_an_id_cannot_be_named() -> None:
    """A reference is sent as an id; one that has none yet is our own mistake."""
    with pytest.raises(ValueError, match=r"people.wile has no id yet"):
        encode_fields(COMPANIES, {"primary_contact": Address("people", "wile")}, None, LOCALE)


def _phones(*numbers: str, category: str = "work") -> Members:
    return Members(tuple(Member(f"tel:+1-{each}", each, category) for each in numbers))


@pytest.mark.parametrize(
    ("shown", "is_sent_back"),
    [
        pytest.param([{"number": "415-555-0101", "category": "work"}], True, id="as it was sent"),
        pytest.param([{"number": "415-555-0101", "category": "home"}], False, id="another category"),
        pytest.param([{"number": "(415) 555-0101", "category": "work"}], False, id="written in another way"),
        pytest.param([], False, id="nothing"),
        pytest.param(None, False, id="null"),
    ],
)
def test_an_answer_with_what_was_sent_holds_the_very_value(shown: Any, is_sent_back: bool) -> None:
    """A set that comes back as it went is not decoded again; whatever else comes is, and is the same as ever."""
    sent = _phones("415-555-0101")
    body = _body(phone_numbers=shown)
    request = Sent({"phone_numbers": sent}, encode_fields(COMPANIES, {"phone_numbers": sent}, None, LOCALE))
    answered = decode_body(COMPANIES, body, LOCALE, request)

    assert decode_body(COMPANIES, body, LOCALE) == answered
    assert is_sent_back == (answered.fields["phone_numbers"] is sent)
