"""
The entity types: what Copper has on companies, people and opportunities, as rows.

A field is writable unless its row says otherwise. The names are Copper's own without ``_id``; each row says what the
field is and on which page of developer.copper.com it stands.
"""

from __future__ import annotations

from crmsync.catalogue import kinds
from crmsync.catalogue.members import TAG_LENGTH
from crmsync.model.catalogue import EntityType, Field, Filter, Kind, Match, Write

_PEOPLE = "people/create-a-new-person.html"
_COMPANIES = "companies/create-a-new-company.html"
_OPPORTUNITIES = "opportunities/create-a-new-opportunity.html"
_CHANGES = "introduction/change_policy.html"


def _doc(text: str, page: str) -> str:
    return f"{text} (developer.copper.com/{page})"


def _name(text: str, page: str) -> Field:
    return Field("name", kinds.TEXT, "name", _doc(text, page), required=True, filter=Filter("name"))


def _shown(name: str, kind: Kind, text: str, page: str, key: str | None = None) -> Field:
    """Return the row of a field that Copper computes."""
    return Field(name, kind, key or name, _doc(text, page), write=Write.NEVER)


def _address(page: str) -> tuple[Field, ...]:
    parts = {
        "street": (kinds.LONG_TEXT, "Street and number; may have several lines."),
        "city": (kinds.TEXT, "City."),
        "state": (kinds.TEXT, "State, province or region."),
        "postal_code": (kinds.TEXT, "Postal code."),
        "country": (kinds.COUNTRY, "Country: two letters (ISO 3166), or a name."),
    }
    return tuple(
        Field(f"address.{part}", kind, "address", _doc(text, page), part=part) for part, (kind, text) in parts.items()
    )


def _assignee(page: str) -> Field:
    return Field(
        "assignee", kinds.LABEL, "assignee_id", _doc("The user in charge, by e-mail or name.", page), target="users"
    )


def _contact_type(page: str) -> Field:
    text = "What kind of contact this is, by label."
    return Field("contact_type", kinds.LABEL, "contact_type_id", _doc(text, page), target="contact_types")


def _details(page: str) -> Field:
    return Field("details", kinds.LONG_TEXT, "details", _doc("Description; the text under About.", page))


def _tags(page: str) -> Field:
    text = "Tags. Copper keeps them in lower case."
    return Field("tags", kinds.TAGS, "tags", _doc(text, page), max_length=TAG_LENGTH)


def _contact_sets(page: str) -> tuple[Field, ...]:
    return (
        Field("phone_numbers", kinds.PHONES, "phone_numbers", _doc("Phone numbers: mobile, work, home or other.", page)),
        Field("socials", kinds.SOCIALS, "socials", _doc("Social profiles, by url; the network is known from it.", page)),
        Field("websites", kinds.WEBSITES, "websites", _doc("Websites: work, personal or other.", page)),
    )


def _history(page: str) -> tuple[Field, ...]:
    return (
        _shown("interaction_count", kinds.WHOLE, "How many interactions there were.", page),
        _shown("date_created", kinds.TIMESTAMP, "When the record was created.", page),
        _shown("date_modified", kinds.TIMESTAMP, "When the record was last changed.", page),
        _shown("date_last_contacted", kinds.TIMESTAMP, "When there was last an interaction.", page),
    )


def _from_leads(page: str) -> tuple[Field, ...]:
    return (
        _shown("leads_converted_from", kinds.OPAQUE, "The leads that became this record.", page),
        _shown("date_lead_created", kinds.TIMESTAMP, "When the lead was created that became this record.", page),
    )


COMPANIES = EntityType(
    name="companies",
    singular="company",
    path="/companies",
    fields=(
        _name("The name of the company.", _COMPANIES),
        Field(
            "email_domain",
            kinds.DOMAIN,
            "email_domain",
            _doc("The domain of the company's e-mail addresses. No two companies share one.", _COMPANIES),
            unique=True,
            filter=Filter("email_domains", takes_many=True),
        ),
        _contact_type(_COMPANIES),
        _assignee(_COMPANIES),
        Field(
            "primary_contact",
            kinds.REFERENCE,
            "primary_contact_id",
            _doc("The person to talk to first; there since 2024-04-24.", _CHANGES),
            target="people",
        ),
        *_address(_COMPANIES),
        _details(_COMPANIES),
        *_contact_sets(_COMPANIES),
        _tags(_COMPANIES),
        *_history(_COMPANIES),
    ),
    match_on=(Match("email_domain"), Match("name", where_empty="email_domain")),
    bulk=frozenset({"create", "update"}),
    web_path="organization",
    doc=_doc("Companies: the organisations you deal with.", "companies/overview.html"),
)

