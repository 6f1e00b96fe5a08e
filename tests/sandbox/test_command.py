"""The command `crmsync sandbox`: its options, and what is said to a sandbox that runs."""

from __future__ import annotations

import json
import threading

import pytest
from click.testing import CliRunner

from crmsync.cli.sandbox import command
from crmsync.sandbox import Sandbox
from crmsync.sandbox.server import build_server


@pytest.fixture
def run(monkeypatch):
    """Run the command with arguments and give its result; a sandbox that would serve is handed over instead."""
    started = []
    monkeypatch.setattr("crmsync.sandbox.serve", lambda sandbox, **kwargs: started.append(sandbox))

    def run(*arguments, **environ):
        result = CliRunner().invoke(command, arguments, env=environ)
        return result, started[-1] if started else None

    return run


def test_the_options_make_a_sandbox(run, tmp_path):
    """Account, quirks, faults and crowd are what was asked for; quirks of the command line go over the file's."""
    account, faults = tmp_path / "account.yaml", tmp_path / "faults.yaml"
    account.write_text("users: [{name: Dana, email: d@x.com}]\nquirks: {tags: keep, total: surplus}\n")
    faults.write_text("- {kind: html, nth: 2}\n")
    options = ["--account", str(account), "--quirk", "total=exact", "--fault", "redirect,nth=1", "--faults", str(faults)]
    result, sandbox = run(*options, "--seed-records", "people=3", "--seed", "7", "--rate", "off")

    assert (result.exit_code, sandbox.account.users[0].name) == (0, "Dana")
    assert (sandbox.quirks.tags, sandbox.quirks.total) == ("keep", "exact")
    assert [fault.kind for fault in sandbox.faults] == ["redirect", "html"]
    assert len(sandbox.records("people")) == 3


def test_all_problems_of_all_options_are_named(run, tmp_path):
    """Nobody mends one option after the other."""
    account = tmp_path / "account.yaml"
    account.write_text("users: []\n")
    options = ["--account", str(account), "--quirk", "tags=loud", "--quirk", "tagz=keep", "--fault", "flood"]
    result, sandbox = run(*options, "--faults", str(tmp_path / "none.yaml"), "--seed-records", "dragons=1")

    assert (result.exit_code, sandbox) == (1, None)
    for text in ("account.yaml:1:", "tags cannot be 'loud'", "'tagz'", '"flood"', "none.yaml:1:", '"dragons"'):
        assert text in result.output


def test_log_and_records_of_a_running_sandbox(run):
    """One JSON object a line."""
    sandbox, ready, urls = Sandbox(populate={"people": 2}), threading.Event(), []
    server, listening = build_server(sandbox, on_ready=lambda url: (urls.append(url), ready.set()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(5)
    records, _ = run("records", "people", COPPER_BASE_URL=urls[0])
    none, _ = run("records", "dragons", COPPER_BASE_URL=urls[0])
    log, _ = run("log", COPPER_BASE_URL=urls[0])
    server.should_exit = True
    thread.join(5)
    listening.close()

    assert [json.loads(line)["name"] for line in records.output.splitlines()] == ["Ann Adler 1", "Bob Brook 2"]
    assert (none.exit_code, log.output) == (1, "")


def test_only_a_sandbox_is_spoken_to(run):
    """Without a loopback address nothing is asked."""
    result, _ = run("records", "people", COPPER_BASE_URL="https://api.copper.com/developer_api/v1")

    assert result.exit_code != 0
    assert "does not name a sandbox" in result.output
