"""
Stories: whole sessions at the command line, one behaviour a file; the name of the file is the behaviour.

Commands stand on top, files below as ``-- NAME --``, and under ``-- expected --`` what was printed: stderr after ``! ``,
an exit code other than 0 as ``[exit 6]``. The first section of a name is written before the story begins, the next one,
or the one called ``NAME later``, by ``$ write NAME``. ``quietly`` hides the output of a command that must succeed.
``pytest --accept`` rewrites the end.

    $ crmsync plan                     with variables before it: $ CI=true crmsync apply
    $ crmsync apply --approved DIGEST  $ crmsync undo RUN             (the last that was printed)
    $ write crm/a.yaml                 $ remove crm/a.yaml            $ show crmsync.yaml
    $ sandbox create companies name=Acme                 $ sandbox edit companies.acme details="Called on Monday"
    $ sandbox delete companies.acme    $ sandbox list companies       $ sandbox rename-stage Proposal Offer
    $ sandbox forbid                   $ sandbox writes               $ sandbox account 2
    $ choose companies.acme details keep_human           (in decisions.yaml)
    $ leave-open companies.acme        (a run ended before it learnt what became of creating it)
    $ forget plans                     (as on another machine)
    $ hold                             (somebody on another machine holds the state)
"""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crmsync.model.store import Holder
from crmsync.sandbox import DEFAULT_ACCOUNT, Fault, Sandbox
from tests.desk import PROJECT, Desk

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))

#: What a command may be told by its name: the last of it that was printed.
SAID = {"DIGEST": "^Plan digest: (.*)$", "RUN": r"^STARTED.*\n\S+  ([0-9a-f]{12})  "}
#: What differs from run to run, and what stands for it.
VOLATILE = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z| UTC)", "<time>"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    (r"[0-9a-f]{64}", "<digest>"),
    (r'(?<=base: "1\.)[0-9a-f]{16}(?=")', "<hash>"),
    (r'((?<=<time>  )|(?<="run": "))[0-9a-f]{12}\b', "<run>"),
    (r'(?<="1\.)[0-9a-f]{1,15}(?=\.\.\.)', "<hash>"),
    (rf"(?!{PROJECT})[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}", "<uuid>"),
    (r"(?<=process )\d+", "<pid>"),
    (r"\b1[789]\d{8}\b", "<seconds>"),
)


class Story:
    """One story file: its commands, its files in order, and what it expects."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text, _, self.expected = path.read_text(encoding="utf-8").partition("-- expected --\n")
        head, *sections = re.split(r"^-- (.+) --\n", self.text, flags=re.MULTILINE)
        self.commands = [line[2:] for line in head.splitlines() if line.startswith("$ ")]
        self.said: dict[str, str] = {}
        self.files: dict[str, list[str]] = {}
        for name, text in zip(sections[::2], sections[1::2], strict=True):
            self.files.setdefault(name, []).append(text)

    def play(self, desk: Desk) -> Iterator[str]:
        """Yield what each command of the story came to."""
        for name, texts in self.files.items():
            if not name.endswith(" later"):
                desk.write(name, texts.pop(0))
        for command in self.commands:
            words = shlex.split(command)
            is_quiet = words[0] == "quietly"
            printed = "".join(self._act(desk, words[is_quiet:]))
            assert not is_quiet or "[exit" not in printed, printed
            yield f"$ {command}\n" + ("" if is_quiet else printed)

    def _act(self, desk: Desk, words: list[str]) -> Iterator[str]:
        environ = {}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            environ[name] = value
        match words:
            case ["crmsync", *arguments]:
                ran = desk.run(*(self.said.get(each, each) for each in arguments), **environ)
                self.said |= {name: found[1] for name, text in SAID.items() if (found := re.search(text, ran.out, re.M))}
                yield ran.out
                yield from (f"! {line}".rstrip() + "\n" for line in ran.err.splitlines())
                yield f"[exit {ran.code}]\n" if ran.code else ""
            case ["write", name]:
                desk.write(name, (self.files.get(name) or self.files[f"{name} later"]).pop(0))
            case ["remove", name]:
                (desk.root / name).unlink()
            case ["show", name]:
                yield (desk.root / name).read_text(encoding="utf-8")
            case ["choose", address, name, choice]:
                _choose(desk.root / "decisions.yaml", f"{{address: {address}, field: {name}, choice: ", choice)
            case ["hold"]:
                desk.hold(Holder("another", "lee", "laptop", 4242, time.time(), time.time()))
            case ["leave-open", address]:
                desk.leave_open(address)
            case ["forget", "plans"]:
                shutil.rmtree(desk.root / ".crmsync" / "runs" / "plans")
            case ["sandbox", verb, *rest]:
                yield from SANDBOX[verb](desk, *rest)
            case _:
                raise AssertionError(f"A story knows no command {words}.")


def _choose(path: Path, line: str, choice: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(f"{line},") == 1, text
    path.write_text(text.replace(f"{line},", f"{line}{choice},"), encoding="utf-8")


def _values(pairs: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = dict(pair.split("=", 1) for pair in pairs)
    return {name: int(text) if name.endswith("_id") else text for name, text in values.items()}


def _create(desk: Desk, type_name: str, *pairs: str) -> Iterator[str]:
    yield f"#{desk.sandbox.create(type_name, _values(pairs))}\n"


def _edit(desk: Desk, address: str, *pairs: str) -> Iterator[str]:
    desk.sandbox.edit(address.partition(".")[0], desk.id(address), _values(pairs))
    yield ""


def _delete(desk: Desk, address: str) -> Iterator[str]:
    desk.sandbox.delete(address.partition(".")[0], desk.id(address))
    yield ""


def _list(desk: Desk, type_name: str) -> Iterator[str]:
    yield from (f"#{body['id']} {body['name']}\n" for body in desk.sandbox.records(type_name))


def _writes(desk: Desk) -> Iterator[str]:
    yield from (f"{each.method} {each.path}\n" for each in desk.sandbox.log if each.executed and "search" not in each.path)


def _forbid(desk: Desk) -> Iterator[str]:
    desk.sandbox.faults = [Fault("status_before", status=401)]
    yield ""


def _account(desk: Desk, id: str) -> Iterator[str]:
    account = replace(DEFAULT_ACCOUNT, account=replace(DEFAULT_ACCOUNT.account, id=int(id)))
    desk.stage.sandbox = Sandbox(account)
    yield ""


def _rename_stage(desk: Desk, old: str, new: str) -> Iterator[str]:
    account = desk.sandbox.account
    pipelines = tuple(
        replace(line, stages=tuple(replace(each, name=new) if each.name == old else each for each in line.stages))
        for line in account.pipelines
    )
    desk.sandbox.account = replace(account, pipelines=pipelines)
    yield ""


SANDBOX: dict[str, Callable[..., Iterator[str]]] = {
    "create": _create,
    "edit": _edit,
    "delete": _delete,
    "list": _list,
    "writes": _writes,
    "forbid": _forbid,
    "account": _account,
    "rename-stage": _rename_stage,
}


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path, desk: Desk, request: pytest.FixtureRequest) -> None:
    """A session at the command line prints what the story says."""
    story = Story(path)

    printed = "".join(story.play(desk)).replace(str(desk.root), "<root>")
    for pattern, stand_in in VOLATILE:
        printed = re.sub(pattern, stand_in, printed)
    if request.config.getoption("--accept"):
        path.write_text(f"{story.text}-- expected --\n{printed}", encoding="utf-8")
        return

    assert printed == story.expected
