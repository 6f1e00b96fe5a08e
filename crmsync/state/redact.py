"""Addresses of a state without what must not be shown: passwords and tokens."""

from __future__ import annotations

import re
from urllib.parse import unquote

from crmsync.model.late import late

#: Greedy on purpose: a password may hold an unescaped @ or /, and to show too little of an address is no harm.
_USERINFO = late(r"(?<=://)\S*@")
_PARAMETER = late(r"(?i)\b(password|passfile|sslpassword|token|secret)=[^&\s]*")


def without_password(text: str) -> str:
    """Return *text* with its URLs shortened by who logs in and how; a plain path stays as it is."""
    return _PARAMETER.sub(lambda found: f"{found[1]}=...", _USERINFO.sub("", text))


def scrubbed(text: str, url: str) -> str:
    """Return what a driver says of *url* without the secrets that stand in it."""
    for secret in _secrets(url):
        text = text.replace(secret, "...")
    return without_password(text)


def _secrets(url: str) -> list[str]:
    found = re.search(r"://([^?#\s]*)@", url)
    password = found[1].partition(":")[2] if found else ""
    named = [each[1] for each in re.finditer(r"(?i)\b(?:password|sslpassword|token|secret)=([^&\s]*)", url)]
    # libpq ends a password at its first @ or /, and tells what comes after as a host.
    plain = [each for each in [password, *named, *re.split(r"[@/]", password)] if each]
    return sorted({*plain, *map(unquote, plain)}, key=len, reverse=True)
