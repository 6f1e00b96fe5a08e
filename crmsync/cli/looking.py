"""The account that `get` and `labels` look at, and `record` writes to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: What is a matter of how the command was called: types, operators and words that there are not.
_USAGE = {"CRM012", "CRM048", "CRM049"}


@contextmanager
def looking(profile: str | None, parts: Sequence[str] = (), where: Sequence[str] = ()) -> Iterator[Any]:
    """Give the account of the environment to look at; *parts* and *where* are looked at before anything is sent."""
    from crmsync.client.viewing import check_words

    with opened(profile, lambda: check_words(parts, where), {"--where": where}) as copper:
        yield copper


@contextmanager
def opened(
    profile: str | None, check: Callable[[], object], texts: Mapping[str, Sequence[str]], *, may_write: bool = False
) -> Iterator[Any]:
    """
    Give the account of the environment, at the pace of the project when there is one; errors become messages.

    *check* finds what can be known to be wrong without the account; *texts* are the arguments that messages may point into.
    """
    from crmsync.client.trouble import BadInput
    from crmsync.project.connect import copper_trouble
    from crmsync.project.trouble import InputTrouble

    def line_of(file: str, line: int) -> str | None:
        given = texts.get(file, ())
        return given[line - 1] if line <= len(given) else None

    try:
        check()
        with copper_trouble(), _opened(profile, may_write) as copper:
            yield copper
    except BadInput as error:
        trouble = InputTrouble(error.diagnostics, line_of)
        if {each.code.number for each in error.diagnostics} <= _USAGE:
            trouble.exit_code = 64
        raise trouble from error


@contextmanager
def _opened(profile: str | None, may_write: bool) -> Iterator[Any]:
    from crmsync.client.copper import Copper
    from crmsync.project.connect import connect
    from crmsync.project.files import SETTINGS_FILE
    from crmsync.project.session import open_project
    from crmsync.project.trouble import RefusedTrouble

    has_project = any((folder / SETTINGS_FILE).is_file() for folder in (Path.cwd(), *Path.cwd().parents))
    if not has_project and profile is None:
        with Copper.from_env(os.environ, may_write=may_write) as copper:
            yield copper
        return
    project = open_project(profile)
    settings = project.settings
    client = connect(project, may_write=may_write)
    copper = Copper(client=client, close_date_order=settings.close_date_order, phone_region=settings.phone_region)
    if settings.account is not None and settings.account != copper.account["id"]:
        found = f"The key belongs to account {copper.account['id']}, but crmsync.yaml names account {settings.account}."
        raise RefusedTrouble(f"{found} Use the key of that account, or another profile.")
    yield copper
