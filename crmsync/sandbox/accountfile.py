"""
Account files: the YAML that describes an account to practise on.

Every scalar is read as the text that was written, so that `NO` stays a region and `00501` a postal code.
Ids come from the order of the file, or from an explicit `id`; the same file always gives the same ids. All
problems are reported at once, each with file and line. docs/sandbox.md has an example of every key.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import yaml

from crmsync.sandbox import outside
from crmsync.sandbox.account import (
    DATA_TYPES,
    LOOKUPS,
    OPTION_TYPES,
    PIPELINE_TYPES,
    Account,
    ActivityType,
    Choice,
    Definition,
    Pipeline,
    Stage,
    User,
)
from crmsync.sandbox.default import DEFAULT_TEXT
from crmsync.sandbox.outside import SeedRecord
from crmsync.sandbox.quirks import Quirks
from crmsync.sandbox.store import Store
from crmsync.sandbox.tables import BY_SINGULAR, ENTITIES
from crmsync.sandbox.world import World

KEYS = ("account", "users", *LOOKUPS, "activity_types", "pipelines", "custom_fields", "records", "quirks")
FIRST_IDS = {
    "users": 50_001,
    "contact_types": 450_001,
    "customer_sources": 330_001,
    "loss_reasons": 300_001,
    "lead_statuses": 200_001,
    "activity_types": 190_001,
    "pipelines": 210_001,
    "stages": 980_001,
    "custom_fields": 100_001,
    "options": 120_001,
}

DEFAULT_ACTIVITY_TYPES = (
    ActivityType(190_001, "Phone Call", "Phone", is_interaction=True),
    ActivityType(190_002, "Meeting", "Event", is_interaction=True),
    ActivityType(190_003, "To Do", "Todo", is_task_default=True),
)
Nodes = dict[str, yaml.Node]
Row = TypeVar("Row")


class AccountFileError(ValueError):
    """An account file has problems; *problems* names each as `file:line: sentence`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class AccountFile:
    """An account, the records it starts with, and how it behaves."""

    account: Account
    records: tuple[SeedRecord, ...] = ()
    quirks: Quirks = field(default_factory=Quirks)


