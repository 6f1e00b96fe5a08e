"""
The shape of a file against its JSON schema, told as diagnostics of ours.

The schema decides what is wrong, `jsonschema` finds it, and this file finds the place and the words: its messages are
written for people who know schemas. Plain scalars count as what YAML 1.2 says they are, so `NO` is text and `12` is a
number; only `null` is null. Nothing read from here becomes a value of a record, see `crmsync.config.records`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from crmsync.config.document import Document
from crmsync.model.address import KEY_PATTERN, Address
from crmsync.model.codes import CODES
from crmsync.model.late import late
from crmsync.model.source import Diagnostic, Listing, Node, Position, Scalar, Table, in_file_order, is_null
from crmsync.model.suggest import did_you_mean

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_INTEGER = late(r"[-+]?[0-9]{1,18}")
_NUMBER = late(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

_TYPE_WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}

Path = tuple[str | int, ...]


def check_structure(document: Document, schema: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """Return everything in *document* that does not have the shape *schema* asks for, in file order."""
    if document.root is None:
        return ()
    teller = _Teller(document.root, schema)
    instance = _instance(document.root, (), teller)
    for error in _errors(instance, schema):
        teller.tell(error)
    return in_file_order(teller.diagnostics)


def is_empty_scalar(node: Node) -> bool:
    """Say whether nothing at all was written where *node* stands."""
    return isinstance(node, Scalar) and node.is_plain and not node.text


def plain_value(scalar: Scalar) -> str | int | float | bool | None:
    """Return what *scalar* is by the core rules of YAML 1.2, but that only ``null`` is null."""
    text = scalar.text
    if not scalar.is_plain:
        return text
    if is_null(scalar):
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def whole_number(scalar: Scalar) -> int | None:
    """Return the whole number that *scalar* is, also when it is written ``1.0`` or ``1e3``, or None."""
    value = plain_value(scalar)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        return None
    return int(value)


def _errors(instance: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    errors: Iterator[ValidationError] = _validator_class()(schema).iter_errors(instance)
    return errors


@cache
def _validator_class() -> Any:
    from jsonschema import Draft7Validator, ValidationError  # slow to import, and many commands read no file
    from jsonschema.validators import extend

    def pattern(validator: Any, written: str, text: Any, rule: Any) -> Iterator[ValidationError]:
        # In a schema `$` is the end of the text; Python's also matches before a last newline.
        if isinstance(text, str) and not re.search(re.sub(r"\$(?=$|\|)", r"\\Z", written), text):
            yield ValidationError(f"{text!r} does not match {written!r}")

    return extend(Draft7Validator, {"pattern": pattern})  # type: ignore[no-untyped-call] # jsonschema has no type for it


def _instance(node: Node, path: Path, teller: _Teller) -> Any:
    """Return *node* as plain data; what is empty is told and left out."""
    if isinstance(node, Scalar):
        return plain_value(node)
    if isinstance(node, Listing):
        for item in filter(is_empty_scalar, node.items):
            teller.empty(path, item.position)
        return [_instance(item, path, teller) for item in node.items if not is_empty_scalar(item)]
    data = {}
    for key, value in node.entries:
        if is_empty_scalar(value):
            teller.empty((*path, key.text), key.position)
        elif isinstance(value, Scalar):
            data[key.text] = plain_value(value)
        else:
            data[key.text] = _instance(value, (*path, key.text), teller)
    return data


class _Teller:
    """Finds place and words for the errors of one file."""

    def __init__(self, root: Node, schema: Mapping[str, Any]) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._root = root
        self._record_types = [
            name for name, rule in schema.get("properties", {}).items() if isinstance(rule, dict) and "propertyNames" in rule
        ]
        self._entries: dict[int, dict[str, tuple[Scalar, Node]]] = {}
        self._words: dict[str, Callable[[ValidationError, Path], None]] = {
            "additionalProperties": self._unknown,
            "anyOf": self._any_of,
            "enum": self._choice,
            "maxLength": self._too_long,
            "not": self._forbidden,
            "required": self._missing,
            "type": self._type,
        }

    def empty(self, path: Path, position: Position) -> None:
        """Tell that nothing was written at *path*."""
        if len(path) > 2 and path[0] in (*self._record_types, "defaults"):
            detail = "Nothing is written here. Write null to clear the field, or remove the line."
        else:
            detail = f'Nothing stands under "{_last_name(path)}". Write something there, or remove the line.'
        self._add("CRM015", detail, position, path)

    def tell(self, error: ValidationError) -> None:
        """Tell one broken rule; several unknown keys in one place are several diagnostics."""
        path = tuple(error.absolute_path)
        if "propertyNames" in error.absolute_schema_path:
            self._key(error, path)
        else:
            self._words.get(str(error.validator), self._misfit)(error, path)

    def _add(self, code: str, detail: str, position: Position, path: Path) -> None:
        self.diagnostics.append(Diagnostic(CODES[code], detail, position, self._address(path)))

    def _address(self, path: Path) -> Address | None:
        if len(path) < 2 or path[0] not in self._record_types or not KEY_PATTERN.fullmatch(str(path[1])):
            return None
        return Address(str(path[0]), str(path[1]))

    # Finding the place

    def _node(self, path: Path) -> Node:
        node = self._root
        for step in path:
            if isinstance(node, Listing):
                written = [item for item in node.items if not is_empty_scalar(item)]
                node = written[int(step)]
            elif isinstance(node, Table):
                node = self._entry(node, str(step))[1]
        return node

    def _entry(self, table: Table, key: str) -> tuple[Scalar, Node]:
        if id(table) not in self._entries:
            self._entries[id(table)] = {name.text: (name, node) for name, node in table.entries}
        return self._entries[id(table)][key]

    def _key_position(self, path: Path, key: str) -> Position:
        """Return where *key* stands in the mapping at *path*."""
        table = self._node(path)
        assert isinstance(table, Table)
        return self._entry(table, key)[0].position

    # Finding the words

    def _key(self, error: ValidationError, path: Path) -> None:
        key = str(error.instance)
        detail = f'"{_shown(key)}" cannot be a key. Use 1 to 100 letters, digits and `_ . @ + -`.'
        self._add("CRM013", detail, self._key_position(path, key), path)

    def _unknown(self, error: ValidationError, path: Path) -> None:
        schema = error.schema
        assert isinstance(schema, dict)
        assert isinstance(error.instance, dict)
        known = [name for name, rule in schema.get("properties", {}).items() if not rule.get("readOnly")]
        patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", ())]
        code = schema.get("$comment", "CRM011")
        for name in error.instance:
            if name in schema.get("properties", ()) or any(pattern.search(name) for pattern in patterns):
                continue
            detail = f"{self._unknown_words(code, name, path)}{did_you_mean(name, known)}"
            self._add(code, detail, self._key_position(path, name), path)

    def _unknown_words(self, code: str, name: str, path: Path) -> str:
        name = _shown(name)
        if code == "CRM012":
            return f'There is no record type called "{name}".'
        if code == "CRM019":
            return f'There is no setting called "{name}".'
        if code == "CRM034":
            return f'There is no custom field called "{name}".'
        if len(path) == 2 and path[0] in (*self._record_types, "defaults"):
            return f'{path[0] if path[0] != "defaults" else path[1]} have no field called "{name}".'
        if path[-1:] == ("fields",):
            return f'There is no field called "{name}".'
        return f'"{_last_name(path)}" has no entry called "{name}".'

    def _missing(self, error: ValidationError, path: Path) -> None:
        table = self._node(path)
        assert isinstance(table, Table)
        for name in _strings(error.validator_value):
            if table.get(name) is None:
                where = f'"{_last_name(path)}"' if path else "This file"
                self._add("CRM047", f"{where} needs an entry called `{name}`.", table.position, path)

    def _type(self, error: ValidationError, path: Path) -> None:
        self._expect(_strings(error.validator_value), error.instance, path)

    def _expect(self, types: Sequence[str], instance: Any, path: Path) -> None:
        is_shape = isinstance(instance, (dict, list)) or not set(types) - {"array", "object", "null"}
        wanted = _either([_TYPE_WORDS[name] for name in types if name != "null" or len(types) == 1])
        name = _last_name(path)
        subject = f'"{name}" takes' if name else "The file should hold"
        detail = f"{subject} {wanted}, not {self._actual(instance, path)}."
        self._add("CRM014" if is_shape else "CRM020", detail, self._node(path).position, path)

    def _actual(self, instance: Any, path: Path) -> str:
        if isinstance(instance, dict):
            return "a mapping"
        if isinstance(instance, list):
            return "a list"
        return "null" if instance is None else f'"{self._text(path)}"'

    def _text(self, path: Path) -> str:
        node = self._node(path)
        return _shown(node.text) if isinstance(node, Scalar) else ""

    def _choice(self, error: ValidationError, path: Path) -> None:
        words = [str(word) for word in _list(error.validator_value) if word is not None]
        if isinstance(error.instance, (dict, list)):
            return self._expect(("string",), error.instance, path)
        known = _either(words) if len(words) <= 12 else f"{', '.join(words[:12])} or {len(words) - 12} more"
        text = "null" if error.instance is None else self._text(path)
        detail = f'"{_last_name(path)}" takes {known}, not "{text}".{did_you_mean(text, words)}'
        return self._add("CRM026", detail, self._node(path).position, path)

    def _any_of(self, error: ValidationError, path: Path) -> None:
        """Tell the errors of the one alternative that was meant; when that is not clear, what would be possible."""
        branches: dict[Any, list[ValidationError]] = {}
        for each in error.context or ():
            branches.setdefault(each.schema_path[0], []).append(each)
        meant = [errors for errors in branches.values() if not any(map(_is_other_shape, errors))]
        if meant:
            for each in max(meant, key=lambda errors: max(len(one.relative_path) for one in errors)):
                self.tell(each)
            return
        alternatives = [rule for rule in _list(error.validator_value) if isinstance(rule, dict)]
        self._expect([name for rule in alternatives for name in _strings(rule.get("type", "string"))], error.instance, path)

    def _forbidden(self, error: ValidationError, path: Path) -> None:
        schema = error.schema
        code = schema.get("$comment") if isinstance(schema, dict) else None
        name = _last_name(path)
        if code == "CRM018":
            detail = f'"{name}" is computed by Copper and cannot be written. Remove the line.'
            self._add(code, detail, self._key_position(path[:-1], name), path)
        elif code == "CRM029":
            detail = f'"{self._text(path)}" is for lists such as tags. Use enforce, seed, fill or observe here.'
            self._add(code, detail, self._node(path).position, path)
        else:
            self._misfit(error, path)

    def _too_long(self, error: ValidationError, path: Path) -> None:
        detail = f'"{_last_name(path)}" holds at most {error.validator_value} characters.'
        self._add("CRM024", detail, self._node(path).position, path)

    def _misfit(self, error: ValidationError, path: Path) -> None:
        schema = error.schema
        hint = schema.get("description", "") if isinstance(schema, dict) else ""
        detail = f'"{self._text(path)}" does not fit here. {hint}'.rstrip()
        self._add("CRM020", detail, self._node(path).position, path)


def _is_other_shape(error: ValidationError) -> bool:
    """Say whether an alternative is out of the question because it is for another type of value."""
    if error.relative_path:
        return False
    return error.validator == "type" or (error.validator == "enum" and isinstance(error.instance, (dict, list)))


def _last_name(path: Path) -> str:
    return next((_shown(step) for step in reversed(path) if isinstance(step, str)), "")


def _shown(text: str) -> str:
    """Return *text* short enough for a sentence, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _either(words: Iterable[str]) -> str:
    """Return *words* as "a, b or c", each once."""
    once = list(dict.fromkeys(words))
    return once[0] if len(once) == 1 else f"{', '.join(once[:-1])} or {once[-1]}"
