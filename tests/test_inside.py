"""Files stay inside the project: what is read, and what is written, and for whom."""

from __future__ import annotations

import ast
import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.desk import SETTINGS, Desk

ACME = "companies:\n  acme:\n    name: Acme\n"
#: What an attacker would like to see quoted in an error.
CREDENTIALS = "companies: {aws_secret_access_key: canary-5f1e}\n  bad: [\n"


opened: list[str] = []
sys.addaudithook(lambda event, told: opened.append(str(told[0])) if event == "open" else None)


def _leads_out(desk: Desk, path: str) -> bool:
    """Say whether who opened *path* read something that is none of the project's record files."""
    place = Path(path)
    is_inside = place.resolve().is_relative_to(desk.root) and (place.is_file() or not place.exists())
    return place.suffix in {".yaml", ".yml", ".json", ".jsonl"} and "schemas" not in place.parts and not is_inside


def _secret(desk: Desk) -> Path:
    outside = desk.root.parent / f"{desk.root.name}-outside"
    outside.mkdir()
    (outside / "secret.yaml").write_text(CREDENTIALS)
    return outside


def _records(desk: Desk, entry: str) -> None:
    desk.write("crm/a.yaml", ACME)
    desk.write("crmsync.yaml", SETTINGS.replace("[crm/]", f'["{entry}"]'))


def _upwards(desk: Desk) -> None:
    _records(desk, f"../{_secret(desk).name}/secret.yaml")


def _upwards_through_a_folder(desk: Desk) -> None:
    _records(desk, f"crm/../../{_secret(desk).name}")


def _absolute(desk: Desk) -> None:
    _records(desk, str(_secret(desk) / "secret.yaml"))


def _root(desk: Desk) -> None:
    _records(desk, "/")


def _home(desk: Desk) -> None:
    _records(desk, "~/secret.yaml")


def _address(desk: Desk) -> None:
    _records(desk, "https://evil.example/records.yaml")


def _file_address(desk: Desk) -> None:
    _records(desk, f"file://{_secret(desk)}/secret.yaml")


def _network_share(desk: Desk) -> None:
    _records(desk, "//evil.example/share")


def _link_to_a_file(desk: Desk) -> None:
    desk.write("crm/a.yaml", ACME)
    (desk.root / "crm" / "b.yaml").symlink_to(_secret(desk) / "secret.yaml")


def _link_to_a_link(desk: Desk) -> None:
    _link_to_a_file(desk)
    (desk.root / "crm" / "c.yaml").symlink_to("b.yaml")


def _link_to_a_folder(desk: Desk) -> None:
    desk.write("crm/a.yaml", ACME)
    (desk.root / "crm" / "more").symlink_to(_secret(desk))


def _link_as_records(desk: Desk) -> None:
    (desk.root / "crm").symlink_to(_secret(desk))


def _environment(desk: Desk) -> None:
    desk.write("crm/a.yaml", ACME)
    (desk.root / "crm" / "b.yaml").symlink_to("/proc/self/environ")


def _pipe(desk: Desk) -> None:
    desk.write("crm/a.yaml", ACME)
    os.mkfifo(desk.root / "crm" / "b.yaml")


def _pipe_as_records(desk: Desk) -> None:
    _records(desk, "pipe.yaml")
    os.mkfifo(desk.root / "pipe.yaml")


def _endless(desk: Desk) -> None:
    desk.write("crm/a.yaml", ACME)
    (desk.root / "crm" / "b.yaml").symlink_to("/dev/zero")


def _settings_link(desk: Desk) -> None:
    (desk.root / "crmsync.yaml").unlink()
    (desk.root / "crmsync.yaml").symlink_to(_secret(desk) / "secret.yaml")


def _settings_environment(desk: Desk) -> None:
    (desk.root / "crmsync.yaml").unlink()
    (desk.root / "crmsync.yaml").symlink_to("/proc/self/environ")


WAYS_OUT = [
    (_upwards, 1),
    (_upwards_through_a_folder, 1),
    (_absolute, 1),
    (_root, 1),
    (_home, 1),
    (_address, 1),
    (_file_address, 1),
    (_network_share, 1),
    (_link_to_a_file, 1),
    (_link_to_a_link, 1),
    (_link_to_a_folder, 1),
    (_link_as_records, 1),
    (_environment, 1),
    (_pipe, 1),
    (_pipe_as_records, 1),
    (_endless, 1),
    (_settings_link, 64),
    (_settings_environment, 64),
]


