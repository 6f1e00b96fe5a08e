"""
The knobs: every answer of Copper that nobody could prove, with the value assumed and the others.

Each field of `Quirks` is a row of copper-api.md section 13 (or the open question of section 14 named
in its text). The first value is the default. Tests turn each knob to each of its values.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any


def _knob(*values: str, doc: str) -> Any:
    return field(default=values[0], metadata={"values": values, "doc": doc})


def _seconds(default: float, *, doc: str) -> Any:
    return field(default=default, metadata={"values": (), "doc": doc})


@dataclass(frozen=True)
class Quirks:
    """How this Copper behaves where the real one is unknown; `Quirks()` is section 13's defaults."""

    unknown_keys: str = _knob("refuse", "ignore", doc="keys an entity does not have, in writes")
    own_read_only_keys: str = _knob("ignore", "refuse", doc="a record's own read-only keys, in writes")
    array_update: str = _knob("replace", "merge", doc="e-mails, phones, socials, websites, tags in a PUT")
    address_update: str = _knob("replace", "merge", doc="an address with some of its parts in a PUT")
    custom_fields_update: str = _knob("merge", "replace", doc="custom fields a PUT leaves out")
    category: str = _knob("refuse", "other", doc="categories outside the documented ones (section 3)")
    long_text: str = _knob("refuse", "cut", doc="text longer than its field (14, 10)")
    unset_custom_fields: str = _knob("show", "omit", doc="custom fields without a value, in replies")
    custom_fields_order: str = _knob("shuffled", "id", doc="set values first and the rest shuffled, or by id")
    tags: str = _knob("lower", "keep", doc="upper case in tags")
    tags_order: str = _knob("as_sent", "sorted", doc="order of tags read back")
    option_update: str = _knob("keep", "recreate", doc="ids of a definition's options in a PUT (14, 16)")
    data_type_change: str = _knob("refuse", "drop", doc="another data_type for a field with values (5.2)")
    connect_values: str = _knob("targets", "links", doc="what the value of a Connect field lists (14, 25)")
    country: str = _knob("verbatim", "iso2", doc="a full country name in an address")
    empty_address: str = _knob("null", "parts", "strings", doc="an address without a value")
    email_case: str = _knob("casefold", "exact", doc="upper case when e-mails are compared")
    email_stored: str = _knob("verbatim", "lower", doc="upper case and blanks in stored e-mails")
    person_company_put: str = _knob("apply", "ignore", "refuse", doc="company_id in PUT of a person")
    company_name: str = _knob("link", "text", doc="company_name when a person is created")
    opportunity_company: str = _knob("copy", "null", doc="company_id left out when an opportunity is created")
    primary_contact: str = _knob("optional", "required", doc="primary_contact_id of a new opportunity")
    stage_resets_probability: str = _knob("unless_sent", "always", doc="win_probability on a stage change")
    relate_again: str = _knob("refuse", "accept", doc="relating what is related already (7.9)")
    second_company: str = _knob("refuse", "replace", doc="relating a second company, or a second parent of a task (7.9)")
    unrelated: str = _knob("400", "404", "422", doc="status of unrelating what is not related (section 9)")
    leads_off: str = _knob("403", "402", doc="status of lead calls where leads are switched off")
    lead_ids_filter: str = _knob("supported", "refused", doc="the ids filter on leads (14, 21)")
    leads_converted_from: str = _knob("objects", "ids", doc="entries of leads_converted_from (4.4)")
    convert_company: str = _knob(
        "always", "asked", doc="a company from the lead's company_name in a person-only convert (7.12)"
    )
    close_date_order: str = _knob("mdy", "dmy", doc="order of day and month in close_date")
    custom_date: str = _knob("snap", "verbatim", "utc", doc="custom dates: account midnight, as sent, or UTC")
    search_lag: float = _seconds(0.0, doc="seconds until search shows a creation or a deletion")
    short_pages: str = _knob("off", "on", doc="pages of a search that miss up to a tenth of their rows")
    total: str = _knob("exact", "surplus", doc="X-PW-TOTAL, an upper bound")
    page_size: str = _knob("refuse", "clamp", doc="page_size 0 or above 200")
    multiselect_order: str = _knob("sorted", "as_sent", doc="order of the options read back")
    name_filter: str = _knob("exact", "substring", doc="the name filter of a search, upper case aside")
    email_filter: str = _knob("exact", "prefix", doc="the emails and email_domains filters (section 6.1)")
    empty_ids: str = _knob("refuse", "all", "none", doc="an empty ids list in a search (not documented)")
    modified_filter: str = _knob("supported", "refused", doc="modified_date filters on people and companies")
    text_filter: str = _knob("refuse", "error", doc="String, Text and URL custom filters: 422, or 500")
    retry_after: str = _knob("no", "yes", doc="Retry-After on a 429 for too many requests")
    bulk_limit: str = _knob("10", "5", doc="records a bulk call may hold")
    bulk_item_message: str = _knob("object", "string", doc="message of a failed bulk item")
    bulk_unknown_id: str = _knob("item", "call", doc="an unknown id in bulk_update")
    bulk_empty: str = _knob("refuse", "accept", doc="an empty or missing list in a bulk call (section 8)")
    bulk_company_links: str = _knob(
        "apply", "ignore", doc="assignee, contact type and primary contact in companies/bulk_update (14, 15)"
    )
    delete_links: str = _knob("null", "dangle", doc="links to a deleted record, until the peer is read")
    delete_tasks: str = _knob("keep", "cascade", doc="tasks of a deleted record (7.10)")
    deleted_activities: str = _knob("omit", "show", doc="stubs of deleted activities in a search (copper-field.md 2.4)")
    noop_put: str = _knob("keep", "bump", doc="date_modified after a PUT that changes nothing")
    impossible_id: str = _knob("error", "not_found", doc="an id such as -1 in a path")
    empty_create: str = _knob("error", "refuse", doc="creating from an empty object")
    converted_value: str = _knob("text", "null", doc="converted_value of an opportunity with a value")
    rate_limit: str = _knob("180", "60", doc="requests in any 60 seconds, if there is a limit; 60 also sets one")
    rate_scope: str = _knob("account", "user", doc="whose requests are counted together (1.1)")
    trouble: str = _knob("none", "random", doc="429, 500, 502 and lost replies at random (section 13, faults)")
    error_shape: str = _knob("common", "error", doc="bodies of 400, 401, 429, 500 and of an ambiguous upsert (section 9)")
    get_lag: float = _seconds(0.0, doc="seconds until GET by id shows a creation or a deletion (6.5)")
    delete_again: str = _knob("refuse", "accept", doc="deleting what was deleted already (7.10)")
    name_parts: str = _knob("read_only", "name", "parts", doc="name parts in writes, and which wins beside name (4.2)")
    monetary_unit: str = _knob("read_only", "write", doc="monetary_unit in writes (4.4)")
    task_type: str = _knob("read_only", "write", doc="custom_activity_type_id of a task in writes (4.7)")
    newlines: str = _knob("keep", "crlf", doc="ends of lines in long texts (5.3)")
    empty_text: str = _knob("null", "blank", doc="a text without a value, in replies (14, 28)")
    unset_values: str = _knob("typed", "null", doc="an unset Checkbox, MultiSelect or Connect field (14, 28)")
    new_keys: str = _knob("none", "some", doc="keys in replies that no page knows yet (section 1, 4.3)")
    status_words: str = _knob("same", "own", doc="status in a pipeline without revenue (14, 26)")
    code_filters: str = _knob("ordinal", "refuse", doc="priority_ids, and status_ids of projects (14, 27)")
    public_domains: str = _knob("unique", "shared", doc="gmail.com and the like as email_domain (7.4)")
    convert_candidates: str = _knob("none", "refuse", doc="a company name in convert that is like others (7.12)")
    system_activities: str = _knob("made", "none", doc="entries of the system for creations and changes (7.7)")
    full_result: str = _knob("same", "repeats", doc="full_result in a search of activities: rows may come twice (6.1)")

    def __post_init__(self) -> None:
        for knob in fields(self):
            _value(knob.name, str(getattr(self, knob.name)), knob.metadata["values"])

    @classmethod
    def parse(cls, settings: Iterable[str], base: Quirks | None = None) -> Quirks:
        """
        Return *base* with what *settings* such as `tags=keep` describe.

        Raise ValueError with one line for each setting that cannot be, naming the cure.
        """
        knobs = {knob.name: knob for knob in fields(cls)}
        chosen: dict[str, Any] = {}
        problems: list[str] = []
        for setting in settings:
            name, _, value = setting.partition("=")
            name, value = name.strip(), value.strip()
            try:
                if name not in knobs:
                    raise ValueError(f"There is no quirk called {name!r}.{_suggest(name, knobs)}")
                chosen[name] = _value(name, value, knobs[name].metadata["values"])
            except ValueError as problem:
                problems.append(str(problem))
        if problems:
            raise ValueError("\n".join(problems))
        return replace(base or cls(), **chosen)

    @classmethod
    def table(cls) -> tuple[tuple[str, tuple[str, ...], str], ...]:
        """Return name, values (default first) and meaning of every knob, for help and documents."""
        return tuple((knob.name, knob.metadata["values"] or ("SECONDS",), knob.metadata["doc"]) for knob in fields(cls))


def _value(name: str, value: str, values: tuple[str, ...]) -> str | float:
    if values and value in values:
        return value
    if values:
        raise ValueError(f"Quirk {name} cannot be {value!r}. It is one of: {', '.join(values)}.")
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"Quirk {name} cannot be {value!r}. It is a number of seconds.")
    return seconds


def _suggest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]}?" if close else f" Known quirks: {', '.join(names)}."
