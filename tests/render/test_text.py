"""The plan as text: whole outputs."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import takewhile
from typing import Any

import pytest
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.plan import Cause, Counts, Delta, FieldChange, Kept, Plan, Price
from crmsync.model.values import Member, Members
from crmsync.render.document import dump, plan_document
from crmsync.render.text import plan_text, price_sentence

from .sample import ACME, CATALOGUE, META, PLAN, UPDATE, at, change_of, emails, options, plan_of, tags

EVERYTHING = """\
Account Acme Inc (1234567), profile trial

Symbols: + create, ~ update, - delete, <= adopt, x forget

  # companies.beta "Beta"  crm/companies.yaml:8
  + companies.beta will be created (new)
      + custom_fields.Revenue: 1200000.5

  # people.wile "Wile E. Coyote"  crm/people.yaml:1
  + people.wile will be created (new)
      + name:    "Wile E. Coyote"
      + company: "companies.beta"
      + emails:  [wile@acme.com (work)]

  # companies.acme "Acme Corporation"  crm/companies.yaml:3
  #   https://app.copper.com/companies/1234567/app#/organization/123
  #   was companies.acme-inc
  ~ companies.acme will be updated (file changed, put back: changed in Copper)
      ~ contact_type: "Potential Customer" -> "Current Customer"
      ~ tags:         +strategic, -old, keeps vip, not ours
      ~ details:      "Acme Inc" -> "Acme"  # put back: changed in Copper

  # companies.old "Old Ltd"
  #   https://app.copper.com/companies/1234567/app#/organization/124
  - companies.old will be deleted (no longer in the files)

  # people.ann "Ann"  crm/people.yaml:6
  #   https://app.copper.com/companies/1234567/app#/contact/102
  <= people.ann will be adopted
      ~ company: "Road Runner Ltd" (#77) -> "companies.acme"

  # people.zoe "Zoe"
  #   https://app.copper.com/companies/1234567/app#/contact/103
  x people.zoe will be forgotten (no longer in the files; the record stays in Copper)

Renamed:
  companies.acme-inc is now companies.acme

Changed in Copper, kept:
  companies.acme "Acme Corporation"  crm/companies.yaml:8
      custom_fields.Revenue: 5 stays; the file says 7

Observed, never written:
  companies.acme "Acme Corporation"  crm/companies.yaml:9
      primary_contact: "Road Runner" (#77) stays; the file says "people.wile"

Held, not done by this plan:
  companies.acme "Acme Corporation"  crm/companies.yaml:4
      ~ name: "ACME" -> "Acme"
      It was changed in Copper and in the file, and the policy says hold.
      Change the file to Copper's value.
  companies.new  crm/companies.yaml:20
      It looks like the vanished companies.old.
      Add to the file:
      moved: [{from: companies.old, to: companies.new}]

Gone from Copper (deleted or merged into another record):
  companies.lost "Gone Ltd", was #500
      Create it again with: --recreate companies.lost
      Or stop managing it:  crmsync state forget companies.lost

Waiting for an earlier request:
  people.sam
      Nobody knows yet whether it was executed. Nothing is planned for these; the next apply settles them first.

Over the limits:
  This plan updates 40 of 100 companies; the limit is 30%. Apply refuses it without: --allow-updates 40

Plan: 2 to add, 1 to change, 1 to destroy, 1 to adopt, 1 to forget.
Values: 1 filled, 2 overwritten, 2 kept, 2 held.
Plan digest: 5959226ab99bf8f8b9bf41bd0fb31fa7912235d125563b37ff6118e32f07328f
Applying takes about 12 requests (3 bulk), less than a minute.
"""


def document(plan: Plan, **meta: Any) -> dict[str, Any]:
    """Return the document of *plan* in the sample account."""
    return plan_document(plan, CATALOGUE, replace(META, **meta))


def text_of(plan: Plan, **meta: Any) -> str:
    """Return the text of *plan* in the sample account."""
    return plan_text(document(plan, **meta))


def field_lines(*fields: FieldChange) -> list[str]:
    """Return the lines of one update's fields, without their common indent."""
    lines = text_of(plan_of(change_of(*fields))).splitlines()
    start = next(number for number, line in enumerate(lines) if "will be updated" in line) + 1
    return [line.removeprefix("      ") for line in takewhile(bool, lines[start:])]


def test_everything_at_once() -> None:
    """Each kind of change and each block, in its place."""
    names = {**META.names, ("companies", 77): "Road Runner Ltd"}

    assert text_of(PLAN, names=names) == EVERYTHING


def test_an_empty_plan() -> None:
    """Nothing to do is said in one line below the account."""
    expected = "Account Acme Inc (1234567), profile trial\n\nNo changes. Copper matches the files.\n"

    assert expected == text_of(Plan())


def last_lines(plan: Plan, count: int = 1) -> list[str]:
    """Return the end of the text."""
    return text_of(plan).splitlines()[-count:]


EMPTY = [
    (Plan(kept=PLAN.kept), "No changes. Copper matches the files, apart from the values kept."),
    (Plan(held=PLAN.held), "No changes. There is nothing to apply, but see above what needs a decision."),
    (Plan(gone=PLAN.gone), "No changes. There is nothing to apply, but see above what needs a decision."),
    (Plan(unsettled=PLAN.unsettled), "No changes. There is nothing to apply, but see above what needs a decision."),
]


@pytest.mark.parametrize(("plan", "expected"), EMPTY)
def test_an_empty_plan_does_not_claim_too_much(plan: Plan, expected: str) -> None:
    """Without changes the line says what is nevertheless different or open."""
    assert [expected] == last_lines(plan)


def test_a_partial_plan_says_so() -> None:
    """Nobody takes a plan of some records for a plan of all."""
    expected = [
        "No changes. Copper matches the files.",
        "This plan is partial: records outside --only and --except were not looked at.",
    ]
    assert expected == last_lines(Plan(is_partial=True), 2)


ACCOUNTS = [
    ({}, "Account Acme Inc (1234567), profile trial"),
    ({"profile": None}, "Account Acme Inc (1234567)"),
    ({"profile": None, "account_name": ""}, "Account 1234567"),
]


@pytest.mark.parametrize(("meta", "expected"), ACCOUNTS)
def test_the_first_line_names_the_account(meta: dict[str, Any], expected: str) -> None:
    """The account and the profile come before everything else."""
    assert expected == text_of(PLAN, **meta).splitlines()[0]


SUMMARIES = [
    (Counts(add=3, change=2, destroy=1), "Plan: 3 to add, 2 to change, 1 to destroy."),
    (Counts(adopt=4, forget=2), "Plan: 0 to add, 0 to change, 0 to destroy, 4 to adopt, 2 to forget."),
    (Counts(forget=2), "Plan: 0 to add, 0 to change, 0 to destroy, 2 to forget."),
]


@pytest.mark.parametrize(("counts", "expected"), SUMMARIES)
def test_the_summary_line(counts: Counts, expected: str) -> None:
    """Terraform's line at column 0, with our two words when there are any."""
    assert expected in text_of(plan_of(UPDATE, counts=counts)).splitlines()


PRICES = [
    (Price(0, 0, 0.0), "Applying takes no requests."),
    (Price(1, 0, 0.01), "Applying takes about 1 request, less than a minute."),
    (Price(12, 3, 0.4), "Applying takes about 12 requests (3 bulk), less than a minute."),
    (Price(200, 0, 1.2), "Applying takes about 200 requests, about 1 minute."),
    (Price(1240, 0, 6.9), "Applying takes about 1240 requests, about 7 minutes."),
    (Price(30000, 0, 166.7), "Applying takes about 30000 requests, about 2 h 47 min."),
]


@pytest.mark.parametrize(("price", "expected"), PRICES)
def test_the_price(price: Price, expected: str) -> None:
    """A plan ends with what applying it takes."""
    assert expected == price_sentence(price.requests, price.bulk, price.minutes)
    assert [expected] == last_lines(plan_of(UPDATE, price=price))


FIELDS = [
    (FieldChange("name", "A", "B", Cause.EDITED), '~ name: "A" -> "B"'),
    (FieldChange("name", None, "B", Cause.EDITED), '+ name: "B"'),
    (FieldChange("name", "A", None, Cause.EDITED), '- name: "A" -> null'),
    (FieldChange("name", 'say "A"', "B", Cause.EDITED), '~ name: "say \\"A\\"" -> "B"'),
    (FieldChange("name", "A", "B", Cause.DRIFTED), '~ name: "A" -> "B"  # put back: changed in Copper'),
    (FieldChange("name", "A", "B", Cause.CONFLICT), '~ name: "A" -> "B"  # changed on both sides'),
    (FieldChange("name", "A", "B", Cause.ADOPTED), '~ name: "A" -> "B"  # newly declared'),
    (FieldChange("name", "A", None, Cause.RELEASED), '- name: "A" -> null  # given up for another record'),
    (FieldChange("custom_fields.Revenue", Decimal("1E+6"), Decimal("2.50"), Cause.EDITED), "1000000 -> 2.5"),
    (FieldChange("primary_contact", 9, Address("people", "new"), Cause.EDITED), '"people.wile" -> "people.new"'),
    (FieldChange("primary_contact", 78, None, Cause.EDITED), "- primary_contact: #78 -> null"),
    (FieldChange("custom_fields.Regions", Members(), options(71), Cause.EDITED), "+ custom_fields.Regions: [EMEA]"),
]


@pytest.mark.parametrize(("change", "expected"), FIELDS)
def test_one_field(change: FieldChange, expected: str) -> None:
    """A field shows a symbol, what it was and will be, and its cause where that is not plain."""
    (line,) = field_lines(change)

    assert line.endswith(expected)


SETS = [
    (options(72), options(72, 71), Delta(added=options(71), foreign=options(72)), "+EMEA, keeps LATAM, not ours"),
    (options(72, 73), options(73), Delta(removed=options(72)), "-LATAM"),
    (options(72, 73), options(71, 73), None, "+EMEA, -LATAM"),
    (options(72, 73), Members(), None, "-LATAM, -APAC"),
]


@pytest.mark.parametrize(("before", "after", "delta", "expected"), SETS)
def test_a_set(before: Members, after: Members, delta: Delta | None, expected: str) -> None:
    """A set shows what is added and removed, and what stays because it is not ours."""
    change = FieldChange("custom_fields.Regions", before, after, Cause.EDITED, delta=delta)

    assert [f"~ custom_fields.Regions: {expected}"] == field_lines(change)


def test_members_that_could_be_misread_are_quoted() -> None:
    """A tag cannot pretend to be another part of the line."""
    names = ("-old", "a, not ours", "two words", "", 'q"', "日本", "c++")
    change = FieldChange("tags", tags("x"), tags("x", *names), Cause.EDITED, delta=Delta(added=tags(*names)))

    expected = ['~ tags: +"-old", +"a, not ours", +"two words", +"", +"q\\"", +日本, +c++']
    assert expected == field_lines(change)


@pytest.mark.parametrize("is_ours_only", [False, True])
def test_a_changed_member_shows_its_attribute(is_ours_only: bool) -> None:
    """An e-mail that changes its category is neither removed nor added."""
    before, after = emails(ann="work", bob="work"), emails(ann="personal", bob="work")
    ann = Members((Member("ann@acme.com", "ann@acme.com", "personal"),))
    delta = Delta(changed=ann, foreign=emails(bob="work")) if is_ours_only else None
    change = replace(UPDATE.fields[0], field="emails", before=before, after=after, delta=delta)
    lines = text_of(plan_of(change_of(change, address=Address("people", "ann")))).splitlines()

    rest = ", keeps bob@acme.com (work), not ours" if is_ours_only else ""
    assert f'      ~ emails: ~ann@acme.com (category: "work" -> "personal"){rest}' in lines


def test_columns_are_aligned() -> None:
    """Names, values and comments stand in columns."""
    expected = [
        '~ name:         "日本" -> "B"         # put back: changed in Copper',
        '~ contact_type: "Potential Customer" -> "Current Customer"',
        '~ details:      "longer text" -> "D"  # changed on both sides',
    ]
    actual = field_lines(
        FieldChange("name", "日本", "B", Cause.DRIFTED),
        FieldChange("contact_type", 1, 2, Cause.EDITED),
        FieldChange("details", "longer text", "D", Cause.CONFLICT),
    )
    assert expected == actual


def test_text_of_several_lines_shows_what_differs() -> None:
    """Of long text only the lines that change are shown, with their neighbours; blanks at an end can be seen."""
    before = "\n".join(["one", "two", "three", "four", "five", "six", "seven ", "eight"])
    after = "\n".join(["one", "2", "three", "four", "five", "six", "seven", "eight"])

    expected = [
        "~ details:",
        "      one",
        "    - two",
        "    + 2",
        "      three",
        "    ...",
        "      six",
        "    - seven·",
        "    + seven",
        "      eight",
    ]
    assert expected == field_lines(FieldChange("details", before, after, Cause.EDITED))


def test_new_text_of_several_lines() -> None:
    """Text of several lines that is new is shown line by line; no line of it can pass for one of ours."""
    change = FieldChange("details", None, "Hello\n\nPlan: 0 to add, 0 to change, 0 to destroy.", Cause.EDITED)

    expected = ["+ details:", "    + Hello", "    +", "    + Plan: 0 to add, 0 to change, 0 to destroy."]
    assert expected == field_lines(change)


def test_long_text_stands_on_two_lines() -> None:
    """Nothing is cut off; long values stand below each other."""
    change = FieldChange("details", "a" * 80, "b" * 80, Cause.DRIFTED)

    expected = ["~ details:  # put back: changed in Copper", f'    - "{"a" * 80}"', f'    + "{"b" * 80}"']
    assert expected == field_lines(change)


KEPT = [
    (FieldChange("name", "A", "B", Cause.DRIFTED), ['name: "A" stays; the file says "B"']),
    (
        FieldChange("tags", tags("vip"), tags("vip", "a"), Cause.DRIFTED, delta=Delta(added=tags("a"), foreign=tags("vip"))),
        ["tags: [vip] stays; the file asks for +a"],
    ),
    (
        FieldChange("details", "one\ntwo", "one\n2", Cause.DRIFTED),
        ["details: stays; the file (+) differs from Copper (-)", "      one", "    - two", "    + 2"],
    ),
]


@pytest.mark.parametrize(("change", "expected"), KEPT)
def test_what_is_kept(change: FieldChange, expected: list[str]) -> None:
    """A person's value that stays is shown beside what the file says."""
    lines = text_of(Plan(kept=(Kept(ACME, 123, "Acme", change),))).split("\n\n")[1].splitlines()

    assert expected == [line.removeprefix("      ") for line in lines[2:]]


def test_verbose_adds_places_and_digests() -> None:
    """The plan's digest is always there; one -v shows where each field stands, two the digest of each change."""
    shown = document(plan_of(UPDATE))
    change, plan = shown["resource_changes"][0]["crmsync"]["digest"], shown["crmsync"]["digest"]
    texts = [plan_text(shown, verbose=verbose) for verbose in (0, 1, 2)]

    expected = [(False, True, False), (True, True, False), (True, True, True)]
    marks = ("  # crm/companies.yaml:5\n", f"\nPlan digest: {plan}\n", f"\n  #   digest {change}\n")
    assert expected == [tuple(mark in text for mark in marks) for text in texts]


def test_a_saved_plan_prints_the_same() -> None:
    """What `show` prints of the file is what `plan` printed, with decimals read exactly or as floats."""
    shown = document(PLAN)
    text = dump(shown)

    assert plan_text(shown, verbose=2) == plan_text(json.loads(text, parse_float=Decimal), verbose=2)
    assert plan_text(shown) == plan_text(json.loads(text))


def test_colours_change_nothing_else() -> None:
    """Without its colours a coloured plan is the plain one, and columns do not shift."""
    coloured = plan_text(document(PLAN), color=True)

    assert "\x1b[32m+\x1b[0m" in coloured
    assert text_of(PLAN) == re.sub(r"\x1b\[[0-9]+m", "", coloured)


def test_a_hundred_thousand_changes() -> None:
    """A plan of any size is printed whole."""
    fields = (FieldChange("details", "a", "b", Cause.EDITED, at(7)),)
    entry = document(plan_of(change_of(*fields)))["resource_changes"][0]
    shown = {**document(Plan(counts=Counts(change=100_000))), "resource_changes": [entry] * 100_000}

    lines = plan_text(shown).splitlines()
    assert lines.count('      ~ details: "a" -> "b"') == 100_000
    assert "Plan: 0 to add, 100000 to change, 0 to destroy." in lines
