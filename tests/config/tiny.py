"""A small catalogue with kinds as simple as can be, so that these tests are about the files and not about Copper."""

from __future__ import annotations

from crmsync.model.catalogue import Catalogue, EntityType, Field, Kind, Locale, Match, Write
from crmsync.model.codes import CODES
from crmsync.model.source import Listing, Node, Problem, Scalar, Table
from crmsync.model.values import Label, Lookup, Member, Members, Written

Read = tuple[Written, tuple[Problem, ...]]

SCALAR = ["string", "number", "boolean", "null"]


def _wrong(node: Node, detail: str) -> Read:
    return None, (Problem(CODES["CRM020"], detail, node.position),)


def _read_text(node: Node, field: Field, locale: Locale) -> Read:
    return (node.text, ()) if isinstance(node, Scalar) else _wrong(node, f"{field.name} is one text.")


def _read_number(node: Node, field: Field, locale: Locale) -> Read:
    if isinstance(node, Scalar) and node.text.isdecimal():
        return int(node.text), ()
    return _wrong(node, f"{field.name} is a number.")


def _read_emails(node: Node, field: Field, locale: Locale) -> Read:
    if not isinstance(node, Listing):
        return _wrong(node, f"{field.name} is a list.")
    texts = [item.text for item in node.items if isinstance(item, Scalar)]
    return Members(tuple(Member(text.casefold(), text) for text in texts)), ()


def _read_label(node: Node, field: Field, locale: Locale) -> Read:
    return (Label(node.text, node.position), ()) if isinstance(node, Scalar) else _wrong(node, "One label.")


def _read_reference(node: Node, field: Field, locale: Locale) -> Read:
    if isinstance(node, Table):
        by, value = node.entries[0]
        assert isinstance(value, Scalar)
        return Lookup(by.text, value.text, node.position), ()
    return (Lookup("key", node.text, node.position), ()) if isinstance(node, Scalar) else _wrong(node, "One reference.")


def _kind(name: str, read: object, schema: dict[str, object], **flags: bool) -> Kind:
    def nothing(*arguments: object) -> None: ...

    return Kind(name, read, nothing, nothing, nothing, schema, **flags)


TEXT = _kind("text", _read_text, {"type": SCALAR})
NUMBER = _kind("number", _read_number, {"type": ["number", "null"]})
EMAILS = _kind("emails", _read_emails, {"type": ["array", "null"], "items": {"type": "string"}}, is_set=True)
LABEL = _kind("label", _read_label, {"type": ["string", "null"]}, is_label=True)
REFERENCE = _kind("reference", _read_reference, {"type": ["string", "number", "object", "null"]}, is_reference=True)


def _address() -> tuple[Field, ...]:
    parts = ("street", "city", "state", "postal_code", "country")
    return tuple(Field(f"address.{part}", TEXT, "address", "Part of an address.", part=part) for part in parts)


COMPANY = EntityType(
    name="companies",
    singular="company",
    path="companies",
    fields=(
        Field("name", TEXT, "name", "The name.", required=True),
        Field("email_domain", TEXT, "email_domain", "The domain.", unique=True),
        Field("details", TEXT, "details", "Notes."),
        Field("employees", NUMBER, "employees", "How many."),
        Field("contact_type", LABEL, "contact_type_id", "A label.", target="contact_types"),
        Field("interaction_count", NUMBER, "interaction_count", "Counted by Copper.", write=Write.NEVER),
        *_address(),
    ),
    match_on=(Match("email_domain"), Match("name", where_empty="email_domain")),
    bulk=frozenset(),
    web_path="organization",
    doc="Companies.",
)
PERSON = EntityType(
    name="people",
    singular="person",
    path="people",
    fields=(
        Field("name", TEXT, "name", "The name.", required=True),
        Field("emails", EMAILS, "emails", "Addresses.", unique=True),
        Field("company", REFERENCE, "company_id", "Where they work.", target="companies"),
        *_address(),
    ),
    match_on=(Match("emails"),),
    bulk=frozenset(),
    web_path="person",
    doc="People.",
)
DEAL = EntityType(
    name="opportunities",
    singular="opportunity",
    path="opportunities",
    fields=(
        Field("name", TEXT, "name", "The name.", required=True),
        Field("company", REFERENCE, "company_id", "Whose.", target="companies"),
        Field("priority", TEXT, "priority", "How urgent.", choices=("None", "Low", "High")),
    ),
    match_on=(Match("name", within="company"),),
    bulk=frozenset(),
    web_path="opportunity",
    doc="Deals.",
)

CATALOGUE = Catalogue((COMPANY, PERSON, DEAL))


def custom(label: str, id: int, kind: Kind = TEXT, write: Write = Write.ALWAYS) -> Field:
    """Return the row of a custom field."""
    return Field(f"custom_fields.{label}", kind, "custom_fields", "A custom field.", definition_id=id, write=write)


def with_custom(*fields: Field) -> Catalogue:
    """Return the tiny catalogue of an account whose companies have these custom fields."""
    from msgspec.structs import replace

    company = replace(COMPANY, fields=(*COMPANY.fields, *fields))
    return Catalogue((company, PERSON, DEAL), has_account=True)
