"""Keeping a key where the system keeps passwords: `crmsync login`."""

from __future__ import annotations

from collections.abc import Mapping

from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.pace import Pacer
from crmsync.copper.transport import Credentials, Secret, Transport, base_url_from_env, key_to_keyring
from crmsync.project.connect import copper_trouble
from crmsync.project.trouble import Trouble


def checked(environ: Mapping[str, str], email: str, key: str) -> str:
    """Return the account that *key* opens, in words. Raises LoginTrouble for a key that opens none."""
    with copper_trouble():
        transport = Transport(base_url_from_env(environ), Credentials(Secret(key), email))
        try:
            body = read.account(Client(transport, Pacer(), may_write=False))
        finally:
            transport.close()
    return f"{body.get('name')} ({body.get('id')})"


def keep_key(email: str, key: str) -> None:
    """Keep *key* in the keyring of the system under *email*. Raises LoginTrouble, Trouble."""
    with copper_trouble():
        credentials = Credentials(Secret(key), email)
    try:
        key_to_keyring(credentials)
    except ImportError as error:
        raise Trouble("The keyring needs one more package. Install it with: pip install 'crmsync[keyring]'") from error
    except OSError as error:
        raise Trouble(f"The keyring did not take the key: {error} Export COPPER_API_KEY instead.") from error
