"""Starting a project: `crmsync init`."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

from crmsync.model.settings import Settings
from crmsync.model.store import Unusable
from crmsync.project.files import SETTINGS_FILE
from crmsync.project.saving import write_shared
from crmsync.project.trouble import RefusedTrouble, Trouble
from crmsync.state.proving import prove

STATE = Settings("").state

_SETTINGS = """\
crmsync: 1                        # the format of this file
project: {project}   # names the state; never change it
{account} # Copper account id; checked before anything is read
records: [crm/]                   # files or folders with records
{state} # what crmsync remembers: ids and digests, no values
phone_region: US                  # for phone numbers without +
close_date_order: mdy             # how this account writes close dates: mdy or dmy
pace: {{requests: 180, bulk: 3}}    # what the account allows a minute / a second; lower it to leave room for others
limits: {{updates: 30%, deletes: 5%, adopts: 100, from: 20}}   # more than that needs a flag
policy:
  "*": {{on_drift: overwrite}}      # a value changed in Copper: overwrite | keep | hold
"""

_RECORDS = """\
# Everything here is looked up by label: stages, options, users. `crmsync plan` shows what would change.
#
# companies:
#   acme:
#     name: Acme Corporation
#     email_domain: acme.com
#     tags: [strategic]
# people:
#   wile:
#     name: Wile E. Coyote
#     emails: [wile@acme.com]
#     company: acme
"""


def start_project(folder: Path, account: int | None, state: str = STATE) -> tuple[Path, ...]:
    """
    Write the settings and a first record file into *folder*, and return what was written.

    *state* is where the state will be; the place has to prove itself first. Raises RefusedTrouble, Trouble.
    """
    settings = folder / SETTINGS_FILE
    if settings.exists():
        raise RefusedTrouble(f"There is a {SETTINGS_FILE} here already; nothing was written.")
    try:
        prove(state, folder)
    except Unusable as error:
        raise Trouble(f"{error} Nothing was written.") from error
    line = f"{f'account: {account}' if account is not None else '# account: 123456':<33}"
    text = _SETTINGS.format(project=uuid.uuid4(), account=line, state=f"{f'state: {_quoted(state)}':<33}")
    write_shared(settings, text)
    written = [settings]
    first = folder / "crm" / "records.yaml"
    if not (folder / "crm").exists():
        first.parent.mkdir()
        write_shared(first, _RECORDS)
        written.append(first)
    return tuple(written)


def _quoted(text: str) -> str:
    """Return *text* as YAML, in quotes where it needs them."""
    return text if re.fullmatch(r"[A-Za-z0-9_./:@?=&%+-]+", text) and not text.endswith(":") else json.dumps(text)
