"""A client for the account of the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from crmsync.copper.client import Client
from crmsync.copper.errors import AuthenticationFailed, CopperError, PaymentRequired, PermissionDenied
from crmsync.copper.pace import Pacer
from crmsync.copper.transport import Transport, base_url_from_env, credentials_from_env, is_loopback
from crmsync.model.bodies import NoRecord
from crmsync.model.http import Send
from crmsync.project.session import Project, make_private
from crmsync.project.trouble import LoginTrouble, Trouble

#: How many reads are under way at a time: it hides the latency, the pace is the pacer's.
LANES = 4

_LOGIN = (AuthenticationFailed, PermissionDenied, PaymentRequired)


@contextmanager
def copper_trouble() -> Iterator[None]:
    """Turn the errors of the client, and records that make no sense, into what a command ends with."""
    try:
        yield
    except _LOGIN as error:
        raise LoginTrouble(str(error)) from error
    except CopperError as error:
        raise Trouble(str(error)) from error
    except NoRecord as error:
        detail = "Look at the record in Copper and correct it; if it is right there, please report this."
        raise Trouble(f"Copper shows a record that makes no sense: {error}. {detail}") from error


def connect(project: Project, *, may_write: bool) -> Client:
    """Return a client with the key and address of the environment, at the account's pace. Raises Trouble."""
    with copper_trouble():
        environ = project.environ
        send: Send = Transport(base_url_from_env(environ), credentials_from_env(environ))
    make_private(project)
    pace = project.settings.pace
    pacer = Pacer(pace.requests, pace.bulk, path=project.private / "pace.json")
    return Client(send, pacer, may_write=may_write, lanes=LANES)


def sandbox_address(environ: Mapping[str, str]) -> str | None:
    """Return the address of the sandbox that COPPER_BASE_URL names, or None when it names anything else."""
    parts = urlsplit(environ.get("COPPER_BASE_URL", "").strip())
    if parts.scheme != "http" or "@" in parts.netloc or not is_loopback(parts.hostname or ""):
        return None
    return f"http://{parts.netloc}"
