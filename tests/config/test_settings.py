"""crmsync.yaml in, settings out."""

from __future__ import annotations

import pytest

from crmsync.catalogue.schema import settings_schema
from crmsync.config.document import parse
from crmsync.config.settings import read_settings
from crmsync.model.codes import CODES
from crmsync.model.records import Mode, OnDelete, OnDrift, PolicyRule
from crmsync.model.settings import Limit, Limits, Pace, Settings
from crmsync.model.source import Diagnostic, Position

from .tiny import CATALOGUE

SCHEMA = settings_schema(CATALOGUE)

FULL = """
crmsync: 1
project: 5f0c
account: 1234567
records: [crm/, more.yaml]
state: git:refs/crmsync/main
phone_region: NO
close_date_order: dmy
pace: {requests: 90, bulk: 1}
limits: {updates: 30%, deletes: 5, adopts: 100, from: 10}
policy:
  "*": {on_drift: hold}
  companies: {on_delete: never, fields: {details: seed, address: {on_drift: keep}, custom_fields.Tier: own}}
"""
KEPT = PolicyRule(on_drift=OnDrift.KEEP)


def read(text: str, profile: str | None = None) -> tuple[Settings | None, tuple[Diagnostic, ...]]:
    """Read *text* as crmsync.yaml."""
    return read_settings(parse(text.encode(), "crmsync.yaml"), profile, SCHEMA)


def test_every_setting_is_read() -> None:
    """Each key of the file has its place in the settings; a policy of an address is one of its parts."""
    expected = Settings(
        project="5f0c",
        records=("crm/", "more.yaml"),
        account=1234567,
        state="git:refs/crmsync/main",
        phone_region="NO",
        close_date_order="dmy",
        pace=Pace(90, 1),
        limits=Limits(Limit(30, True), Limit(5), Limit(100), 10),
        policies={
            "*": PolicyRule(on_drift=OnDrift.HOLD),
            "companies": PolicyRule(
                on_delete=OnDelete.NEVER,
                fields={
                    "details": PolicyRule(Mode.SEED),
                    "address.street": KEPT,
                    "address.city": KEPT,
                    "address.state": KEPT,
                    "address.postal_code": KEPT,
                    "address.country": KEPT,
                    "custom_fields.Tier": PolicyRule(Mode.OWN),
                },
            ),
        },
    )

    assert (expected, ()) == read(FULL)


def test_all_but_the_project_has_a_default() -> None:
    """A file that only names the project is complete."""
    assert (Settings("p"), ()) == read("project: p\n")


def test_null_is_the_default() -> None:
    """An account of null is one that is not declared, as a profile may want it."""
    settings = Settings("p", profile="new", profiles=("new",))

    assert (settings, ()) == read("project: p\naccount: 5\nprofiles: {new: {account: null}}\n", "new")


@pytest.mark.parametrize("records", ["crm/", "[crm/]", "'crm/'"])
def test_one_path_needs_no_list(records: str) -> None:
    """`records` may be one path."""
    assert (Settings("p", records=("crm/",)), ()) == read(f"project: p\nrecords: {records}\n")


@pytest.mark.parametrize(
    ("written", "limit"),
    [("0", Limit(0)), ("30%", Limit(30, True)), ("'7'", Limit(7)), ("1e3", Limit(1000)), ("100%", Limit(100, True))],
)
def test_a_limit_is_a_number_or_a_share(written: str, limit: Limit) -> None:
    """Limits are written as numbers of records or in percent."""
    assert (Settings("p", limits=Limits(updates=limit)), ()) == read(f"project: p\nlimits: {{updates: {written}}}\n")


PROFILES = """
project: p
account: 1
records: [crm/]
pace: {requests: 100, bulk: 2}
policy: {companies: {on_drift: hold, fields: {name: seed}}}
profiles:
  trial:
    account: 2
    records: [trial/]
    pace: {bulk: 1}
    policy: {companies: {on_drift: keep}}
  production: {}
"""


def test_a_profile_lies_over_the_file() -> None:
    """Maps merge, lists and single values replace."""
    expected = Settings(
        project="p",
        account=2,
        records=("trial/",),
        pace=Pace(100, 1),
        policies={"companies": PolicyRule(on_drift=OnDrift.KEEP, fields={"name": PolicyRule(Mode.SEED)})},
        profile="trial",
        profiles=("trial", "production"),
    )

    assert (expected, ()) == read(PROFILES, "trial")