PEOPLE = EntityType(
    name="people",
    singular="person",
    path="/people",
    fields=(
        _name("The full name. Copper splits it into its parts.", _PEOPLE),
        _shown("prefix", kinds.TEXT, "The title before the name; follows from `name`.", _PEOPLE),
        _shown("first_name", kinds.TEXT, "The first name; follows from `name`.", _PEOPLE),
        _shown("middle_name", kinds.TEXT, "The middle name; follows from `name`.", _PEOPLE),
        _shown("last_name", kinds.TEXT, "The last name; follows from `name`.", _PEOPLE),
        _shown("suffix", kinds.TEXT, "What follows the name, such as Jr.; follows from `name`.", _PEOPLE),
        Field(
            "emails",
            kinds.EMAILS,
            "emails",
            _doc("E-mail addresses: work, personal or other. No two people share one.", _PEOPLE),
            unique=True,
            filter=Filter("emails", takes_many=True),
        ),
        Field(
            "company",
            kinds.REFERENCE,
            "company_id",
            _doc("The company a person works for. It is sent on creation, and changed through related items.", _PEOPLE),
            target="companies",
            write=Write.CREATE,
            route="related",
        ),
        _shown("company_name", kinds.TEXT, "The name of the company; follows from `company`.", _PEOPLE),
        Field("title", kinds.TEXT, "title", _doc("The job title.", _PEOPLE)),
        _contact_type(_PEOPLE),
        _assignee(_PEOPLE),
        *_address(_PEOPLE),
        _details(_PEOPLE),
        *_contact_sets(_PEOPLE),
        _tags(_PEOPLE),
        *_history(_PEOPLE),
        *_from_leads(_PEOPLE),
    ),
    match_on=(Match("emails"),),
    bulk=frozenset({"create", "update"}),
    web_path="contact",
    doc=_doc("People: the persons you deal with.", "people/overview.html"),
)

OPPORTUNITIES = EntityType(
    name="opportunities",
    singular="opportunity",
    path="/opportunities",
    fields=(
        _name("The name of the opportunity.", _OPPORTUNITIES),
        Field(
            "company",
            kinds.REFERENCE,
            "company_id",
            _doc("The company it is with. Left out, it is the primary contact's.", _OPPORTUNITIES),
            target="companies",
        ),
        _shown("company_name", kinds.TEXT, "The name of the company; follows from `company`.", _OPPORTUNITIES),
        Field(
            "primary_contact",
            kinds.REFERENCE,
            "primary_contact_id",
            _doc("The person to talk to first; needed until 2025-08-15, optional since.", _CHANGES),
            target="people",
        ),
        _assignee(_OPPORTUNITIES),
        Field(
            "pipeline",
            kinds.LABEL,
            "pipeline_id",
            _doc("The pipeline, by label. Left out, it is the account's default.", _OPPORTUNITIES),
            target="pipelines",
        ),
        Field(
            "stage",
            kinds.LABEL,
            "pipeline_stage_id",
            _doc("The stage within the pipeline, by label. Left out, it is the first.", _OPPORTUNITIES),
            target="stages",
            within="pipeline",
        ),
        Field(
            "status",
            kinds.CHOICE,
            "status",
            _doc("Open, Won, Lost or Abandoned.", _OPPORTUNITIES),
            choices=("Open", "Won", "Lost", "Abandoned"),
        ),
        Field(
            "priority",
            kinds.CHOICE,
            "priority",
            _doc("None, Low, Medium or High.", _OPPORTUNITIES),
            choices=("None", "Low", "Medium", "High"),
        ),
        Field("monetary_value", kinds.MONEY, "monetary_value", _doc("What it is worth.", _OPPORTUNITIES)),
        Field(
            "win_probability",
            kinds.PERCENTAGE,
            "win_probability",
            _doc("Chance to win in percent. Entering a stage sets it to the stage's.", _OPPORTUNITIES),
            reset_by="stage",
        ),
        Field("close_date", kinds.CLOSE_DATE, "close_date", _doc("When it is expected to close.", _OPPORTUNITIES)),
        Field(
            "customer_source",
            kinds.LABEL,
            "customer_source_id",
            _doc("Where the customer came from, by label.", _OPPORTUNITIES),
            target="customer_sources",
        ),
        Field(
            "loss_reason",
            kinds.LABEL,
            "loss_reason_id",
            _doc("Why it was lost, by label; for the status Lost.", _OPPORTUNITIES),
            target="loss_reasons",
        ),
        _details(_OPPORTUNITIES),
        _tags(_OPPORTUNITIES),
        _shown("pipeline_type", kinds.TEXT, "What the pipeline is for; there since 2024-11.", _CHANGES),
        _shown("pipeline_is_revenue", kinds.CHECKBOX, "Whether the pipeline counts money; there since 2024-11.", _CHANGES),
        _shown("monetary_unit", kinds.TEXT, "The currency of the value, as ISO code.", _OPPORTUNITIES),
        _shown("converted_value", kinds.MONEY, "The value in the account's currency.", _OPPORTUNITIES),
        _shown("converted_unit", kinds.TEXT, "The account's currency.", _OPPORTUNITIES),
        _shown("date_stage_changed", kinds.TIMESTAMP, "When the stage was last changed.", _OPPORTUNITIES),
        *_history(_OPPORTUNITIES),
        *_from_leads(_OPPORTUNITIES),
    ),
    match_on=(Match("name", within="company"),),
    bulk=frozenset({"create"}),
    web_path="deal",
    doc=_doc("Opportunities: the deals you hope to make.", "opportunities/overview.html"),
)
