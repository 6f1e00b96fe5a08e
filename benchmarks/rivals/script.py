"""The script people write: requests and yaml.safe_load, every page, field by field. Its argument is the folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import requests
import yaml


def pages(session: requests.Session, base: str) -> list[dict[str, Any]]:
    """Return every person, page by page."""
    found: list[dict[str, Any]] = []
    for number in range(1, 501):
        payload = {"page_number": number, "page_size": 200, "sort_by": "date_created"}
        rows = session.post(f"{base}/people/search", json=payload, timeout=60).json()
        found += rows
        if len(rows) < 200:
            break
    return found


def main() -> None:
    """Print how many people differ in name, title or e-mails."""
    session = requests.Session()
    session.headers.update(
        {
            "X-PW-AccessToken": os.environ["COPPER_API_KEY"],
            "X-PW-Application": "developer_api",
            "X-PW-UserEmail": os.environ["COPPER_USER_EMAIL"],
        }
    )
    wanted: dict[str, Any] = {}
    for path in sorted(Path(sys.argv[1]).rglob("*.yaml")):
        wanted |= (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("people", {})
    by_email = {row["emails"][0]["email"]: row for row in pages(session, os.environ["COPPER_BASE_URL"]) if row["emails"]}
    changed = 0
    for person in wanted.values():
        row = by_email.get(person["emails"][0]["email"], {})
        emails = [each["email"] for each in row.get("emails", ())]
        is_same = [each["email"] for each in person["emails"]] == emails
        changed += not (is_same and row.get("name") == person["name"] and row.get("title") == person["title"])
    print(f"{changed} of {len(wanted)} differ")


if __name__ == "__main__":
    main()
