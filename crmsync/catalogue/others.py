"""
The entity types that record files do not manage in this version, for the client: leads, projects, tasks, activities.

They are rows like those of `entities`, with four kinds of their own: the one e-mail of a lead, an instant that can be
written, the record that a task or an activity belongs to, and the type of an activity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from crmsync.catalogue import dates, entities, kinds, members, pointers
from crmsync.catalogue.reading import ANY_SCALAR, Fault, Read, odd, one_text, quoted, refuse
from crmsync.model.catalogue import Catalogue, EntityType, Field, Filter, Kind, Locale, Match, Write
from crmsync.model.late import late
from crmsync.model.source import Listing, Node
from crmsync.model.suggest import did_you_mean
from crmsync.model.values import Plain, Value, Written

_LEADS = "leads/create-a-new-lead.html"
_PROJECTS = "projects/create-a-new-project.html"
_TASKS = "tasks/create-a-new-task.html"
_ACTIVITIES = "activities/create-a-new-activity.html"

_WORD = {"type": list(ANY_SCALAR)}

# ---- the one e-mail of a lead: an object on the wire, where a person has a list (copper-api.md section 3)

_read_emails, _show_emails = members.reader(members.EMAILS), members.shower(members.EMAILS)
_encode_emails, _decode_emails = members.encoder(members.EMAILS), members.decoder(members.EMAILS)


def _read_email(node: Node, field: Field, locale: Locale) -> Read:
    if isinstance(node, Listing):
        return refuse(Fault("CRM014", f'"{field.name}" is one e-mail address; a lead has no more.'), node.position)
    return _read_emails(Listing((node,), node.position), field, locale)


def _show_email(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    shown = _show_emails(value, field, name_of)
    return shown[0] if isinstance(shown, list) and shown else None


def _encode_email(value: Value, locale: Locale) -> Any:
    return next(iter(_encode_emails(value, locale)), None)


def _decode_email(data: Any, locale: Locale) -> Value:
    return _decode_emails([data] if data else [], locale)


EMAIL = Kind("email", _read_email, _show_email, _encode_email, _decode_email, _WORD)

# ---- an instant that can be written


def read_moment(node: Node, field: Field, locale: Locale) -> Read:
    """Return the instant that *node* says; a day is its first instant in the account's zone."""
    day, wrong = dates.read_date(node, field, locale)
    if not wrong and isinstance(day, date):
        return dates.encode_date(day, locale), ()
    value, problems = dates.read_timestamp(node, field, locale)
    if not problems:
        return value, ()
    detail = f'"{field.name}" is a day, such as 2026-12-31, or a time, such as 2026-12-31T23:59:59Z.'
    return refuse(Fault("CRM021", detail), node.position)


MOMENT = Kind("moment", read_moment, dates.show_timestamp, kinds.TIMESTAMP.encode, dates.decode_timestamp, _WORD)

# ---- another record of any type, as ``company/123``

SINGULARS: Mapping[str, str] = {
    "people": "person",
    "companies": "company",
    "leads": "lead",
    "opportunities": "opportunity",
    "projects": "project",
    "tasks": "task",
}
_RECORD = late(r"([a-z]+)\s*[/ ]\s*#?([0-9]{1,18})")


def _parse_record(text: str, field: Field, locale: Locale) -> Written | Fault:
    found = _RECORD.fullmatch(text.strip().casefold())
    if found is None:
        return Fault("CRM014", f'"{field.name}" is a type and an id, such as company/123, not {quoted(text)}.')
    type_name = SINGULARS.get(found[1], found[1])
    if type_name not in SINGULARS.values():
        return Fault("CRM012", f'There is no type "{found[1]}".{did_you_mean(found[1], SINGULARS)}')
    return f"{type_name}/{int(found[2])}"


def _encode_record(value: Value, locale: Locale) -> Any:
    if value is None:
        return None
    type_name, _, id = str(value).partition("/")
    return {"id": int(id), "type": type_name}


def _decode_record(data: Any, locale: Locale) -> Value:
    """Return ``type/id``; none is null, or an object of nulls (copper-field.md 2.6)."""
    if data is None or (isinstance(data, Mapping) and data.get("id") is None):
        return None
    if not isinstance(data, Mapping) or not isinstance(data.get("id"), int):
        raise odd(data, "a record with id and type")
    return f"{data.get('type')}/{data['id']}"


RECORD = Kind("record", one_text(_parse_record, "one record"), kinds.TEXT.show, _encode_record, _decode_record, _WORD)

# ---- the type of an activity


def _encode_activity_type(value: Value, locale: Locale) -> Any:
    if value is None:
        return None
    assert isinstance(value, int), value
    return {"id": abs(value), "category": "user" if value >= 0 else "system"}


def _decode_activity_type(data: Any, locale: Locale) -> Value:
    """
    Return the id of a type; that of one of Copper's own negative.

    The types of users and those of the system share one space of ids (copper-api.md 4.8), and a note of a user is 0.
    """
    if data is None:
        return None
    if not isinstance(data, Mapping) or not isinstance(data.get("id"), int | str):
        raise odd(data, "an activity type")
    id = int(data["id"])
    return -id if data.get("category") == "system" else id


ACTIVITY_TYPE = Kind(
    "activity_type",
    pointers.read_label,
    pointers.show_label,
    _encode_activity_type,
    _decode_activity_type,
    _WORD,
    is_label=True,
)


# ---- the rows


def _doc(text: str, page: str) -> str:
    return f"{text} (developer.copper.com/{page})"


def _field(name: str, kind: Kind, text: str, page: str, key: str | None = None, **more: Any) -> Field:
    return Field(name, kind, key or name, _doc(text, page), **more)


def _shown(name: str, kind: Kind, text: str, page: str, key: str | None = None, **more: Any) -> Field:
    return _field(name, kind, text, page, key, write=Write.NEVER, **more)


def _of_people(*names: str) -> tuple[Field, ...]:
    """Return rows that leads and people share, with the page of leads."""
    wanted = [entities.PEOPLE.by_name[name] for name in names]
    return tuple(Field(f.name, f.kind, f.key, _moved(f.doc), f.part, f.target, write=f.write) for f in wanted)


def _moved(doc: str) -> str:
    return doc.replace("people/create-a-new-person.html", _LEADS)


def _common(page: str) -> tuple[Field, ...]:
    return (
        _field("details", kinds.LONG_TEXT, "Description.", page),
        _field("tags", kinds.TAGS, "Tags. Copper keeps them in lower case.", page, max_length=members.TAG_LENGTH),
        _shown("date_created", kinds.TIMESTAMP, "When the record was created.", page),
        _shown("date_modified", kinds.TIMESTAMP, "When the record was last changed.", page),
    )


def _named(text: str, page: str) -> Field:
    return _field("name", kinds.TEXT, text, page, required=True, filter=Filter("name"))


def _assignee(page: str) -> Field:
    return _field("assignee", kinds.LABEL, "The user in charge, by e-mail or name.", page, "assignee_id", target="users")


_ADDRESS = ("address.street", "address.city", "address.state", "address.postal_code", "address.country")

LEADS = EntityType(
    name="leads",
    singular="lead",
    path="/leads",
    fields=(
        _named("The full name. Copper splits it into its parts.", _LEADS),
        *_of_people("prefix", "first_name", "middle_name", "last_name", "suffix"),
        _field("email", EMAIL, "The e-mail address: one, work, personal or other.", _LEADS, filter=Filter("emails", True)),
        _field("company_name", kinds.TEXT, "The company, as text: a lead has no link to one.", _LEADS),
        _field("title", kinds.TEXT, "The job title.", _LEADS),
        _field("status", kinds.LABEL, "The lead status, by label.", _LEADS, "status_id", target="lead_statuses"),
        _assignee(_LEADS),
        _field(
            "customer_source", kinds.LABEL, "Where it came from.", _LEADS, "customer_source_id", target="customer_sources"
        ),
        _field("monetary_value", kinds.MONEY, "What it is worth.", _LEADS),
        *_of_people(*_ADDRESS, "phone_numbers", "socials", "websites"),
        *_common(_LEADS),
        _shown("monetary_unit", kinds.TEXT, "The currency of the value, as ISO code.", _LEADS),
        _shown("converted_value", kinds.MONEY, "The value in the account's currency.", _LEADS),
        _shown("converted_unit", kinds.TEXT, "The account's currency.", _LEADS),
        _shown("interaction_count", kinds.WHOLE, "How many interactions there were.", _LEADS),
        _shown("date_last_contacted", kinds.TIMESTAMP, "When there was last an interaction.", _LEADS),
        _shown("converted_at", kinds.TIMESTAMP, "When it was converted.", _LEADS),
        _shown("converted_contact_id", kinds.WHOLE, "The person that it became.", _LEADS),
        _shown("converted_opportunity_id", kinds.WHOLE, "The opportunity that it became.", _LEADS),
    ),
    match_on=(Match("email"), Match("name", where_empty="email")),
    bulk=frozenset({"create", "update"}),
    web_path="lead",
    doc=_doc("Leads: people who may become contacts.", "leads/overview.html"),
)