@pytest.mark.parametrize("command", ["validate", "plan"])
@pytest.mark.parametrize(("arrange", "code"), WAYS_OUT, ids=lambda each: getattr(each, "__name__", None))
def test_nothing_outside_is_read(desk: Desk, arrange: Callable[[Desk], None], code: int, command: str) -> None:
    """A file outside the project, or one that is none, is an error; not a byte of it is shown, and nothing is asked."""
    arrange(desk)
    opened.clear()

    ran = desk.run(command)

    assert ran.code == code, ran
    assert "canary" not in ran.out + ran.err
    assert "LC_ALL" not in ran.out + ran.err
    assert not [each for each in desk.sandbox.log if each.path != "/account"]
    assert not [each for each in opened if _leads_out(desk, each)]
    for (
        thread
    ) in threading.enumerate():  # who reads what has no end, or waits for a pipe, would keep the command from ending
        if thread.name.startswith("hashing"):
            thread.join(10)
            assert not thread.is_alive()


def test_the_private_folder_is_a_folder(desk: Desk) -> None:
    """A link in the place of .crmsync, as a pull request could bring one, is refused and nothing is written behind it."""
    desk.write("crm/a.yaml", ACME)
    outside = _secret(desk)
    (desk.root / ".crmsync").symlink_to(outside)

    for words in (["plan"], ["apply", "-y"]):
        ran = desk.run(*words)
        assert (ran.code, "is a link" in ran.err) == (1, True), ran
    assert [each.name for each in outside.iterdir()] == ["secret.yaml"]


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_what_is_written_is_for_its_owner_alone(desk: Desk, umask: int) -> None:
    """Whatever the umask: every file that crmsync writes has mode 0600, every folder 0700, and git ignores them."""
    desk.write("crm/a.yaml", ACME + "  other:\n    name: Other\n")
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", ACME)
    (desk.root / "plans").mkdir()
    before = {path for path in desk.root.rglob("*") if ".crmsync" not in path.parts}
    earlier = os.umask(umask)
    try:
        desk.done("plan", "--out", "plans/plan.json")
        desk.done("apply", "plans/plan.json", "--backup", "copies")
    finally:
        os.umask(earlier)
    written = set(desk.root.rglob("*")) - before
    modes = {str(path.relative_to(desk.root)): stat.S_IMODE(path.lstat().st_mode) for path in written}

    assert {"plans/plan.json", "copies/deleted.jsonl", ".crmsync/state.db", ".crmsync/cache/default/account.json"} <= {
        *modes
    }
    assert {name: oct(mode) for name, mode in modes.items() if mode not in (0o600, 0o700)} == {}
    assert (desk.root / ".crmsync" / ".gitignore").read_text().endswith("\n*\n")


PACKAGE = Path(__file__).parents[1] / "crmsync"
#: Who opens files for writing: the helper for everything, the shared log of the pace, the engines of the state, the mirror
#: and the ledger, which are databases, the heaps beside the mirror, the shelf, which makes its files whole and 0600 in the
#: same way, streams that were closed, and the sandbox, which is another program. The schemas are written by their
#: generators.
WRITERS = {
    "project/saving.py",
    "project/mirrorfile.py",
    "project/heap.py",
    "project/filepile.py",
    "project/ledgerfile.py",
    "project/shelf.py",
    "copper/shared.py",
    "cli/__init__.py",
    "cli/streams.py",
    "catalogue/schema.py",
    "state/schema.py",
}


def _writes(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            modes = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if name in ("write_text", "write_bytes", "NamedTemporaryFile", "TemporaryFile", "mkstemp", "copyfile"):
                return True
            if name == "open" and {"w", "a", "x", "wb", "ab", "xb", "r+", "r+b", "w+"} & set(modes):
                return True
            if name == "open" and isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "os.open":
                return "O_WRONLY" in ast.unparse(node) or "O_RDWR" in ast.unparse(node)
    return False


def test_one_helper_writes_files() -> None:
    """Nobody opens a file for writing but the helper that makes it 0600, whole, through a new name."""
    files = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    found = {name for name, path in files.items() if _writes(ast.parse(path.read_text(encoding="utf-8")))}

    assert {name for name in found if not name.startswith(("state/", "sandbox/"))} - WRITERS == set()
    assert "project/saving.py" in found
