"""
Running git: never a prompt, never a hook, never a word in the user's language, never a password in a message.

It runs in the user's own repository, because that is where the way to the remote is configured: its URL, the credential
helper, the header that a CI checkout leaves. Objects go there; the work tree, the index and the branches are not touched.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from crmsync.model.store import Unusable
from crmsync.state.medium import Unclear
from crmsync.state.redact import without_password

#: How long one command may take; a push of a few lines takes a second or two.
SECONDS = 120.0
#: Settings of the user that would change what a command does here.
_SETTINGS = (
    "gc.auto=0",
    "maintenance.auto=false",
    "push.gpgSign=false",
    "push.followTags=false",
    "fetch.prune=false",
    "core.quotePath=true",
    "protocol.version=2",
)
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_AUTHOR_NAME": "crmsync",
    "GIT_AUTHOR_EMAIL": "crmsync@localhost",
    "GIT_COMMITTER_NAME": "crmsync",
    "GIT_COMMITTER_EMAIL": "crmsync@localhost",
}
#: What git sets for a hook or an alias, and what would lead it to another repository; and the keys, for git starts hooks,
#: helpers and ssh, which are other people's programs.
_NOT_OURS = (
    "COPPER_API_KEY",
    "CRMSYNC_STATE_KEY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_QUARANTINE_PATH",
)


class Git:
    """The git of the repository around *root*."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def run(
        self, *arguments: str, given: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Return what ``git *arguments*`` ended with. Raises Unusable when it failed."""
        ended = self.attempt(*arguments, given=given, environment=environment)
        if ended.returncode != 0:
            raise Unusable(f"git says: {message(ended.stderr)}")
        return ended

    def attempt(
        self, *arguments: str, given: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Return what ``git *arguments*`` ended with, whatever that is. Raises Unclear when it did not end."""
        settings = [word for each in _SETTINGS for word in ("-c", each)]
        ours = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        try:
            return subprocess.run(
                ["git", *settings, *arguments],
                cwd=self._root,
                env={**ours, **_ENVIRONMENT, **(environment or {})},
                input=given,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise Unusable("The command git is not there. Install git 2.30 or later.") from error
        except subprocess.TimeoutExpired as error:
            raise Unclear(f"git {arguments[0]} gave no answer within {SECONDS:g} seconds.") from error

    def text(self, *arguments: str, given: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
        """Return the one line that ``git *arguments*`` prints. Raises Unusable."""
        return self.run(*arguments, given=given, environment=environment).stdout.decode("utf-8", "replace").strip()


def message(stderr: bytes) -> str:
    """Return what git complained of, without hints and passwords."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    told = [re.sub(r"^(fatal|error|remote): ", "", line) for line in lines if line and not line.startswith("hint:")]
    return without_password(" ".join(told)) or "nothing at all."