def test_the_default_profile_is_used_when_none_is_named() -> None:
    """`default_profile` names the one to use; a profile named by the caller wins."""
    text = f"{PROFILES}default_profile: trial\n"
    trial, production = read(text)[0], read(text, "production")[0]

    assert (trial and trial.profile, production and production.profile) == ("trial", "production")


MISSING = {
    "none named": (
        PROFILES,
        None,
        (7, 1, 8),
        "Name one of the profiles with --profile, CRMSYNC_PROFILE or default_profile: trial, production.",
    ),
    "unknown": (
        PROFILES,
        "trail",
        (7, 1, 8),
        'There is no profile called "trail". There are: trial, production. Did you mean "trial"?',
    ),
    "unknown default": (
        f"{PROFILES}default_profile: tril\n",
        None,
        (14, 18, 4),
        'There is no profile called "tril". There are: trial, production. Did you mean "trial"?',
    ),
    "no profiles": ("project: p\n", "x", (1, 1, 1), 'There is no profile called "x". The settings have no profiles.'),
}


@pytest.mark.parametrize(("text", "profile", "place", "detail"), MISSING.values(), ids=MISSING.keys())
def test_a_profile_must_be_named_and_exist(text: str, profile: str | None, place: tuple[int, int, int], detail: str) -> None:
    """Once there are profiles, running under none or under an unknown one is refused."""
    assert (None, (Diagnostic(CODES["CRM045"], detail, Position("crmsync.yaml", *place)),)) == read(text, profile)


WRONG = {
    "no project": ("account: 5\n", ["CRM047 1:1+7"]),
    "empty project": ("project:\n", ["CRM015 1:1+7"]),
    "empty file": ("# nothing yet\n", ["CRM003 1:1+1"]),
    "list": ("- project\n", ["CRM014 1:1+1"]),
    "unknown setting": ("project: p\nacount: 5\n", ["CRM019 2:1+6"]),
    "unknown setting of a profile": ("project: p\ndefault_profile: x\nprofiles: {x: {acount: 5}}\n", ["CRM019 3:16+6"]),
    "profiles in a profile": ("project: p\ndefault_profile: x\nprofiles: {x: {profiles: {}}}\n", ["CRM019 3:16+8"]),
    "unknown limit": ("project: p\nlimits: {form: 5}\n", ["CRM011 2:10+4"]),
    "limit over all": ("project: p\nlimits: {updates: 101%}\n", ["CRM020 2:19+4"]),
    "negative limit": ("project: p\nlimits: {updates: -1}\n", ["CRM020 2:19+2"]),
    "limit with a newline": ('project: p\nlimits: {updates: "5%\\n"}\n', ["CRM020 2:19+6"]),
    "no pace": ("project: p\npace: {requests: 0}\n", ["CRM020 2:18+1"]),
    "pace in quotes": ("project: p\npace: {requests: '90'}\n", ["CRM020 2:18+4"]),
    "region in small letters": ("project: p\nphone_region: no\n", ["CRM020 2:15+2"]),
    "account as a word": ("project: p\naccount: prod\n", ["CRM020 2:10+4"]),
    "state as a list": ("project: p\nstate: [a]\n", ["CRM014 2:8+3"]),
    "records as a mapping": ("project: p\nrecords: {a: b}\n", ["CRM014 2:10+6"]),
    "other format": ("crmsync: 2\nproject: p\n", ["CRM026 1:10+1"]),
    "date order": ("project: p\nclose_date_order: ymd\n", ["CRM026 2:19+3"]),
    "policy of no type": ("project: p\npolicy: {compnies: {}}\n", ["CRM012 2:10+8"]),
    "policy of no field": ("project: p\npolicy: {companies: {fields: {nmae: seed}}}\n", ["CRM011 2:31+4"]),
    "policy that does not fit": ("project: p\npolicy: {companies: {fields: {name: own}}}\n", ["CRM029 2:37+3"]),
    "word of a policy": ("project: p\npolicy: {'*': {on_delete: nver}}\n", ["CRM026 2:27+4"]),
    "several": ("acount: 5\nproject: p\npace: [1]\nproject: q\n", ["CRM019 1:1+6", "CRM014 3:7+3", "CRM010 4:1+7"]),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG.keys())
def test_each_mistake_is_told_at_its_place(text: str, expected: list[str]) -> None:
    """With any error there are no settings, and all errors are told."""
    settings, diagnostics = read(text)
    places = [(each.code, each.position) for each in diagnostics]

    assert (None, expected) == (
        settings,
        [f"{code} {place.line}:{place.column}+{place.length}" for code, place in places if place is not None],
    )
