"""What the YAML parser says, in words for people who do not know YAML's grammar."""

from __future__ import annotations

_WORDS = {
    "mapping values are not allowed in this context": (
        "There is a `:` where no key can be. Put a text with `: ` in it in quotes, and check the indentation."
    ),
    "could not find expected ':'": "This line is neither `key: value` nor `- item`, or a quote is missing.",
    "did not find expected key": "The indentation is off here, or the line before has text after its closing quote.",
    "did not find expected '-' indicator": "The indentation is off here: this is not an item of the list above it.",
    "did not find expected node content": "A bracket is opened and never closed, or a value is missing here.",
    "did not find expected ',' or ']'": "The list opened with `[` needs a comma or `]` here.",
    "did not find expected ',' or '}'": "The mapping opened with `{` needs a comma or `}` here.",
    "found unexpected end of stream": "This quote is opened and never closed.",
    "found unexpected document indicator": "This quote is opened and not closed before the next `---`.",
    "found unknown escape character": "YAML has no such escape. Write the backslash twice, or use single quotes.",
    "found undefined tag handle": "Tags are not read: fields know their own types. Write the plain value.",
    "found invalid Unicode character escape code": "No character has this number. Write the character itself.",
    "did not find expected <document start>": "The text goes on after its end. Check brackets, quotes and indentation.",
    "block sequence entries are not allowed in this context": "A list item `-` starts a new line of its own.",
    "found a tab character that violates indentation": "Indent with spaces, not with tabs.",
}

#: Problems that are better shown where the text in question begins than where the parser gave up.
TOLD_AT_THEIR_BEGINNING = frozenset(
    {"could not find expected ':'", "found unexpected end of stream", "found unexpected document indicator"}
)

#: What libyaml says since 0.2.6 when its scanner, which reads ahead, meets a thousand open brackets before the builder does.
TOO_DEEP = "exceeded maximum nesting depth"


def say_problem(problem: str, character: str, began: int | None) -> str:
    """Return a sentence for the parser's *problem* at *character*, in something that *began* on an earlier line."""
    if problem == "found character that cannot start any token":
        if character == "\t":
            return "Indent with spaces, not with tabs."
        return f"A value cannot begin with `{character}`. Put it in quotes."
    words = _WORDS.get(problem, f"The parser gave up here: {problem}.")
    return f"{words} What it belongs to begins on line {began}." if began is not None else words
