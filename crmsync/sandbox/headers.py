"""Who may ask, and the ordinary headers of an answer."""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Mapping
from email.utils import formatdate

from crmsync.sandbox.account import Account
from crmsync.sandbox.replies import Refusal, common
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


def authenticate(account: Account, headers: Mapping[str, str]) -> str:
    """Return the e-mail the request speaks for; raise the refusal unless all three headers fit."""
    given = {name.lower(): value for name, value in headers.items()}
    if looks_real(given.get(KEY, "")):
        raise Refusal(
            401,
            common(
                401,
                "Unauthorized: this looks like the key of a real Copper account. "
                "The sandbox does not want it. Any made-up key will do, for example sandbox-1.",
            ),
        )
    emails = {canonical(user.email) for user in account.users}
    email = given.get(EMAIL, "")
    fits = given.get(KEY, "").strip() and given.get(APPLICATION) in APPLICATIONS and canonical(email) in emails
    if not fits:
        raise Refusal(401, common(401, "Unauthorized"))
    return email


def reply_headers(now: float, count: int, body: bytes) -> dict[str, str]:
    """Return the headers every answer has (section 13: a dozen ordinary ones); Date is the sandbox's clock."""
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
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }
