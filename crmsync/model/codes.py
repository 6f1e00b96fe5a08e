"""The codes of all diagnostics: one row each, with its fixed summary and a longer explanation."""

from __future__ import annotations

from msgspec import Struct


class Code(Struct, frozen=True):
    """A kind of problem: its number, the fixed summary shown first, and what to know about it."""

    number: str
    summary: str
    explanation: str

    def __str__(self) -> str:
        return self.number


def _rows(*rows: tuple[str, str, str]) -> dict[str, Code]:
    return {number: Code(number, summary, explanation) for number, summary, explanation in rows}


CODES = _rows(
    # Files and syntax
    ("CRM001", "Unreadable file", "The file could not be opened or is not UTF-8 text."),
    ("CRM002", "Not valid YAML", "The text is not YAML; the place is where the parser gave up."),
    ("CRM003", "Empty file", "A record file without content is more often a mistake than a wish."),
    ("CRM004", "File too large or too deep", "Size, depth, aliases and nodes are limited before anything is built."),
    ("CRM005", "Unpaired surrogate escape", "Write the character itself, or \\U and its eight digits."),
    ("CRM006", "Tag not allowed", "Tags such as !!python/object are never read; write the plain value."),
    ("CRM007", "Control character", "Only tab and newline are allowed in values."),
    ("CRM008", "No records", "The files below `records` declare nothing at all."),
    ("CRM009", "Table not readable yet", "Only YAML, JSON and JSON Lines files are read by this version."),
    ("CRM010", "Duplicate key", "A mapping names the same key twice; only one of them could win."),
    # Structure
    ("CRM011", "Unknown field", "The type has no field of this name."),
    ("CRM012", "Unknown record type", "Record files hold companies, people, opportunities, moved and defaults."),
    ("CRM013", "Invalid key", "Keys are 1 to 100 letters, digits and `_ . @ + -`."),
    ("CRM014", "Wrong shape", "A list, a mapping or a single value stands where another is needed."),
    ("CRM015", "Empty value", "Write null to clear the field, or remove the line."),
    ("CRM016", "Looks like null", "`~`, `Null` and `NULL` are text here; only plain `null` clears."),
    ("CRM017", "Record declared twice", "One address names one record."),
    ("CRM018", "Read-only field", "Copper computes this field; it cannot be written."),
    ("CRM019", "Unknown setting", "The settings file has no such key."),
    # Values
    ("CRM020", "Wrong type of value", "The field needs another type of value."),
    ("CRM021", "Impossible date", "Dates are written YYYY-MM-DD and must exist in the calendar."),
    ("CRM022", "Fraction in a percentage", "Copper cuts the fraction of a percentage; write a whole number from 0 to 100."),
    ("CRM023", "Not a number", "Numbers are written with digits and a point, at most 15 significant digits."),
    ("CRM024", "Too long", "Copper limits the length of this field."),
    ("CRM025", "Not an e-mail address", "An e-mail address has one @ and a domain."),
    ("CRM026", "Unknown choice", "The field takes one of a fixed list of words."),
    ("CRM027", "Same member twice", "A list names the same member twice."),
    ("CRM028", "Not a domain", "An e-mail domain looks like acme.com."),
    ("CRM029", "Policy does not fit", "This policy is for another kind of field."),
    # Labels and references
    ("CRM030", "Unknown label", "The Copper account has no entry of this name."),
    ("CRM031", "Ambiguous label", "Several entries of the account have this name."),
    ("CRM032", "Stage without a pipeline", "A stage is looked up inside its pipeline; declare the pipeline as well."),
    ("CRM033", "Stage of another pipeline", "The pipeline declared has no such stage, another one has."),
    ("CRM034", "Unknown custom field", "The account has no custom field of this name for this type."),
    ("CRM035", "Ambiguous custom field", "Several custom fields of this type have this name."),
    ("CRM036", "Dangling reference", "No declared record has this key."),
    ("CRM037", "Nothing matches", "A lookup found no record, neither declared nor in Copper."),
    ("CRM038", "Several records match", "A lookup or a natural key fits more than one record."),
    ("CRM039", "Labels not checked", "No labels are cached yet; `crmsync plan` checks them against the account."),
    # Records among each other
    (
        "CRM040",
        "Two records with one natural key",
        "Copper allows an e-mail or domain once; both would be one record.",
    ),
    ("CRM041", "Required field missing", "Copper does not create a record without it."),
    ("CRM042", "Record bound elsewhere", "The record belongs to another address in the state."),
    ("CRM043", "Moved onto itself", "A `moved` entry must name an address that is declared and one that is not."),
    ("CRM044", "No such record", "Copper has no record with this id."),
    ("CRM045", "Profile missing", "The settings have profiles, so one must be named."),
    ("CRM047", "Entry missing", "This mapping is of no use without the entry named."),
    ("CRM060", "File not read", "Only .yaml, .yml, .json and .jsonl files below `records` are read."),
    (
        "CRM061",
        "Decision out of date",
        "A choice in decisions.yaml counts only while the file, Copper and what was last applied are as they were.",
    ),
    ("CRM062", "Handed over", "A decision gave this field to the people in Copper; the line in the file does nothing."),
    ("CRM050", "Not valid JSON", "In a .jsonl file each line is one record, a JSON object with an entry `key`."),
    # Looking at Copper
    ("CRM048", "Unknown operator", "Conditions compare with = != >= <= and ~ (contains)."),
    ("CRM049", "Unknown word", "The command knows no table, part or id of this name."),
)
