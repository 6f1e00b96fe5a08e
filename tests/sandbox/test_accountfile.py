"""Account files: what they say, and how their problems are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmsync.sandbox import DEFAULT_ACCOUNT, DEFAULT_TEXT, AccountFileError, Quirks, Sandbox, load_account

FILE = """\
account: {id: 7, name: Firm, timezone: Europe/Berlin, leads: false}
users:
  - {name: Dana, email: dana@ourfirm.com, id: 50002}
  - {name: Lee, email: lee@ourfirm.com}
contact_types: [Customer, {name: Partner, id: 9}]
pipelines:
  - name: Sales
    stages: [{name: First, probability: 10}, {name: NO}]
custom_fields:
  - {name: Region, type: Dropdown, on: [company], options: [NO, YES], filterable: false}
quirks: {tags: keep, search_lag: 2}
records:
  opportunities:
    - {name: Deal, company: Acme, stage: NO, primary_contact: ann@acme.com, monetary_value: 12.50}
  people:
    - {name: Ann, emails: [ann@acme.com], id: 123}
  companies:
    - name: Acme
      primary_contact: Ann
      address: {postal_code: 00501, country: NO}
      assignee: Dana
      details: null
      custom_fields: {Region: NO}
"""


def test_an_account_file_is_read():
    """Every scalar stays the text that was written, ids follow the order, explicit ids are kept."""
    file = load_account(FILE)
    sandbox = Sandbox(file, clock=lambda: 1_700_000_000.0)
    company, person, deal = (sandbox.records(plural)[0] for plural in ("companies", "people", "opportunities"))

    assert [(user.id, user.name) for user in file.account.users] == [(50_002, "Dana"), (50_001, "Lee")]
    assert file.account.show()["settings"]["setting_enable_leads"] is False
    assert [choice.id for choice in file.account.lookups["contact_types"]] == [450_001, 9]
    assert file.account.pipelines[0].stages[1].name == "NO"
    assert [option.name for option in file.account.definitions[0].options] == ["NO", "YES"]
    assert file.quirks == sandbox.quirks == Quirks(tags="keep", search_lag=2)
    assert (company["address"]["postal_code"], company["address"]["country"]) == ("00501", "NO")
    assert (company["primary_contact_id"], person["id"], deal["primary_contact_id"]) == (123, 123, 123)
    assert company["custom_fields"][0]["value"] == 120_001
    assert (deal["company_name"], str(deal["monetary_value"])) == ("Acme", "12.5")


def test_the_keys_on_the_page_are_read():
    """The second example of docs/sandbox.md is an account file but for its users."""
    example = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text().split("Further keys:")[1].split("```")[1]
    # What the page has in its first example and builds upon here.
    base = "users: [{name: Lee, email: lee@x.com}]\nlead_statuses: [New, Contacted]\n"
    sales = "  - {name: Sales, stages: [{name: Proposal}]}\n"
    example = example.replace("  - {name: Delivery", f"{sales}  - {{name: Delivery", 1)
    tier = "custom_fields:\n  - {name: Tier, type: Dropdown, on: [company], options: [Gold]}\n"
    file = load_account(base + example.removeprefix("yaml\n").replace("custom_fields:\n", tier, 1))
    sandbox = Sandbox(file, clock=lambda: 1_700_000_000.0)

    assert file.account.leads is False
    assert [(kind.id, kind.name, kind.is_interaction) for kind in file.account.activity_types] == [
        (190_001, "Site Visit", False),
        (190_002, "Lunch", True),
    ]
    connected = {d.name: d.connected_id for d in file.account.definitions if d.data_type == "Connect"}
    assert connected == {"Employer": 100_003, "Staff": 100_002}
    assert sandbox.records("leads")[0]["status"] == "Contacted"
    assert sandbox.records("projects")[0]["related_resource"] == {"id": 40_000_001, "type": "company"}
    assert sandbox.records("tasks")[0]["related_resource"] == {"id": 70_000_001, "type": "person"}


def test_the_same_file_gives_the_same_account(tmp_path):
    """Ids are deterministic, from text or from a file."""
    path = tmp_path / "account.yaml"
    path.write_text(DEFAULT_TEXT)

    assert load_account(path) == load_account(DEFAULT_TEXT) == DEFAULT_ACCOUNT


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("\n", ["account:1: The file is empty. An account needs at least one user."]),
        ("a: [\n", ["account:2: This is not YAML: expected the node content, but found '<stream end>'."]),
        ("users: [{name: D, email: d@x.com}]\naccount: {id: x}\n", ["account:2: Here a whole number is needed."]),
        (
            "acount: {}\nusers: []\n",
            [
                'account:1: There is no key "acount" here. Did you mean "account"?',
                "account:2: The account needs at least one user with name and email.",
            ],
        ),
        (
            "users:\n- {name: Dana, email: d@x.com}\npipelines:\n- {name: Sales, stages: []}\n"
            "custom_fields:\n- {name: Tier, type: Dropdwn, on: [firm], options: [A]}\nquirks: [tagz=keep]\n",
            [
                "account:4: A pipeline needs at least one stage.",
                'account:6: There is no type of custom field "Dropdwn". Did you mean "Dropdown"?',
                'account:6: There is no type of record "firm". Known: person, company, opportunity, lead, project, task.',
                "account:7: There is no quirk called 'tagz'. Did you mean tags?",
            ],
        ),
        (
            "users: [{name: Dana, email: d@x.com}]\nactivity_types: [{nam: Lunch}]\ncustom_fields:\n"
            "- {name: Staff, type: Connect, on: [company], connects: Employers}\n"
            "- {name: Employer, type: Connect, on: [person]}\n- {name: Code, type: Text, on: [lead], connects: Staff}\n",
            [
                'account:2: The key "name" is missing.',
                'account:2: There is no key "nam" here. Did you mean "name"?',
                'account:4: There is no Connect field "Employers". Did you mean "Employer"?',
                "account:6: A Text field connects nothing.",
            ],
        ),
        (
            "users: [{name: Dana, email: d@x.com}]\nrecords:\n  tasks:\n  - {name: Call, related_resource: company/Acme}\n"
            "  - {name: Call, related_resource: firm/Acme}\n  leads:\n  - {name: Bob, status: Lost}\n",
            [
                'account:4: There are no companies called "Acme".',
                "account:5: There is no type of record called firm.",
                'account:7: There are no lead_statuses called "Lost".',
            ],
        ),
        (
            "users: [{name: Dana, email: d@x.com}]\nquirks: [tags=kep]\nrecords:\n  people:\n  - Ann\n"
            "  - {name: Bob, assignee: Lee}\n",
            [
                "account:2: Quirk tags cannot be 'kep'. It is one of: lower, keep.",
                "account:5: A record is a mapping of fields.",
                'account:6: There are no users called "Lee".',
            ],
        ),
        (
            "users:\n- {name: Dana, email: d@x.com, id: 5}\n- {name: Lee, email: l@x.com, id: 5}\n- {name: Bo}\n",
            ["account:3: The id 5 is given twice.", 'account:4: The key "email" is missing.'],
        ),
        (
            "users: [{name: Dana, email: d@x.com}]\nrecords:\n  companies:\n  - {name: Acme, assignee: Lee}\n"
            "  - {nam: Globex}\n  people:\n  - {name: Ann, company: Initech}\n",
            [
                'account:4: There are no users called "Lee".',
                "account:5: A company has no field called nam.",
                'account:7: There are no companies called "Initech".',
            ],
        ),
    ],
)
def test_every_problem_is_reported_with_its_line(text, problems):
    """Not the first problem but all of them, with file and line."""
    with pytest.raises(AccountFileError) as caught:
        load_account(text)

    assert sorted(caught.value.problems) == sorted(problems)
