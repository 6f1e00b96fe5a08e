"""Who may ask, and the ordinary headers of an answer."""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Mapping
from email.utils import formatdate

from crmsync.sandbox.account import Account
from crmsync.sandbox.replies import unauthorized
from crmsync.sandbox.store import canonical

KEY = "x-pw-accesstoken"
APPLICATION = "x-pw-application"
EMAIL = "x-pw-useremail"
APPLICATIONS = ("developer_api", "developer")


def make_key() -> str:
    """Return a made-up key: it opens every sandbox and nothing else."""
    return f"sandbox-{secrets.token_hex(8)}"


def looks_real(key: str) -> bool:
    """Return whether *key* has the form of a real Copper key: 32 hexadecimal digits."""
    return re.fullmatch(r"[0-9a-fA-F]{32}", key.strip()) is not None


def user_email(headers: Mapping[str, str]) -> str:
    """Return the e-mail that a request names, or ""."""
    return next((value for name, value in headers.items() if name.lower() == EMAIL), "")


def authenticate(account: Account, headers: Mapping[str, str]) -> str:
    """Return the e-mail the request speaks for; raise the refusal unless all three headers fit."""
    given = {name.lower(): value for name, value in headers.items()}
    if looks_real(given.get(KEY, "")):
        raise unauthorized(
            "Unauthorized: this looks like the key of a real Copper account. "
            "The sandbox does not want it. Any made-up key will do, for example sandbox-1."
        )
    emails = {canonical(user.email) for user in account.users}
    email = given.get(EMAIL, "")
    fits = given.get(KEY, "").strip() and given.get(APPLICATION) in APPLICATIONS and canonical(email) in emails
    if not fits:
        raise unauthorized()
    return email


def reply_headers(now: float, count: int, body: bytes, own: Mapping[str, str]) -> dict[str, str]:
    """
    Return the headers of an answer: a dozen ordinary ones (section 13), and its *own*; Date is the sandbox's clock.

    Its own stand from the 11th on, for copperr takes the 11th as the total, whatever its name (copper-field.md 1.1).
    """
    return {
        "Date": formatdate(int(now), usegmt=True),
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(body)),
        "Server": "crmsync-sandbox",
        "Cache-Control": "max-age=0, private, must-revalidate",
        "ETag": f'W/"{zlib.crc32(body):08x}"',
        "Vary": "Accept, Origin",
        "X-Request-Id": f"sandbox-{count:08d}",
        "X-Runtime": "0.012345",
        "X-Content-Type-Options": "nosniff",
        **own,
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }
