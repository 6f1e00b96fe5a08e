"""
The record types as rows: fields in the order of Copper's samples, who may write them, what they hold.

Written from copper-api.md section 4 alone. Adding a type of record is adding a row to `ENTITIES`.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property

from crmsync.sandbox.replies import Json

SOCIALS = (
    "linkedin",
    "twitter",
    "googleplus",
    "facebook",
    "youtube",
    "quora",
    "foursquare",
    "klout",
    "gravatar",
    "other",
)
STATUSES = ("Open", "Won", "Lost", "Abandoned")
OWN_STATUSES = ("Open", "Done", "Won't Do", "On Hold")
"""What the four are called in a pipeline without revenue (4.4, one client; quirk status_words)."""

PRIORITIES = ("None", "Low", "Medium", "High")
ADDRESS_PARTS = ("street", "city", "state", "postal_code", "country")


@dataclass(frozen=True)
class FieldRow:
    """
    One key of a record.

    *kind* names the codec in `values.py`. *write*: `yes`, `no` (own read-only key), `create` (writable on
    create, ignored in PUT) or `put` (writable, but a PUT follows the quirk person_company_put). *target* is
    the table an id must be in. *key* is the key of an array's items. *words* are the allowed categories or
    values. *index* keeps the field findable without a scan. *quirk* names the knob that can make a read-only key
    writable.
    """

    name: str
    kind: str = "text"
    write: str = "yes"
    default: Json = None
    required: bool = False
    unique: bool = False
    target: str = ""
    key: str = ""
    words: tuple[str | None, ...] = ()
    longest: int = 0
    index: bool = False
    quirk: str = ""


@dataclass(frozen=True)
class EntityRow:
    """A type of record: its path, its name in the singular, its fields, the calls it has besides the usual."""

    plural: str
    singular: str
    first_id: int
    fields: tuple[FieldRow, ...]
    bulk: tuple[str, ...]
    default_sort: str
    bulk_undocumented: tuple[str, ...] = ()
    has_activities: bool = False
    has_files: bool = True
    connect_type: str = ""

    @cached_property
    def by_name(self) -> dict[str, FieldRow]:
        """The fields by the keys of the wire."""
        return {field.name: field for field in self.fields}

    @property
    def names(self) -> Set[str]:
        """The keys the entity has."""
        return self.by_name.keys()

    def field(self, name: str) -> FieldRow:
        """Return the row of the field called *name*."""
        return self.by_name[name]


def _read_only(name: str, kind: str = "text", default: Json = None, quirk: str = "") -> FieldRow:
    return FieldRow(name, kind, write="no", default=default, quirk=quirk)


def _link(name: str, target: str, default: Json = None, *, required: bool = False) -> FieldRow:
    # `required` here means: has a default on create and can never be cleared.
    return FieldRow(name, "id", target=target, default=default, required=required, index=True)


def _items(name: str, key: str, *words: str | None, unique: bool = False) -> FieldRow:
    return FieldRow(name, "items", key=key, words=words, unique=unique, index=unique, default=())


NAME = FieldRow("name", required=True, longest=255, index=True)
ADDRESS = FieldRow("address", "address")
ASSIGNEE = _link("assignee_id", "users")
CONTACT_TYPE = _link("contact_type_id", "contact_types")
DETAILS = FieldRow("details")
PHONES = _items("phone_numbers", "number", "mobile", "work", "home", "other")
SOCIAL = _items("socials", "url", *SOCIALS)
# A website's category may be null in real data (section 3).
WEBSITES = _items("websites", "url", "work", "personal", "other", None)
TAGS = FieldRow("tags", "tags", default=())
CUSTOM = FieldRow("custom_fields", "custom_fields")
CREATED = _read_only("date_created")
MODIFIED = _read_only("date_modified")
CONTACTED = _read_only("date_last_contacted")
INTERACTIONS = _read_only("interaction_count", default=0)
CONVERTED_FROM = _read_only("leads_converted_from", "converted_from", default=())
LEAD_DATE = _read_only("date_lead_created")

PEOPLE = EntityRow(
    "people",
    "person",
    70_000_001,
    (
        _read_only("id"),
        NAME,
        # Whether the parts can be written is not proven (4.2).
        *(_read_only(part, quirk="name_parts") for part in ("prefix", "first_name", "middle_name", "last_name", "suffix")),
        ADDRESS,
        ASSIGNEE,
        FieldRow("company_id", "id", write="put", target="companies", index=True),
        FieldRow("company_name", "mirror", write="create", longest=255),
        # The account's first contact type is filled in when it is left out (4.2, doc sample).
        FieldRow("contact_type_id", "id", target="contact_types", default="first", index=True),
        DETAILS,
        _items("emails", "email", "work", "personal", "other", unique=True),
        PHONES,
        SOCIAL,
        TAGS,
        FieldRow("title", longest=255),
        WEBSITES,
        CUSTOM,
        CREATED,
        MODIFIED,
        CONTACTED,
        INTERACTIONS,
        CONVERTED_FROM,
        LEAD_DATE,
    ),
    bulk=("create", "update"),
    default_sort="first_name",
    has_activities=True,
    # POST /related_links says people and not person (5.5).
    connect_type="people",
)

COMPANIES = EntityRow(
    "companies",
    "company",
    40_000_001,
    (
        _read_only("id"),
        NAME,
        ADDRESS,
        ASSIGNEE,
        CONTACT_TYPE,
        DETAILS,
        FieldRow("email_domain", unique=True, longest=255, index=True),
        PHONES,
        _link("primary_contact_id", "people"),
        SOCIAL,
        TAGS,
        WEBSITES,
        CUSTOM,
        INTERACTIONS,
        CREATED,
        MODIFIED,
    ),
    bulk=("create", "update"),
    default_sort="date_modified",
    # The bulk page leaves these three out (4.3); see the quirk bulk_company_links.
    bulk_undocumented=("assignee_id", "contact_type_id", "primary_contact_id"),
    has_activities=True,
    connect_type="company",
)

OPPORTUNITIES = EntityRow(
    "opportunities",
    "opportunity",
    20_000_001,
    (
        _read_only("id"),
        NAME,
        ASSIGNEE,
        FieldRow("close_date", "close_date"),
        _link("company_id", "companies"),
        FieldRow("company_name", "mirror", write="no"),
        _link("customer_source_id", "customer_sources"),
        DETAILS,
        _link("loss_reason_id", "loss_reasons"),
        _link("pipeline_id", "pipelines", required=True),
        _link("pipeline_stage_id", "pipeline_stages", required=True),
        _read_only("pipeline_type", "pipeline_type"),
        _read_only("pipeline_is_revenue", "pipeline_is_revenue"),
        _link("primary_contact_id", "people"),
        FieldRow("priority", "word", words=(*PRIORITIES, None), default="None"),
        FieldRow("status", "status", words=STATUSES, default="Open"),
        TAGS,
        INTERACTIONS,
        # Whether the unit can be written is not known (4.4).
        _read_only("monetary_unit", "unit", quirk="monetary_unit"),
        FieldRow("monetary_value", "money"),
        _read_only("converted_unit", "converted_unit"),
        _read_only("converted_value", "converted"),
        FieldRow("win_probability", "probability"),
        _read_only("date_stage_changed"),
        CONTACTED,
        CONVERTED_FROM,
        LEAD_DATE,
        CREATED,
        MODIFIED,
        CUSTOM,
    ),
    # No bulk_update (section 0, correction 2).
    bulk=("create",),
    default_sort="name",
    connect_type="opportunity",
)

LEADS = EntityRow(
    "leads",
    "lead",
    10_000_001,
    (
        _read_only("id"),
        NAME,
        *(_read_only(part, quirk="name_parts") for part in ("prefix", "first_name", "last_name", "middle_name", "suffix")),
        ADDRESS,
        ASSIGNEE,
        # Free text, no link to a company (4.5).
        FieldRow("company_name", longest=255),
        _link("customer_source_id", "customer_sources"),
        DETAILS,
        FieldRow("email", "email", key="email", words=("work", "personal", "other"), index=True),
        INTERACTIONS,
        _read_only("monetary_unit", "unit", quirk="monetary_unit"),
        FieldRow("monetary_value", "money"),
        _read_only("converted_unit", "converted_unit"),
        _read_only("converted_value", "converted"),
        SOCIAL,
        _read_only("status", "lead_status"),
        FieldRow("status_id", "id", target="lead_statuses", default="first", required=True, index=True),
        TAGS,
        FieldRow("title", longest=255),
        WEBSITES,
        PHONES,
        CUSTOM,
        CREATED,
        MODIFIED,
        CONTACTED,
        _read_only("converted_opportunity_id"),
        FieldRow("converted_contact_id", write="no", index=True),
        _read_only("converted_at"),
    ),
    bulk=("create", "update"),
    default_sort="name",
    has_activities=True,
    connect_type="lead",
)

DONE_OR_NOT = ("Open", "Completed")
STATUS = FieldRow("status", "word", words=DONE_OR_NOT, default="Open")
RESOURCE = FieldRow("related_resource", "resource", index=True)

PROJECTS = EntityRow(
    "projects",
    "project",
    30_000_001,
    (_read_only("id"), NAME, RESOURCE, ASSIGNEE, STATUS, DETAILS, TAGS, CUSTOM, CREATED, MODIFIED),
    bulk=(),
    default_sort="name",
    connect_type="project",
)

TASKS = EntityRow(
    "tasks",
    "task",
    50_000_001,
    (
        _read_only("id"),
        NAME,
        RESOURCE,
        ASSIGNEE,
        FieldRow("due_date", "time"),
        FieldRow("reminder_date", "time"),
        # Follows the status, never writable (4.7).
        _read_only("completed_date"),
        FieldRow("priority", "word", words=("None", "High", None), default="None"),
        STATUS,
        DETAILS,
        TAGS,
        CUSTOM,
        CREATED,
        MODIFIED,
        # Whether the task's type can be written is not known (4.7).
        _read_only("custom_activity_type_id", "task_type", quirk="task_type"),
    ),
    bulk=(),
    default_sort="due_date",
    has_files=False,
)

ACTIVITIES = EntityRow(
    "activities",
    "activity",
    # Ids exceed 2^31 (section 1).
    3_000_000_001,
    (
        _read_only("id"),
        FieldRow("parent", "resource", write="create", required=True),
        FieldRow("type", "activity_type", write="create", required=True),
        FieldRow("user_id", "id", write="create", target="users"),
        FieldRow("details", required=True),
        FieldRow("activity_date", "time"),
        _read_only("old_value"),
        _read_only("new_value"),
        CREATED,
        MODIFIED,
    ),
    bulk=("create",),
    default_sort="activity_date",
    has_files=False,
)

ENTITIES: dict[str, EntityRow] = {row.plural: row for row in (PEOPLE, COMPANIES, OPPORTUNITIES, LEADS, PROJECTS, TASKS)}
"""The types of record. Activities are none: they are kept on a shelf and have operations of their own."""

EVERYTHING: dict[str, EntityRow] = {**ENTITIES, ACTIVITIES.plural: ACTIVITIES}
BY_SINGULAR: dict[str, EntityRow] = {row.singular: row for row in ENTITIES.values()}

RELATABLE: dict[frozenset[str], tuple[str, str] | None] = {
    frozenset({"people", "companies"}): ("people", "company_id"),
    frozenset({"companies", "opportunities"}): ("opportunities", "company_id"),
    frozenset({"people", "opportunities"}): None,
    # A task has one relation in all; a project shows its first as related_resource and may have more.
    frozenset({"leads", "tasks"}): ("tasks", "related_resource"),
    frozenset({"people", "tasks"}): ("tasks", "related_resource"),
    frozenset({"companies", "tasks"}): ("tasks", "related_resource"),
    frozenset({"opportunities", "tasks"}): ("tasks", "related_resource"),
    frozenset({"projects", "tasks"}): ("tasks", "related_resource"),
    frozenset({"people", "projects"}): ("projects", "related_resource"),
    frozenset({"companies", "projects"}): ("projects", "related_resource"),
    frozenset({"opportunities", "projects"}): ("projects", "related_resource"),
}
"""Which types may be related (7.9), and the (type, field) that holds the one relation, if it is a field."""

SHELVES: dict[str, int] = {
    # Definitions and types go on after those of an account file.
    ACTIVITIES.plural: ACTIVITIES.first_id,
    "custom_activity_types": 190_501,
    "custom_field_definitions": 110_001,
    "options": 140_001,
    "related_links": 600_001,
    "webhooks": 800_001,
    "files": 900_001,
}
"""What is kept besides records, with the first id of each."""
