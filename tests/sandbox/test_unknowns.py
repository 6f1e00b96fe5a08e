"""
Every doubt about Copper has a knob, or a reason why it has none.

Two lists transcribed from the written contract (copper-api.md): the rows of section 13 with their alternatives, and the
other places that are marked unknown.
"""

from __future__ import annotations

import pytest

from crmsync.sandbox import Quirks

#: Section 13, row by row: the topic, and the settings that are its alternatives. No setting: the row has no alternative.
SECTION_13: list[tuple[str, tuple[str, ...]]] = [
    ("auth", ()),
    ("unknown body keys", ("unknown_keys=ignore",)),
    ("min/max modified_date on people/companies", ("modified_filter=refused",)),
    ("a record's own read-only keys in writes", ("own_read_only_keys=refuse",)),
    ("create result", ("unset_custom_fields=omit",)),
    ("custom_fields order", ("custom_fields_order=id",)),
    ("array update", ("array_update=merge",)),
    ("address update", ("address_update=merge",)),
    ("custom_fields update", ("custom_fields_update=replace",)),
    ("tags", ("tags=keep",)),
    ("address country", ("country=iso2", "empty_address=strings")),
    ("email uniqueness", ("email_case=exact",)),
    ("email stored", ("email_stored=lower",)),
    ("company domain uniqueness", ()),
    ("person.company_id in PUT", ("person_company_put=ignore", "person_company_put=refuse")),
    ("company_name on person create", ("company_name=text",)),
    ("opportunity.company_id omitted", ("opportunity_company=null",)),
    ("primary_contact_id omitted", ("primary_contact=required",)),
    ("stage change", ("stage_resets_probability=always",)),
    ("close_date", ("close_date_order=dmy",)),
    ("custom Date", ("custom_date=verbatim", "custom_date=utc")),
    ("search visibility", ("search_lag=5",)),
    ("short pages", ("short_pages=on",)),
    ("X-PW-TOTAL", ("total=surplus",)),
    ("page_size 0 or >200", ("page_size=clamp",)),
    ("request tolerance", ()),
    ("reply headers", ()),
    ("MultiSelect read back", ("multiselect_order=as_sent",)),
    ("Percentage", ()),
    ("converted_value", ("converted_value=null",)),
    ("impossible id (-1), create from an empty object", ("impossible_id=not_found", "empty_create=refuse")),
    ("search cap", ()),
    ("`ids` filter on leads", ("lead_ids_filter=refused",)),
    ("String/Text/URL custom filter", ("text_filter=error",)),
    ("name filter", ("name_filter=substring",)),
    ("rate limit", ("retry_after=yes", "rate_limit=60")),
    ("bulk rate", ()),
    ("bulk limit", ("bulk_limit=5",)),
    ("bulk item errors", ("bulk_item_message=string",)),
    ("bulk update unknown id", ("bulk_unknown_id=call",)),
    ("delete", ("delete_links=dangle", "delete_tasks=cascade")),
    ("second delete / get deleted", ()),
    ("activity delete", ()),
    ("no-op PUT", ("noop_put=bump",)),
    ("leads feature off", ("leads_off=402",)),
    ("faults", ("trouble=random",)),
    ("ids", ()),
]