PROJECTS = EntityType(
    name="projects",
    singular="project",
    path="/projects",
    fields=(
        _named("The name of the project.", _PROJECTS),
        _field("related_resource", RECORD, "The record it is about, as company/123.", _PROJECTS),
        _assignee(_PROJECTS),
        _field("status", kinds.CHOICE, "Open or Completed.", _PROJECTS, choices=("Open", "Completed")),
        *_common(_PROJECTS),
    ),
    match_on=(Match("name"),),
    bulk=frozenset(),
    web_path="project",
    doc=_doc("Projects: work that follows a deal.", "projects/overview.html"),
)

TASKS = EntityType(
    name="tasks",
    singular="task",
    path="/tasks",
    fields=(
        _field("name", kinds.TEXT, "What is to do.", _TASKS, required=True),
        _field("related_resource", RECORD, "The one record it is about, as company/123.", _TASKS),
        _assignee(_TASKS),
        _field("due_date", MOMENT, "When it is due; a day is its first instant.", _TASKS),
        _field("reminder_date", MOMENT, "When to remind.", _TASKS),
        _shown("completed_date", kinds.TIMESTAMP, "When it was completed; follows from `status`.", _TASKS),
        _field("priority", kinds.CHOICE, "None or High.", _TASKS, choices=("None", "High")),
        _field("status", kinds.CHOICE, "Open or Completed.", _TASKS, choices=("Open", "Completed")),
        *_common(_TASKS),
        _shown("custom_activity_type_id", kinds.WHOLE, "The type of the task.", _TASKS),
    ),
    match_on=(),
    bulk=frozenset(),
    web_path="task",
    doc=_doc("Tasks: what is to do.", "tasks/overview.html"),
)

ACTIVITIES = EntityType(
    name="activities",
    singular="activity",
    path="/activities",
    fields=(
        _field(
            "parent", RECORD, "The record it belongs to, as company/123.", _ACTIVITIES, write=Write.CREATE, required=True
        ),
        _field(
            "type",
            ACTIVITY_TYPE,
            "The type, by label; those of the system are only looked at.",
            _ACTIVITIES,
            target="activity_types",
            write=Write.CREATE,
            required=True,
        ),
        _field("details", kinds.LONG_TEXT, "What was said or done.", _ACTIVITIES, required=True),
        _field("activity_date", MOMENT, "When it was.", _ACTIVITIES),
        _field("user", kinds.LABEL, "Whose it is.", _ACTIVITIES, "user_id", target="users", write=Write.CREATE),
        _shown("old_value", kinds.OPAQUE, "What was before, in an entry of the system.", _ACTIVITIES),
        _shown("new_value", kinds.OPAQUE, "What was after, in an entry of the system.", _ACTIVITIES),
        _shown("date_created", kinds.TIMESTAMP, "When the entry was created.", _ACTIVITIES),
        _shown("date_modified", kinds.TIMESTAMP, "When the entry was last changed.", _ACTIVITIES),
    ),
    match_on=(),
    bulk=frozenset({"create"}),
    web_path="",
    doc=_doc("Activities: notes, calls, meetings, and Copper's own log.", "activities/overview.html"),
)

#: All that the client knows: what record files manage, and the rest.
EVERYTHING = Catalogue(
    types=(
        entities.COMPANIES,
        entities.PEOPLE,
        entities.OPPORTUNITIES,
        LEADS,
        PROJECTS,
        TASKS,
        ACTIVITIES,
    )
)
