"""
What Copper's search can be asked, as rows: the filters of each type, what it sorts by, how it is read to the end.

Source: the search pages of developer.copper.com (copper-api.md 6.1 to 6.3). What is no row here, Copper cannot be asked;
the client then reads more and looks itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Form(StrEnum):
    """How the value of a filter is written on the wire."""

    IDS = "ids"  # a list of ids; -2 means nobody
    ID_TEXTS = "id_texts"  # the same for ids that no record field holds
    TEXT = "text"  # one text; a blank one means none
    TEXTS = "texts"  # a list of texts
    TAGS = "tags"  # a list of tags: any of them; an empty text means none
    TAGS_IN_OPTION = "tags_in_option"  # {"option": "ANY", "value": [...]}
    CODES = "codes"  # a list of numbers, the places of the words in `words`
    WORDS = "words"  # a list of the words themselves
    RANGE = "range"  # two keys, minimum_... and maximum_..., both inclusive
    RECORD = "record"  # {"id", "type"}
    TYPES = "types"  # a list of {"id", "category"}
    NUMBER = "number"  # one number
    FLAG = "flag"  # true or false


class Criterion(Struct, frozen=True):
    """
    One filter of one type: *name* is the field asked about, *key* Copper's.

    *words* are what codes stand for. *none* is what asks for records without a value, None where nothing does.
    *is_sure* is false where Copper may refuse the filter, because no page has it. *aside* marks filters that no field
    answers: they can only be asked.
    """

    name: str
    form: Form
    key: str
    page: str
    words: tuple[str, ...] = ()
    none: object = None
    is_sure: bool = True
    aside: str = ""


class Walk(Struct, frozen=True):
    """How all records of a search are read: in the order of a date, so that more than 100,000 can be had in parts."""

    sort_by: str | None
    key: str
    minimum: str
    maximum: str
    is_descending: bool = False


class SearchRow(Struct, frozen=True):
    """The search of one type: filters by field, sort words by field, and the columns that a table shows first."""

    page: str
    criteria: Mapping[str, Criterion]
    sorts: Mapping[str, str]
    walk: Walk
    columns: tuple[str, ...]


NOBODY = -2

_PEOPLE = "people/list-people-search.html"
_COMPANIES = "companies/list-companies-search.html"
_LEADS = "leads/list-leads-search.html"
_OPPORTUNITIES = "opportunities/list-opportunities-search.html"
_PROJECTS = "projects/list-projects-search.html"
_TASKS = "tasks/list-tasks-search.html"
_ACTIVITIES = "activities/list-activities-search.html"

_BY_CREATION = Walk("date_created", "date_created", "minimum_created_date", "maximum_created_date")


def _by_name(*rows: Criterion) -> dict[str, Criterion]:
    return {row.name: row for row in rows}


def _ids(name: str, page: str, key: str = "", **more: Any) -> Criterion:
    return Criterion(name, Form.IDS, key or f"{name}_ids", page, none=[NOBODY], **more)


def _text(name: str, page: str, key: str = "") -> Criterion:
    return Criterion(name, Form.TEXT, key or name.rpartition(".")[2], page, none="")


def _range(name: str, page: str, key: str = "", **more: Any) -> Criterion:
    return Criterion(name, Form.RANGE, key or name, page, **more)


def _dates(page: str, *, is_sure: bool = True) -> tuple[Criterion, ...]:
    return _range("date_created", page, "created_date"), _range("date_modified", page, "modified_date", is_sure=is_sure)


def _tags(page: str, form: Form = Form.TAGS) -> Criterion:
    return Criterion("tags", form, "tags", page, none="")


def _named(page: str) -> Criterion:
    return Criterion("name", Form.TEXT, "name", page)


def _aside(name: str, form: Form, key: str, page: str, text: str) -> Criterion:
    return Criterion(name, form, key, page, aside=text)


def _followed(page: str) -> Criterion:
    return _aside("followed", Form.CODES, "followed", page, "whether you follow it")


def _id(page: str, *, is_sure: bool = True) -> Criterion:
    return Criterion("id", Form.ID_TEXTS, "ids", page, is_sure=is_sure, aside="the id of a record")


def _contact(page: str) -> tuple[Criterion, ...]:
    return (
        Criterion("phone_numbers", Form.TEXT, "phone_number", page),
        *(_text(f"address.{part}", page) for part in ("city", "state", "postal_code", "country")),
        Criterion("socials", Form.TEXTS, "socials", page),
        _aside("age", Form.NUMBER, "age", page, "created at most so many seconds ago"),
        _range("interaction_count", page),
        _range("date_last_contacted", page, "interaction_date"),
    )


_DATES = {"date_created": "date_created", "date_modified": "date_modified"}
_PLACES = {
    "address.city": "city",
    "address.state": "state",
    "address.country": "country",
    "address.postal_code": "zip",
    "phone_numbers": "phone",
    "socials": "socials",
}

SEARCHES: Mapping[str, SearchRow] = {
    "people": SearchRow(
        _PEOPLE,
        _by_name(
            _id(_PEOPLE),
            _named(_PEOPLE),
            Criterion("emails", Form.TEXTS, "emails", _PEOPLE),
            *_contact(_PEOPLE),
            _ids("assignee", _PEOPLE),
            _ids("contact_type", _PEOPLE),
            _ids("company", _PEOPLE),
            _tags(_PEOPLE),
            *_dates(_PEOPLE, is_sure=False),
            _followed(_PEOPLE),
            _aside("opportunity", Form.ID_TEXTS, "opportunity_ids", _PEOPLE, "the id of an opportunity"),
        ),
        {
            **_DATES,
            **_PLACES,
            "name": "name",
            "first_name": "first_name",
            "title": "title",
            "emails": "email",
        },
        _BY_CREATION,
        ("id", "name", "emails", "phone_numbers", "company", "title", "assignee"),
    ),
    "companies": SearchRow(
        _COMPANIES,
        _by_name(
            _id(_COMPANIES),
            _named(_COMPANIES),
            Criterion("email_domain", Form.TEXTS, "email_domains", _COMPANIES),
            *(each for each in _contact(_COMPANIES) if each.name != "date_last_contacted"),
            _ids("assignee", _COMPANIES),
            _ids("contact_type", _COMPANIES),
            _tags(_COMPANIES),
            *_dates(_COMPANIES, is_sure=False),
            _followed(_COMPANIES),
        ),
        {
            **_DATES,
            **_PLACES,
            "name": "name",
            "primary_contact": "contact",
            "email_domain": "email_domain",
            "assignee": "assignee",
            "contact_type": "contact_group",
            "date_last_contacted": "last_interaction",
            "interaction_count": "interaction_count",
            "websites": "primary_website",
        },
        _BY_CREATION,
        ("id", "name", "email_domain", "phone_numbers", "contact_type", "assignee", "tags"),
    ),
    "opportunities": SearchRow(
        _OPPORTUNITIES,
        _by_name(
            _id(_OPPORTUNITIES),
            _named(_OPPORTUNITIES),
            _ids("assignee", _OPPORTUNITIES),
            _ids("company", _OPPORTUNITIES),
            _ids("primary_contact", _OPPORTUNITIES),
            _ids("pipeline", _OPPORTUNITIES),
            _ids("stage", _OPPORTUNITIES, "pipeline_stage_ids"),
            _ids("customer_source", _OPPORTUNITIES),
            _ids("loss_reason", _OPPORTUNITIES),
            Criterion("status", Form.CODES, "status_ids", _OPPORTUNITIES, words=("Open", "Won", "Lost", "Abandoned")),
            _tags(_OPPORTUNITIES, Form.TAGS_IN_OPTION),
            _range("monetary_value", _OPPORTUNITIES),
            _range("close_date", _OPPORTUNITIES),
            _range("date_stage_changed", _OPPORTUNITIES, "stage_change_date"),
            _range("interaction_count", _OPPORTUNITIES),
            _range("date_last_contacted", _OPPORTUNITIES, "interaction_date"),
            *_dates(_OPPORTUNITIES),
            _followed(_OPPORTUNITIES),
        ),
        {
            **_DATES,
            "name": "name",
            "assignee": "assignee",
            "company": "company_name",
            "company_name": "company_name",
            "customer_source": "customer_source_id",
            "interaction_count": "interaction_count",
            "date_last_contacted": "last_interaction",
            "monetary_unit": "monetary_unit",
            "monetary_value": "monetary_value",
            "primary_contact": "primary_contact",
            "priority": "priority",
            "stage": "stage",
            "status": "status",
        },
        _BY_CREATION,
        ("id", "name", "company", "pipeline", "stage", "status", "monetary_value", "close_date", "assignee"),
    ),
    "leads": SearchRow(
        _LEADS,
        _by_name(
            _id(_LEADS, is_sure=False),
            _named(_LEADS),
            Criterion("email", Form.TEXTS, "emails", _LEADS),
            *(each for each in _contact(_LEADS) if each.name != "socials"),
            _ids("assignee", _LEADS),
            _ids("status", _LEADS, "status_ids"),
            _ids("customer_source", _LEADS),
            _tags(_LEADS, Form.TAGS_IN_OPTION),
            _range("monetary_value", _LEADS),
            *_dates(_LEADS),
            _followed(_LEADS),
            _aside("include_converted_leads", Form.FLAG, "include_converted_leads", _LEADS, "whether converted ones count"),
        ),
        {
            **_DATES,
            **_PLACES,
            "name": "name",
            "company_name": "company_name",
            "title": "title",
            "monetary_value": "value",
            "email": "email",
        },
        _BY_CREATION,
        ("id", "name", "email", "company_name", "status", "monetary_value", "assignee"),
    ),
    "projects": SearchRow(
        _PROJECTS,
        _by_name(
            _id(_PROJECTS),
            _named(_PROJECTS),
            _ids("assignee", _PROJECTS),
            _tags(_PROJECTS),
            *_dates(_PROJECTS),
            _followed(_PROJECTS),
        ),
        {
            **_DATES,
            "name": "name",
            "assignee": "assigned_to",
            "related_resource": "related_to",
            "status": "status",
        },
        _BY_CREATION,
        ("id", "name", "status", "related_resource", "assignee", "tags"),
    ),
    "tasks": SearchRow(
        _TASKS,
        _by_name(
            _id(_TASKS),
            _ids("assignee", _TASKS),
            Criterion("status", Form.WORDS, "statuses", _TASKS),
            _tags(_TASKS),
            _range("due_date", _TASKS),
            *_dates(_TASKS),
            _followed(_TASKS),
            _aside("opportunity", Form.ID_TEXTS, "opportunity_ids", _TASKS, "the id of an opportunity"),
            _aside("project", Form.ID_TEXTS, "project_ids", _TASKS, "the id of a project"),
        ),
        {
            **_DATES,
            "name": "name",
            "assignee": "assigned_to",
            "related_resource": "related_to",
            "status": "status",
            "priority": "priority",
            "due_date": "due_date",
            "reminder_date": "reminder_date",
            "completed_date": "completed_date",
        },
        _BY_CREATION,
        ("id", "name", "status", "priority", "due_date", "related_resource", "assignee"),
    ),
    # No sort, newest first (6.1).
    "activities": SearchRow(
        _ACTIVITIES,
        _by_name(
            Criterion("parent", Form.RECORD, "parent", _ACTIVITIES),
            Criterion("type", Form.TYPES, "activity_types", _ACTIVITIES),
            _range("activity_date", _ACTIVITIES),
        ),
        {},
        Walk(None, "activity_date", "minimum_activity_date", "maximum_activity_date", is_descending=True),
        ("id", "activity_date", "type", "parent", "user", "details"),
    ),
}

#: What a search can ask about a custom field, by the name of its kind (6.2); text and urls cannot be searched.
CUSTOM_FORMS: Mapping[str, Form] = {
    "label": Form.IDS,
    "options": Form.TAGS_IN_OPTION,
    "checkbox": Form.FLAG,
    "date": Form.RANGE,
    "percentage": Form.RANGE,
    "money": Form.RANGE,
    "number": Form.RANGE,
}
