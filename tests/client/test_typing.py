"""The client is typed: a user's strict checker and editor know what comes of each call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
from crmsync import BadInput, Copper, CopperError, Record

copper = Copper.from_env(requests_per_minute=100, may_write=False)
person: Record = copper.people.get(1)
name: str = person["name"]
for each in copper.people.search(company="Acme", tags=["vip"], sort="name", descending=True):
    reveal_type(each)
for body in copper["leads"].search(raw=True):
    reveal_type(body)
reveal_type(copper.people.search().first())
reveal_type(copper.people.related(person))
reveal_type(copper.people.related(person, full=True))
reveal_type(copper.people.create_many([{"name": "Ann"}]).check())
reveal_type(copper.people.delete_many([person, 2]).ids)
reveal_type(copper.leads.convert(1, company="")["people"])
reveal_type(copper.labels.stages("Sales").id("Closing"))
try:
    copper.people.relate(person, ("opportunities", 2))
except (BadInput, CopperError) as error:
    print(error)
copper.people.get("1")
"""

REVEALED = """
crmsync.client.record.Record
typing.Mapping[str, Any]
crmsync.client.record.Record | None
list[tuple[str, int]]
list[crmsync.client.record.Record]
tuple[crmsync.client.record.Record, ...]
tuple[int, ...]
crmsync.client.record.Record
int
"""


def test_strict_code_of_a_user(tmp_path: Path) -> None:
    """mypy --strict knows every type, and finds the one mistake."""
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file", "", "mine.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    lines = done.stdout.splitlines()

    revealed = [line.split('"')[1].replace("builtins.", "") for line in lines if "Revealed type" in line]
    assert REVEALED.split("\n")[1:-1] == revealed, done.stdout
    assert [line.split(" error: ")[1] for line in lines if " error: " in line] == [
        'Argument 1 to "get" of "Records" has incompatible type "str"; expected "Named | int"  [arg-type]'
    ]