#: Marked UNK outside of section 13: the place, what is in doubt, and its knobs or the reason why there is none.
ELSEWHERE: list[tuple[str, str, tuple[str, ...] | str]] = [
    ("1", "keys that come to be", ("new_keys=some",)),
    ("1.1", "whose requests are counted together", ("rate_scope=user",)),
    ("1.1", "body of a 429", ("error_shape=error",)),
    ("1.1", "Retry-After", ("retry_after=yes",)),
    ("1.2", "rate-limit headers", "none are documented, and nothing reads any"),
    ("1.3", "the header of OAuth", "crmsync sends keys"),
    ("2", "/opportunities/{id}/activities", "not in the inventory of operations: 404"),
    ("3", "normalisation of addresses", ("country=iso2", "address_update=merge")),
    ("3", "newlines in a street", "kept; long texts have the knob newlines"),
    ("3", "order of tags", ("tags_order=sorted",)),
    ("3", "an unknown category", ("category=other",)),
    ("4.2", "name parts beside the name", ("name_parts=name", "name_parts=parts")),
    ("4.3", "date_last_contacted of a company", ("new_keys=some",)),
    ("4.4", "writing monetary_unit", ("monetary_unit=write",)),
    ("4.4", "entries of leads_converted_from", ("leads_converted_from=ids",)),
    ("4.7", "writing the type of a task", ("task_type=write",)),
    ("5.1", "options with the same name", "an account file may have them: crmsync refuses the label"),
    ("5.2", "options in an update", ("option_update=recreate",)),
    ("5.2", "another data_type", ("data_type_change=drop",)),
    ("5.2", "values of a deleted definition", "no reply could show them"),
    ("5.3", "text over length", ("long_text=cut",)),
    ("5.3", "newlines in Text", ("newlines=crlf",)),
    ("5.3", "fractions in a Percentage", "recorded since: cut (copper-field.md 2.7)"),
    ("5.3", "what a Connect field lists", ("connect_values=links",)),
    ("5.4", "computed values elsewhere, or refused", "taken everywhere; crmsync never asks for them"),
    ("6", "page_size above 200", ("page_size=clamp",)),
    ("6.1", "ids on leads", ("lead_ids_filter=refused",)),
    ("6.1", "priority_ids, status_ids of projects", ("code_filters=refuse",)),
    ("6.1", "exact or partial name", ("name_filter=substring",)),
    ("6.1", "exact or prefix e-mail and domain", ("email_filter=prefix",)),
    ("6.1", "rows that come twice with full_result", ("full_result=repeats",)),
    ("6.1", "an empty list of ids", ("empty_ids=all", "empty_ids=none")),
    ("6.4", "upper case in fetch_by_email", ("email_case=exact",)),
    ("6.5", "GET after a creation or deletion", ("get_lag=5",)),
    ("7.2", "a part of an address left out", ("address_update=merge",)),
    ("7.2", "null for the e-mail of a lead", "clears; crmsync sends nothing else for it"),
    ("7.4", "upper case in e-mails", ("email_case=exact",)),
    ("7.4", "public domains", ("public_domains=shared",)),
    ("7.5", "the order of close_date", ("close_date_order=dmy",)),
    ("7.7", "activities made by the system", ("system_activities=none",)),
    ("7.8", "company_id in PUT", ("person_company_put=ignore", "person_company_put=refuse")),
    ("7.9", "relating again, a second company", ("relate_again=accept", "second_company=replace")),
    ("7.9", "status of unrelating what is not related", ("unrelated=404", "unrelated=422")),
    ("7.10", "a second delete", ("delete_again=accept",)),
    ("7.10", "what a delete does to others", ("delete_links=dangle", "delete_tasks=cascade")),
    ("7.12", "the company of a convert", ("convert_company=asked", "convert_candidates=refuse")),
    ("7.14", "a PUT that changes nothing", ("noop_put=bump",)),
    ("8", "codes of failed items", ("bulk_item_message=string",)),
    ("8", "one e-mail twice in a batch", "the second item fails as taken; crmsync sends no such batch"),
    ("8", "unknown ids, empty and missing lists", ("bulk_unknown_id=call", "bulk_empty=accept")),
    ("9", "bodies of 400, 401, 500 and of an ambiguous upsert", ("error_shape=error",)),
    ("14", "null, false, [] and the empty text", ("empty_text=blank", "unset_values=null", "empty_address=parts")),
    ("14", "links of companies in bulk_update", ("bulk_company_links=ignore",)),
    ("14", "status of pipelines without revenue", ("status_words=own",)),
    ("field 2.4", "deleted activities in a search", ("deleted_activities=show",)),
]


def _alternatives() -> set[str]:
    """Return every setting that is not a default; a number of seconds stands for all."""
    rows = [(name, values) for name, values, _ in Quirks.table()]
    return {f"{name}={value}" for name, values in rows for value in (values[1:] if len(values) > 1 else ("5",))}


@pytest.mark.parametrize(("topic", "settings"), SECTION_13, ids=[row[0] for row in SECTION_13])
def test_every_row_of_section_13_can_be_turned(topic: str, settings: tuple[str, ...]) -> None:
    """The default is the sandbox's, and each alternative is a setting of a knob that is not the default."""
    assert set(settings) - _alternatives() == set(), topic
    assert [Quirks.parse([setting]) == Quirks() for setting in settings] == [False] * len(settings)


@pytest.mark.parametrize(("place", "doubt", "answer"), ELSEWHERE, ids=[f"{row[0]} {row[1]}" for row in ELSEWHERE])
def test_every_other_doubt_has_a_knob_or_a_reason(place: str, doubt: str, answer: tuple[str, ...] | str) -> None:
    """A doubt that no client can notice has none, and says why."""
    assert isinstance(answer, str) or set(answer) <= _alternatives(), (place, doubt)


def test_no_knob_is_without_a_doubt() -> None:
    """Each alternative of each knob comes from one of the two lists."""
    listed = {setting for _, settings in SECTION_13 for setting in settings}
    listed |= {setting for _, _, answer in ELSEWHERE if not isinstance(answer, str) for setting in answer}

    assert _alternatives() - listed == set()