def load_account(source: str | Path) -> AccountFile:
    """Return the account described by a file, or by text with a line break in it; raise AccountFileError."""
    is_text = isinstance(source, str) and "\n" in source
    name = "account" if is_text else str(source)
    try:
        text = str(source) if is_text else Path(source).read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise AccountFileError([f"{name}:1: The file cannot be read: {error}."]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise AccountFileError([f"{name}:{line}: This is not YAML: {getattr(error, 'problem', error)}."]) from error
    return _Reader(name).read(root)


class _Ids:
    """Gives out ids in order, leaving aside those the file names."""

    def __init__(self) -> None:
        self._next = dict(FIRST_IDS)
        self._given: dict[str, set[int]] = {name: set() for name in FIRST_IDS}

    def claim(self, table: str, id: int) -> bool:
        """Return whether the explicit *id* is still free, and take it."""
        is_free = id not in self._given[table]
        self._given[table].add(id)
        return is_free

    def next(self, table: str) -> int:
        while self._next[table] in self._given[table]:
            self._next[table] += 1
        self._given[table].add(self._next[table])
        return self._next[table]


class _Reader:
    """Reads the nodes of one file and gathers what is wrong with them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[tuple[int, str]] = []
        self._ids = _Ids()

    def read(self, root: yaml.Node | None) -> AccountFile:
        if root is None:
            raise AccountFileError([f"{self._name}:1: The file is empty. An account needs at least one user."])
        nodes = self._mapping(root, KEYS)
        head = self._mapping(nodes.get("account"), ("id", "name", "timezone", "currency", "leads"))
        lookups = {table: self._rows(nodes.get(table), table, self._choice) for table in LOOKUPS}
        values: dict[str, Any] = {
            "id": self._whole(head.get("id"), 1),
            "name": self._text(head.get("name"), "Sandbox"),
            "timezone": self._timezone(head.get("timezone")),
            "users": self._rows(nodes.get("users"), "users", self._user),
            "pipelines": self._rows(nodes.get("pipelines"), "pipelines", self._pipeline),
            "definitions": self._connected(nodes.get("custom_fields")),
            "currency": self._text(head.get("currency"), "USD"),
            "leads": self._flag(head.get("leads"), True),
            "activity_types": self._rows(nodes.get("activity_types"), "activity_types", self._activity_type)
            or DEFAULT_ACTIVITY_TYPES,
        }
        if not values["users"]:
            self._problem(nodes.get("users") or root, "The account needs at least one user with name and email.")
        has_labels = not self._problems
        quirks = self._quirks(nodes.get("quirks"))
        records = tuple(self._records(nodes.get("records")))
        if not has_labels:
            # Records that miss a label because its table is wrong would only repeat that.
            self._stop_on_problems()
        account = Account(**values, lookups=lookups)
        self._problems += _trial(account, records)
        self._stop_on_problems()
        return AccountFile(account, records, quirks)

    # ---- rows of the tables

    def _rows(self, node: yaml.Node | None, table: str, read: Callable[[str, yaml.Node], Row | None]) -> tuple[Row, ...]:
        items = self._list(node)
        for item in items:
            self._claim(table, item)
        return tuple(row for item in items if (row := read(table, item)) is not None)

    def _claim(self, table: str, item: yaml.Node) -> None:
        # Explicit ids are taken before any is given out, wherever they stand in the file.
        for key, value in item.value if isinstance(item, yaml.MappingNode) else ():
            if key.value == "id" and not self._ids.claim(table, self._whole(value, 0)):
                self._problem(value, f"The id {value.value} is given twice.")

    def _id(self, table: str, nodes: Nodes) -> int:
        return self._whole(nodes["id"], 0) if "id" in nodes else self._ids.next(table)

    def _choice(self, table: str, node: yaml.Node) -> Choice:
        if isinstance(node, yaml.ScalarNode):
            return Choice(self._ids.next(table), self._text(node, ""))
        nodes = self._mapping(node, ("id", "name"), ("name",))
        return Choice(self._id(table, nodes), self._text(nodes.get("name"), ""))

    def _user(self, table: str, node: yaml.Node) -> User:
        nodes = self._mapping(node, ("id", "name", "email"), ("name", "email"))
        return User(self._id(table, nodes), self._text(nodes.get("name"), ""), self._text(nodes.get("email"), ""))

    def _pipeline(self, table: str, node: yaml.Node) -> Pipeline | None:
        nodes = self._mapping(node, ("id", "name", "stages", "type", "revenue"), ("name", "stages"))
        if "stages" not in nodes:
            return None
        stages = self._rows(nodes["stages"], "stages", self._stage)
        if not stages:
            self._problem(nodes["stages"], "A pipeline needs at least one stage.")
        return Pipeline(
            self._id(table, nodes),
            self._text(nodes.get("name"), ""),
            stages,
            self._one_of(nodes.get("type"), PIPELINE_TYPES, "type of pipeline") or PIPELINE_TYPES[0],
            self._flag(nodes.get("revenue"), True),
        )

    def _stage(self, table: str, node: yaml.Node) -> Stage:
        nodes = self._mapping(node, ("id", "name", "probability"), ("name",))
        probability = self._whole(nodes.get("probability"), 0)
        if not 0 <= probability <= 100:
            self._problem(nodes["probability"], "A probability is a whole number from 0 to 100.")
        return Stage(self._id(table, nodes), self._text(nodes.get("name"), ""), probability)

    def _definition(self, table: str, node: yaml.Node) -> Definition:
        keys = ("id", "name", "type", "on", "options", "currency", "filterable", "connects")
        nodes = self._mapping(node, keys, ("name", "type", "on"))
        data_type = self._one_of(nodes.get("type"), DATA_TYPES, "type of custom field")
        available = tuple(self._one_of(item, tuple(BY_SINGULAR), "type of record") for item in self._list(nodes.get("on")))
        if data_type in OPTION_TYPES and "options" not in nodes:
            self._problem(node, f"A {data_type} field needs options.")
        if data_type and data_type not in OPTION_TYPES and "options" in nodes:
            self._problem(nodes["options"], f"A {data_type} field has no options.")
        if data_type and data_type != "Connect" and "connects" in nodes:
            self._problem(nodes["connects"], f"A {data_type} field connects nothing.")
        return Definition(
            self._id(table, nodes),
            self._text(nodes.get("name"), ""),
            data_type,
            available,
            self._flag(nodes.get("filterable"), True),
            self._rows(nodes.get("options"), "options", self._choice),
            self._text(nodes.get("currency"), "USD") if data_type == "Currency" else None,
        )

    def _connected(self, node: yaml.Node | None) -> tuple[Definition, ...]:
        """Return the definitions, Connect fields with the id of the one they name under `connects`."""
        rows = self._rows(node, "custom_fields", self._definition)
        ids = {row.name: row.id for row in rows if row.data_type == "Connect"}
        partners: dict[int, int] = {}
        for row, item in zip(rows, self._list(node), strict=True):
            pairs = item.value if isinstance(item, yaml.MappingNode) and row.data_type == "Connect" else ()
            for other in (value for key, value in pairs if key.value == "connects"):
                name = self._text(other, "")
                if name in ids:
                    # Said once, it holds for both.
                    partners |= {row.id: ids[name], ids[name]: row.id}
                elif name:
                    self._problem(other, f'There is no Connect field "{name}".{_suggest(name, ids)}')
        return tuple(replace(row, connected_id=partners.get(row.id)) for row in rows)

    def _activity_type(self, table: str, node: yaml.Node) -> ActivityType:
        if isinstance(node, yaml.ScalarNode):
            return ActivityType(self._ids.next(table), self._text(node, ""))
        nodes = self._mapping(node, ("id", "name", "icon", "interaction", "disabled", "task_default"), ("name",))
        return ActivityType(
            self._id(table, nodes),
            self._text(nodes.get("name"), ""),
            self._text(nodes.get("icon"), "Message"),
            self._flag(nodes.get("interaction"), False),
            self._flag(nodes.get("disabled"), False),
            self._flag(nodes.get("task_default"), False),
        )

    def _records(self, node: yaml.Node | None) -> Iterator[SeedRecord]:
        for plural, rows in self._mapping(node, tuple(ENTITIES)).items():
            for item in self._list(rows):
                values = self._plain(item)
                if isinstance(values, dict):
                    yield SeedRecord(plural, values, item.start_mark.line + 1)
                else:
                    self._problem(item, "A record is a mapping of fields.")

    def _quirks(self, node: yaml.Node | None) -> Quirks:
        if isinstance(node, yaml.MappingNode):
            settings = [(key, f"{key.value}={self._text(value, '')}") for key, value in node.value]
        else:
            settings = [(item, self._text(item, "")) for item in self._list(node)]
        quirks = Quirks()
        for at, setting in settings:
            try:
                quirks = Quirks.parse([setting], base=quirks)
            except ValueError as error:
                self._problem(at, str(error))
        return quirks

    # ---- nodes

    def _problem(self, node: yaml.Node, text: str) -> None:
        self._problems.append((node.start_mark.line + 1, text))

    def _stop_on_problems(self) -> None:
        if self._problems:
            raise AccountFileError([f"{self._name}:{line}: {text}" for line, text in sorted(self._problems)])

    def _mapping(self, node: yaml.Node | None, known: Sequence[str], required: Iterable[str] = ()) -> Nodes:
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, f"Here a mapping is needed, with: {', '.join(known)}.")
            return {}
        nodes: Nodes = {}
        for key, value in node.value:
            if key.value not in known:
                self._problem(key, f'There is no key "{key.value}" here.{_suggest(str(key.value), known)}')
            elif key.value in nodes:
                self._problem(key, f'The key "{key.value}" is given twice.')
            else:
                nodes[key.value] = value
        for name in required:
            if name not in nodes:
                self._problem(node, f'The key "{name}" is missing.')
        return nodes

    def _list(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value == ""):
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._problem(node, "Here a list is needed.")
            return []
        return list(node.value)

    def _text(self, node: yaml.Node | None, default: str) -> str:
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self._problem(node, "Here a text is needed.")
            return default
        return str(node.value)

    def _whole(self, node: yaml.Node | None, default: int) -> int:
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode) or not node.value.isascii() or not node.value.isdigit():
            self._problem(node, "Here a whole number is needed.")
            return default
        return int(node.value)

    def _flag(self, node: yaml.Node | None, default: bool) -> bool:
        if node is None:
            return default
        if node.value not in ("true", "false"):
            self._problem(node, "Here true or false is needed.")
        return bool(node.value == "true")

    def _one_of(self, node: yaml.Node | None, known: Sequence[str], what: str) -> str:
        if node is None:
            return ""
        text = self._text(node, "")
        if text and text not in known:
            self._problem(node, f'There is no {what} "{text}".{_suggest(text, known)}')
            return ""
        return text

    def _timezone(self, node: yaml.Node | None) -> str:
        name = self._text(node, "America/Los_Angeles")
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            assert node is not None
            self._problem(node, f'There is no time zone "{name}". Names are like America/Los_Angeles.')
        return name

    def _plain(self, node: yaml.Node) -> Any:
        """Return a value of a record: texts, lists and mappings; only plain `null` is None."""
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): self._plain(value) for key, value in node.value}
        is_plain = getattr(node, "style", None) is None
        return None if is_plain and node.value == "null" else str(node.value)


def _suggest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f' Did you mean "{close[0]}"?' if close else f" Known: {', '.join(names)}."


def _trial(account: Account, records: Sequence[SeedRecord]) -> list[tuple[int, str]]:
    """Return what would go wrong when the records are made."""
    world = World(account, Store(ENTITIES), Quirks(), Random(0), 0.0)
    return outside.seed(world, records)


DEFAULT_ACCOUNT = load_account(DEFAULT_TEXT)
