"""
Faults as text: on the command line, and in a YAML file.

    status_before,status=429,path=/people,nth=3        # the command line; several numbers are nth=3+7
    - {kind: status_before, status: 429, path: /people, nth: [3, 7]}
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from crmsync.sandbox.faults import KINDS, Fault

METHODS = ("GET", "POST", "PUT", "DELETE")


class FaultError(ValueError):
    """Faults cannot be read; *problems* names each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def parse_faults(settings: Iterable[str]) -> list[Fault]:
    """Return the faults of `--fault` options; raise FaultError with every problem."""
    faults: list[Fault] = []
    problems: list[str] = []
    for setting in settings:
        kind, *rest = [part.strip() for part in setting.split(",")]
        pairs = [part.partition("=")[::2] for part in rest]
        wrong = _build(faults, [("kind", kind), *pairs])
        problems += [f"--fault {setting}: {text}" for text in wrong]
    if problems:
        raise FaultError(problems)
    return faults


def load_faults(path: str | Path) -> list[Fault]:
    """Return the faults of a YAML file, a list; raise FaultError with every problem as `file:line: sentence`."""
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise FaultError([f"{path}:1: The file cannot be read: {error}."]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise FaultError([f"{path}:{line}: This is not YAML: {getattr(error, 'problem', error)}."]) from error
    if root is not None and not isinstance(root, yaml.SequenceNode):
        raise FaultError([f"{path}:1: Here a list of faults is needed."])
    faults: list[Fault] = []
    problems: list[tuple[int, str]] = []
    for item in root.value if root is not None else ():
        line = item.start_mark.line + 1
        if isinstance(item, yaml.MappingNode):
            wrong = _build(faults, [(str(key.value), _text(value)) for key, value in item.value])
        else:
            wrong = ["A fault is a mapping with kind, method, path, nth and so on."]
        problems += [(line, text) for text in wrong]
    if problems:
        raise FaultError([f"{path}:{line}: {text}" for line, text in problems])
    return faults


def _text(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "+".join(_text(item) for item in node.value)
    return str(node.value)


def _build(faults: list[Fault], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Add the fault that *pairs* describe to *faults*, or return what is wrong with them."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, text in pairs:
        if name not in READERS:
            problems.append(f'There is no key "{name}".{_suggest(name, READERS)}')
        elif name in values:
            problems.append(f'The key "{name}" is given twice.')
        else:
            try:
                values[name] = READERS[name](text)
            except ValueError as error:
                problems.append(f"{name}: {error}")
                values[name] = None
    if "kind" not in values:
        problems.append('The key "kind" is missing.')
    if not problems:
        try:
            faults.append(Fault(**values))
        except ValueError as error:
            problems.append(str(error))
    return problems


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f'there is no fault called "{text}".{_suggest(text, KINDS)}')
    return text


def _method(text: str) -> str:
    if text.upper() not in METHODS:
        raise ValueError(f'"{text}" is not one of {", ".join(METHODS)}.')
    return text.upper()


def _numbers(text: str) -> int | tuple[int, ...]:
    numbers = tuple(_whole(part) for part in text.split("+"))
    if 0 in numbers:
        raise ValueError("requests are counted from 1.")
    return numbers if len(numbers) > 1 else numbers[0]


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'"{text}" is not a whole number.')
    return int(text)


def _status(text: str) -> int:
    if not 200 <= _whole(text) <= 599:
        raise ValueError(f"{text} is not a status; one is from 200 to 599.")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError(f'"{text}" is not a number.') from error
    if not 0 <= number < float("inf"):
        raise ValueError(f"{text} is not a number from 0 up.")
    return number


def _chance(text: str) -> float:
    if not 0 <= _number(text) <= 1:
        raise ValueError(f"{text} is not a chance; one is from 0 to 1.")
    return float(text)


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f'"{text}" is neither true nor false.')
    return text.lower() == "true"


READERS: Mapping[str, Callable[[str], Any]] = {
    "kind": _kind,
    "method": _method,
    "path": str,
    "nth": _numbers,
    "probability": _chance,
    "status": _status,
    "retry_after": _whole,
    "delay": _number,
    "executed": _flag,
    "seconds": _number,
    "record": str,
    "into": _whole,
}


def _suggest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f' Did you mean "{close[0]}"?' if close else f" Known: {', '.join(names)}."
