"""
Record files cut into the lines of each record, before anybody looks what the lines say.

Nearly all files are types at the margin, keys below them at one column, and fields below the keys. A cut may be wrong, for a
text in quotes can go on over many lines. So who reads some blocks by themselves makes sure of it with `remainder`: the rest
of the file, in which those blocks are records of nothing, must have its keys where the cut has them (`placed`). Blocks of
nothing but short values open no quote and no bracket that others close.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from functools import cache
from typing import Any, NamedTuple

from crmsync.model.late import late
from crmsync.model.source import Node, Position, Scalar, Table

_HEAD = late(r"([A-Za-z_]+):[ ]*(?:[ ]#.*)?\n")
_NOT_HERE = late(r"[A-Za-z_]+:.*\n(?:[ -].*\n|(?:#.*)?\n)*+")
_REMARKS = late(r"(?:[ ]*(?:#.*)?\n)++")
_INDENT = late(r"[ ]+(?=[^\s#])")
_REMARK = "#\n"
_new: Any = tuple.__new__


class Block(NamedTuple):
    """
    The lines of one record: its *key*, if that is a usual one, with the fields below; *text* is all of it.

    *line* counts from 1, *column* from 0. *below* is "" when something stands beside the key.
    """

    key: str
    line: int
    column: int
    below: str
    text: str


class Section(NamedTuple):
    """One entry at the margin: the *blocks* of a type, or something else, of which there is only the *text*."""

    name: str
    line: int
    text: str
    blocks: list[Block]


def cut(text: str, types: Container[str]) -> list[Section] | None:
    """Return the sections of *text*, which ends with a line end; None when it is not written so, or has `defaults`."""
    sections: list[Section] = []
    at, line = 0, 1
    while at < len(text):
        remarks = _REMARKS.match(text, at)
        if remarks is not None:
            line += text.count("\n", at, remarks.end())
            at = remarks.end()
            continue
        head = _HEAD.match(text, at)
        if head is not None and head[1] in types:
            section, at = _section(text, head, line)
        else:
            other = _NOT_HERE.match(text, at)
            if other is None:
                return None
            section, at = Section(other[0].partition(":")[0], line, other[0], []), other.end()
        sections.append(section)
        line += section.text.count("\n") + sum(each.text.count("\n") for each in section.blocks)
    names = {each.name for each in sections}
    return sections if len(names) == len(sections) and "defaults" not in names else None


def _section(text: str, head: re.Match[str], line: int) -> tuple[Section, int]:
    """Return the section that begins with *head*, and where it ends: there something else begins, or is wrong."""
    remarks = _REMARKS.match(text, head.end())
    at = head.end() if remarks is None else remarks.end()
    start = text[head.start() : at]
    section = Section(head[1], line, start, [])
    indent = _INDENT.match(text, at)
    if indent is None:
        return section, at
    column = len(indent[0])
    match, add = _block(column), section.blocks.append
    line += start.count("\n")
    while (found := match(text, at)) is not None:
        key, below = found.groups()
        add(_new(Block, (key or "", line, column, below if key else "", found[0])))
        at = found.end()
        line += found[0].count("\n")
    return section, at


@cache
def _block(column: int) -> Callable[[str, int], re.Match[str] | None]:
    deeper = rf"(?:[ ]{{{column + 1}}}.*\n|[ ]*(?:\#.*)?\n)*+"  # possessive: what is passed is let go of
    key = r"([A-Za-z0-9_][A-Za-z0-9_.@+\-]{0,99}):[ ]*(?:[ ]\#.*)?"
    return re.compile(rf"[ ]{{{column}}}(?:{key}|[^\s#].*)\n({deeper})").match


def remainder(sections: list[Section], is_read: Container[int]) -> str:
    """Return the file without what stands in the blocks that begin on lines that are read, and sections of nothing else."""
    parts = [_REMARK * (sections[0].line - 1)]
    for section in sections:
        kept = [each.line not in is_read for each in section.blocks]
        if any(kept) or not section.blocks:
            parts.append(section.text)
            parts += (each.text if is_kept else _empty(each) for each, is_kept in zip(section.blocks, kept, strict=True))
        else:
            parts.append(_remarks(section.text))
            parts += (_remarks(each.text) for each in section.blocks)
    return "".join(parts)


def _empty(block: Block) -> str:
    """Return a record of nothing in the place of one: without its key, what is wrong beside it might look right."""
    return f"{' ' * block.column}{block.key}: {{}}\n{_remarks(block.below)}"


def _remarks(text: str) -> str:
    return _REMARK * text.count("\n")


def placed(root: Node | None, sections: list[Section], is_read: Container[int]) -> Table | None:
    """
    Return what is left of *root*, which is what `remainder` says, beginning where the whole file does.

    None: its keys do not stand on the lines where *sections* have them.
    """
    if not isinstance(root, Table):
        return None
    lines = [(each, [block.line for block in each.blocks]) for each in sections]
    wanted = [(section, every) for section, every in lines if not every or any(line not in is_read for line in every)]
    if len(wanted) != len(root.entries):
        return None
    entries: list[tuple[Scalar, Node]] = []
    for (section, every), (key, node) in zip(wanted, root.entries, strict=True):
        if (key.text, key.position.line) != (section.name, section.line):
            return None
        if every:
            if not isinstance(node, Table) or [each.position.line for each, _ in node.entries] != every:
                return None
            left = tuple((each, record) for each, record in node.entries if each.position.line not in is_read)
            node = Table(left, node.position)
        entries.append((key, node))
    first = sections[0]
    return Table(tuple(entries), Position(root.position.file, first.line, 1, len(first.name)))
