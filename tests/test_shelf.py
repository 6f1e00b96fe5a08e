"""
Files that were read before are not read again, and nobody can tell the difference.

What is read with the shelf is compared with all files read at once in the old way: the same records, the same complaints,
byte for byte, whatever was edited, and whatever bytes stand in the cache.
"""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from xxhash import xxh3_128_digest

from crmsync import resolve
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.project import crew, pieces, recordfiles, sheetreader
from crmsync.project.files import find_sources
from crmsync.project.reading import Changes, Mark, Reading, SheetRecords
from crmsync.project.recordfiles import read_carefully, read_project
from crmsync.project.session import Project, open_project
from crmsync.project.sheets import PREFIX_BYTES, from_head, head_bytes, to_bytes
from crmsync.project.shelf import KEPT_PER_FILE, KEPT_SECONDS, Shelf, shelf_of
from crmsync.project.validating import cached_catalogue, validate
from crmsync.render.diagnostics import diagnostics_text
from tests.desk import Desk
from tests.world import World

FIRMS = """\
defaults:
  companies: {assignee: dana@ourfirm.com, details: &note Met at the fair}
companies:
  acme:
    name: Acme
    email_domain: acme.test
    tags: [vip, new]
    address: {city: Reno, country: US}
    custom_fields: {Tier: Gold}
  bolt: {name: Bolt, details: *note}
  cent: {name: Cent, crmsync: {new: true, policy: {fields: {name: seed}}}}
"""
STAFF = """\
people:
  ann: {name: Ann, emails: [ann@acme.test, {email: a@home.test, category: personal}], company: acme}
  bob: {name: Bob, emails: [bob@acme.test], company: {email_domain: acme.test}, title: "Buyer"}
  cid:
    name: Cid
    phone_numbers: ['+14155550123']
    company: companies.bolt
    crmsync: {id: 77, protect: true}
"""
DEALS = """\
moved:
  - {from: companies.old, to: companies.acme}
opportunities:
  renewal: {name: Renewal, company: acme, primary_contact: ann, monetary_value: 50000, close_date: 2026-12-31}
  second: {name: Second, company: {name: Bolt}, pipeline: Sales, stage: Qualifying}
"""
ROW = '{{"key": "r{0}", "name": "Row {0}", "emails": ["r{0}@rows.test"], "tags": ["x"], "company": "cent"}}\n'
ROWS = "".join(map(ROW.format, range(40))) + '{"key": "last", "name": "Last", "title": null, "company": {"name": "Cent"}}\n'
FILES = {"crm/a-firms.yaml": FIRMS, "crm/b-staff.yaml": STAFF, "crm/c-deals.yaml": DEALS, "crm/people-2026.jsonl": ROWS}


class Folder:
    """A project whose account is known, and its files."""

    def __init__(self, root: Path) -> None:
        world = World(root)
        world.plan("companies:\n  acme: {name: Acme}\n")
        world.write(FILES)
        self.project: Project = open_project(start=root, environ={})
        self.catalogue: Catalogue = cached_catalogue(self.project)[0]
        self.root = root

    def text(self, name: str) -> str:
        """Return what a file holds."""
        return (self.root / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Let a file hold *text*."""
        (self.root / name).write_text(text, encoding="utf-8")

    def read(self, shelf: Shelf | None = None, fitting: Mark | None = None) -> Reading:
        """Read all with the shelf."""
        sources, settings = find_sources(self.root, self.project.settings), self.project.settings
        return read_project(sources, self.catalogue, settings, shelf or shelf_of(self.project), {}, fitting=fitting)

    def read_carefully(self) -> Reading:
        """Read all without it."""
        return read_carefully(find_sources(self.root, self.project.settings), self.catalogue, self.project.settings)


def told(reading: Reading) -> tuple[object, ...]:
    """Return all that a reading says, its complaints as they are printed."""
    text = diagnostics_text(reading.diagnostics, reading.sources.line_of)
    assert len(reading.records) == len(list(reading.records))
    return text, dict(reading.records), list(reading.records.values()), reading.moved, reading.is_sound, reading.file_count


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_LEAST_BYTES", 200)
    monkeypatch.setattr(pieces, "_CUT_EVERY", 5)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a project of three YAML files and one of rows."""
    return Folder(tmp_path)


def _lines(change: Callable[[list[str], random.Random], None]) -> Callable[[str, random.Random], str]:
    def edit(text: str, chance: random.Random) -> str:
        lines = text.splitlines()
        change(lines, chance)
        return "\n".join(lines) + "\n"

    return edit


def _swap(old: str, new: str) -> Callable[[str, random.Random], str]:
    return lambda text, chance: text.replace(old, new, 1)


EDITS: list[Callable[[str, random.Random], str]] = [
    _lines(lambda lines, chance: lines.insert(chance.randrange(len(lines) + 1), "# a remark")),
    _lines(lambda lines, chance: lines.insert(chance.randrange(len(lines) + 1), "")),
    _lines(lambda lines, chance: lines.pop(chance.randrange(len(lines))) if len(lines) > 1 else None),
    _lines(lambda lines, chance: lines.append(chance.choice(lines or [""]))),
    _lines(lambda lines, chance: lines.insert(0, "\ufeff\x07")),
    _swap("Acme", "Acme Inc"),
    _swap("name:", "nmae:"),
    _swap("bolt", "blot"),
    _swap("ann@acme.test", "bob@acme.test"),
    _swap("acme.test", "other.test"),
    _swap("Gold", "Golden"),
    _swap("Gold", "Silver"),
    _swap("Bolt", "Acme"),
    _swap("company: acme", "company: companies.acme"),
    _swap("company: acme", "company: nobody"),
    _swap("company: acme", "company: people.ann"),
    _swap("{name: Bolt}", "{name: Acme}"),
    _swap('title: "Buyer"', "title: ~"),
    _swap("{id: 77", "{id: {trial: 77}"),
    _swap("from: companies.old", "from: companies.acme"),
    _swap("companies.old", "companies.bolt"),
    _swap("ann:", "cid:"),
    _swap("people:", "persons:"),
    _swap('"r7"', '"r8"'),
    _swap('"r7"', '"ann"'),
    _swap('"name": "Row 9",', ""),
    _swap('"name": "Row 9",', '"nmae": "Row 9",'),
    _swap('"emails": ["r5@', '"emails": ["r6@'),
    _swap('"r20", ', ""),
    _swap('"tags": ["x"]', '"tags": ["x", 12, null, true]'),
    _swap('"tags": ["x"]', '"tags": ["\\ud83d", "\\u0007", "é"]'),
    _swap('"tags": ["x"]', '"tags": "x", "tags": "y"'),
    _swap("}\n", "}}\n"),
    _swap("}\n", "\n"),
    _lines(lambda lines, chance: chance.shuffle(lines)),
    lambda text, chance: text + "people:\n  dan: {name: Dan, emails: [ann@acme.test]}\n",
    lambda text, chance: text + "companies:\n  acme: {name: Acme}\n",
    lambda text, chance: text + "companies:\n  more: {name: Acme, crmsync: {id: 77}}\n",
    lambda text, chance: chance.choice(list(FILES.values())),
    lambda text, chance: "",
    lambda text, chance: text[: chance.randrange(len(text) + 1)],
]


@pytest.mark.parametrize("seed", range(12))
def test_over_random_edits_the_same_is_told(folder: Folder, seed: int) -> None:
    """Files are edited, broken, mended, copied; each time both ways say the same, byte for byte."""
    chance = random.Random(seed)
    fitting = folder.read().mark()
    for _ in range(25):
        name = chance.choice(list(FILES))
        if chance.random() < 0.25:
            name = chance.choice(list(FILES))
            folder.write(name, FILES[name])
        else:
            folder.write(name, chance.choice(EDITS)(folder.text(name), chance))

        reading = folder.read(fitting=fitting)
        assert told(folder.read_carefully()) == told(reading)
        if not any(each.is_error for each in reading.diagnostics):
            fitting = reading.mark()


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", FILES)
def test_after_each_edit_the_same_is_told(folder: Folder, name: str, edit: Callable[[str, random.Random], str]) -> None:
    """One edit of files that were in order."""
    fitting = folder.read().mark()
    folder.write(name, edit(folder.text(name), random.Random(1)))

    assert told(folder.read_carefully()) == told(folder.read(fitting=fitting))
    assert told(folder.read_carefully()) == told(folder.read())


def test_only_files_that_changed_are_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are found on the shelf."""
    folder.read()
    folder.write("crm/b-staff.yaml", STAFF.replace("Ann", "Anne"))
    parsed: list[str] = []
    original = sheetreader.parse_piece
    monkeypatch.setattr(
        sheetreader, "parse_piece", lambda piece, data: parsed.append(piece.source.name) or original(piece, data)
    )

    folder.read()

    assert parsed == ["crm/b-staff.yaml"]


@pytest.mark.parametrize(
    ("old", "new", "count"), [("Buyer", "Seller", 0), ("bob@", "bobby@", 2), ("companies.bolt", "cent", 2)]
)
def test_files_are_compared_where_one_says_something_else_to_others(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, old: str, new: str, count: int
) -> None:
    """A title is nobody else's matter; an e-mail may be another's, and a company may not be there."""
    fitting = folder.read().mark()
    folder.write("crm/b-staff.yaml", STAFF.replace(old, new))
    compared: list[str] = []
    for name in ("_twins", "_strays"):
        monkeypatch.setattr(recordfiles, name, lambda *_, name=name: compared.append(name) or ())

    folder.read(fitting=fitting)

    assert count == len(compared)


def test_an_edit_within_the_same_instant_is_seen(folder: Folder) -> None:
    """Only the content counts, never a date."""
    path = folder.root / "crm/b-staff.yaml"
    folder.read()
    before = path.stat()
    folder.write("crm/b-staff.yaml", STAFF.replace("Ann,", "Anm,"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert folder.read().records[Address("people", "ann")].fields["name"].value == "Anm"
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_files_with_errors_are_not_kept(folder: Folder) -> None:
    """They are read, and told, again; so nothing that is wrong is ever forgotten."""
    folder.write("crm/b-staff.yaml", STAFF.replace("title", "titel"))
    shelf = Shelf(folder.root / "elsewhere")
    readings = [folder.read(shelf) for _ in range(2)]

    assert [[each.code.number for each in reading.diagnostics] for reading in readings] == [["CRM011"]] * 2
    assert len(list(shelf.folder.iterdir())) == len(readings[0].sheets) - 1


def test_warnings_are_kept_with_the_file(folder: Folder) -> None:
    """A file with a warning is not read again, and the warning is told again."""
    folder.write("crm/b-staff.yaml", STAFF.replace('"Buyer"', "~"))
    first, second = folder.read(), folder.read()

    assert [each.code.number for each in first.diagnostics] == ["CRM016"]
    assert told(first) == told(second)


def test_another_basis_reads_again(folder: Folder) -> None:
    """What the account has is a part of what a sheet is made of."""
    folder.read()
    folder.write("crm/b-staff.yaml", STAFF.replace("Buyer", "Seller"))
    before = folder.read()
    tables = {**folder.catalogue.labels, "users": ()}
    folder.catalogue = Catalogue(folder.catalogue.types, tables, folder.catalogue.locale, has_account=True)

    after = folder.read()

    assert ([*before.diagnostics], [each.code.number for each in after.diagnostics]) == ([], ["CRM030"] * 3)
    assert after.since(before.mark()) is None


def test_what_changed_since_a_mark(folder: Folder) -> None:
    """Values count, lines do not; a record that moved to another file did not change."""
    mark = folder.read().mark()
    folder.write("crm/a-firms.yaml", "# first\n" + FIRMS.replace("name: Bolt", "name: Bolts").replace("  cent:", "  dime:"))
    folder.write("crm/b-staff.yaml", STAFF.replace("  ann: ", "  # ann: "))
    folder.write("crm/c-deals.yaml", f"{DEALS}people:\n{STAFF.splitlines()[1]}\n")

    found = folder.read().since(mark)

    bolt, cent, dime = (Address("companies", key) for key in ("bolt", "cent", "dime"))
    assert Changes((bolt, dime), (cent,)) == found


def test_nothing_changed_since_a_mark(folder: Folder) -> None:
    """The mark of now says so; one of which the sheets are gone says nothing."""
    mark = folder.read().mark()
    folder.write("crm/b-staff.yaml", STAFF + "# end\n")
    moved = folder.read()
    lost = folder.read().since({**mark, "crm/b-staff.yaml": "0-0"})

    assert (Changes((), ()), Changes((), ()), None) == (moved.since(moved.mark()), moved.since(mark), lost)


def test_holders_and_naming(folder: Folder) -> None:
    """The columns answer what looking at every record would."""
    read = folder.read()
    acme, bolt, ann = Address("companies", "acme"), Address("companies", "bolt"), Address("people", "ann")

    assert read.holders("companies", "email_domain", ["acme.test", "x.test"]) == (acme,)
    assert read.holders("people", "emails", ["a@home.test", "bob@acme.test"]) == (ann, Address("people", "bob"))
    assert read.holders("companies", "name", ["Bolt"]) == (bolt,)
    assert read.naming([acme]) == (ann, Address("opportunities", "renewal"))
    assert read.naming([bolt]) == (Address("people", "cid"),)
    asked = [("companies", "name", "Bolt"), ("companies", "email_domain", "acme.test")]
    assert read.naming([ann], asked) == tuple(
        Address(*pair) for pair in (("people", "bob"), ("opportunities", "renewal"), ("opportunities", "second"))
    )


def test_one_record_is_looked_up(folder: Folder) -> None:
    """The mapping has what is declared, and nothing else."""
    read, careful = folder.read(), folder.read_carefully()

    assert {address: read.records[address] for address in careful.records} == careful.records
    assert (len(read.records), Address("people", "eve") in read.records) == (49, False)
    with pytest.raises(KeyError):
        read.records[Address("people", "eve")]


def test_lookups_of_plan_are_the_same(folder: Folder) -> None:
    """What must be asked of Copper, and what comes out, does not depend on where the records come from."""
    read, careful = folder.read(), folder.read_carefully()

    def questions(question: resolve.Question) -> tuple[Address, ...]:
        return read.holders(*question[:2], [question[2]])

    assert resolve.lookups(careful.records, folder.catalogue) == resolve.lookups(
        read.records, folder.catalogue, holders=questions
    )


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_noticed(folder: Folder, seed: int) -> None:
    """Whatever bytes are on the shelf: never an error, never another record."""
    chance = random.Random(seed)
    expected = told(folder.read())
    for path in shelf_of(folder.project).folder.iterdir():
        content = bytearray(path.read_bytes())
        for _ in range(chance.choice([1, 5, 400])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.choice([len(content), len(content), len(content) // 2, 10, 0])])
    shelf = shelf_of(folder.project)

    assert expected == told(folder.read(shelf))
    assert expected == told(folder.read())


def test_damage_is_told_once(folder: Folder) -> None:
    """All sheets are torn, and one notice says so."""
    folder.read()
    shelf = shelf_of(folder.project)
    for path in shelf.folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1])

    folder.read(shelf)

    assert shelf.notices == [
        "The cache of files that were read before is damaged in places, which are made anew: it was cut short."
    ]


def test_a_sheet_under_the_name_of_another_is_not_believed(folder: Folder) -> None:
    """A whole and valid sheet in the wrong place."""
    expected = told(folder.read())
    one, other, *_ = sorted(shelf_of(folder.project).folder.iterdir())
    one.write_bytes(other.read_bytes())

    assert expected == told(folder.read())


def test_records_that_vanish_meanwhile_are_read_from_the_file(folder: Folder) -> None:
    """Another command threw the sheets away between two looks."""
    expected = folder.read_carefully().records
    read = folder.read()
    for path in shelf_of(folder.project).folder.iterdir():
        path.unlink()

    assert expected == dict(read.records)


def test_commands_at_once_share_one_shelf(folder: Folder) -> None:
    """Each finds what it would have found alone."""
    expected = told(folder.read_carefully())

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: told(folder.read()), range(12)))

    assert [expected] * 12 == found


def test_what_is_not_used_is_thrown_away(folder: Folder) -> None:
    """At most a few sheets of one file, and none that nobody asked for in a week; never one in use."""
    for number in range(6):
        folder.write("crm/b-staff.yaml", STAFF + f"# {number}\n")
        read = folder.read()
    shelf = shelf_of(folder.project)
    own = [sheet.id for sheet in read.sheets]
    several = len(list(shelf.folder.iterdir()))
    shelf.collect(own, now=shelf.folder.stat().st_mtime + KEPT_SECONDS + 60)

    assert (several, {f"{id}.sheet" for id in own}) == (
        len(own) - 1 + KEPT_PER_FILE, {path.name for path in shelf.folder.iterdir()}
    )  # fmt: skip


def test_a_shelf_that_cannot_be_written_only_costs_time(folder: Folder) -> None:
    """There is a file where the folder should be."""
    (folder.root / "blocked").write_text("")

    assert told(folder.read_carefully()) == told(folder.read(Shelf(folder.root / "blocked")))


def test_a_sheet_goes_through_bytes(folder: Folder) -> None:
    """Everything but the place of the packed records comes back."""
    for sheet in folder.read().sheets:
        data = to_bytes(sheet)
        size = head_bytes(data[:PREFIX_BYTES])
        bodies = data[PREFIX_BYTES + size :]
        back = from_head(
            sheet.id, data[:PREFIX_BYTES], data[PREFIX_BYTES:][:size], lambda start, end, all=bodies: all[start:end]
        )

        assert sheet == back
        assert sheet.records() == back.records()


def test_validate_uses_the_shelf(folder: Folder) -> None:
    """Both ways say the same; a damaged shelf is told."""
    folder.write("crm/b-staff.yaml", STAFF.replace('"Buyer"', "~"))
    first, again = validate(folder.project), validate(folder.project)
    for path in shelf_of(folder.project).folder.iterdir():
        path.write_bytes(b"?")
    torn = validate(folder.project)

    assert [first.diagnostics] * 2 == [again.diagnostics, torn.diagnostics]
    assert (
        [len(each.diagnostics) for each in (first, again, torn)],
        [len(each.notices) for each in (first, again, torn)],
    ) == ([1, 1, 1], [0, 0, 1])


def test_one_row_of_many_is_read_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of rows is cut by its content, so that an edit moves no cut but those around it."""
    before = folder.read()
    folder.write("crm/people-2026.jsonl", ROWS.replace('"Row 3"', '"Row three, and then some"').replace("}\n", "}\n\n", 1))

    after = folder.read()

    old, new = ({sheet.id for sheet in read.sheets if sheet.file.endswith("jsonl")} for read in (before, after))
    assert (len(new) > 4, len(new - old) <= 3) == (True, True)
    assert after.since(before.mark()) == Changes((Address("people", "r3"),), ())
    assert told(folder.read_carefully()) == told(after)


@pytest.fixture
def crowd(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A project that is worth two other processes."""
    monkeypatch.setattr(crew, "WORTH_BYTES", 4)
    monkeypatch.setattr(crew, "_cores", lambda: 3)
    return folder


def test_other_processes_read_the_same(crowd: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a shelf and without one; files with errors are read here, to be told."""
    alone: list[str] = []
    original = sheetreader._read
    monkeypatch.setattr(sheetreader, "_read", lambda piece, *rest: alone.append(piece.source.name) or original(piece, *rest))
    crowd.write("crm/b-staff.yaml", STAFF.replace("title", "titel"))
    careful = told(crowd.read_carefully())

    assert careful == told(crowd.read(Shelf(crowd.root / "elsewhere")))
    assert careful == told(crowd.read(Shelf(crowd.root / "crmsync.yaml")))
    assert {"crm/b-staff.yaml"} == set(alone)


@pytest.mark.parametrize("program", ["no-such-program", "/bin/false", "/bin/true"])
def test_without_other_processes_this_one_reads(crowd: Folder, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """They cannot be started, or end at once."""
    monkeypatch.setattr(sys, "executable", program)

    assert told(crowd.read_carefully()) == told(crowd.read())


TALKING = """\
import os, pickle
dump = pickle.dump
def talk(value, stream):
    if not os.path.exists("talked"):
        open("talked", "w").close()
        stream.write(SAID)
    dump(value, stream)
import sys; sys.path[:] = pickle.load(sys.stdin.buffer); from crmsync.project.crew import serve
pickle.dump = talk; serve()
"""


@pytest.mark.parametrize("said", [b"hello", b"N.", b".", pickle.dumps("x"), pickle.dumps([1])], ids=repr)
def test_what_others_say_beside_their_answers_is_no_answer(
    crowd: Folder, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """A library that prints something moves no file's records to another file, and nobody waits for what never comes."""
    monkeypatch.setattr(crew, "_START", f"SAID = {said!r}\n{TALKING}")
    monkeypatch.chdir(crowd.root)

    assert told(crowd.read_carefully()) == told(crowd.read())
    assert (crowd.root / "talked").exists()


def test_others_that_are_kept_do_one_work_after_the_other(crowd: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what each needs to know; those that end meanwhile are replaced by this one."""
    started: list[subprocess.Popen[bytes]] = []
    original = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(original(*a, **k)) or started[-1])
    reads = []
    with crew.kept(2):
        for title in ("titel", "title", "titles"):
            crowd.write("crm/b-staff.yaml", STAFF.replace("title", title))
            reads.append((told(crowd.read_carefully()), told(crowd.read(Shelf(crowd.root / title)))))
            if title == "title":
                started[0].kill()

    assert all(careful == read for careful, read in reads)
    assert (len(started), crew._waiting, all(each.returncode is not None for each in started)) == (2, [], True)


class Echo:
    """Work whose answer is the job."""

    def read(self, job: str) -> str:
        """Return *job*."""
        return job


def test_one_that_said_something_else_gives_no_answers_to_other_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when that could be an answer."""
    monkeypatch.setattr(crew, "_START", f"SAID = {pickle.dumps('x')!r}\n{TALKING}")
    monkeypatch.chdir(tmp_path)
    with crew.kept(1):
        for jobs in ("abc", "def", "ghi"):
            found = crew.read_together(jobs, Echo(), 1)

            assert found == {number: jobs[number] for number in found}
    assert Path("talked").exists()


def test_other_processes_run_nothing_of_the_project(crowd: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that was cloned may hold a pickle.py."""
    (crowd.root / "pickle.py").write_text("open('was-run', 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(crowd.root)

    assert told(crowd.read_carefully()) == told(crowd.read())
    assert not (crowd.root / "was-run").exists()


def test_other_processes_do_not_get_the_key(crowd: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """They read files, and need to know nothing else."""
    monkeypatch.setenv("COPPER_API_KEY", "secret")
    seen: list[dict[str, str]] = []
    original = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, env, **k: seen.append(env) or original(*a, env=env, **k))

    crowd.read()

    assert ["COPPER_API_KEY" in environ for environ in seen] == [False, False]


def test_interrupted_reading_leaves_no_process(crowd: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the parent's wait ends the others."""
    started: list[subprocess.Popen[bytes]] = []
    original = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(original(*a, **k)) or started[-1])
    monkeypatch.setattr(threading.Thread, "join", lambda thread: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        crowd.read()

    assert len(started) == 2
    assert all(each.returncode is not None for each in started)


def test_a_sheet_of_another_version_is_made_anew(desk: Desk) -> None:
    """One that is whole, and not as this version writes it, is no fault of anybody: the plan is the same."""
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme}\n")
    first = desk.done("plan")
    (path,) = (desk.root / ".crmsync" / "cache" / "default" / "sheets").glob("*.sheet")
    content = path.read_bytes()
    start, size = PREFIX_BYTES, head_bytes(content[:PREFIX_BYTES])
    head = content[start : start + size].replace(b'"line"', b'"lime"')
    check = xxh3_128_digest(head)
    path.write_bytes(content[: start - 16] + check + head + content[start + size :])

    ran = desk.run("plan")

    assert (ran.code, ran.out) == (0, first)
    assert "another version of crmsync wrote it" in ran.err


@pytest.mark.parametrize("folder", ["cache", "cache/default", "cache/default/sheets", "runs"])
def test_private_folders_that_are_links_are_refused(desk: Desk, folder: str) -> None:
    """A project that was cloned may hold one, and what is old in the cache is thrown away: nothing of anybody else's is."""
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme}\n")
    desk.done("plan")
    path, elsewhere = desk.root / ".crmsync" / folder, desk.root / "elsewhere"
    path.mkdir(exist_ok=True)
    path.rename(elsewhere)
    path.symlink_to(elsewhere, target_is_directory=True)
    letters = [
        elsewhere / below / "letter.txt" for below in ("", "sheets", "default/sheets") if (elsewhere / below).is_dir()
    ]
    for letter in letters:
        letter.write_text("Dear Ann", encoding="utf-8")
        os.utime(letter, (0, 0))
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme Inc}\n")

    ran = [desk.run("validate"), desk.run("plan")]

    assert [each.code for each in ran] == [1, 1]
    assert all(f"{folder} is a link, and crmsync writes only inside the project" in each.err for each in ran)
    assert all(letter.exists() for letter in letters)


def test_who_seeks_some_finds_them_without_knowing_of_all(folder: Folder) -> None:
    """Of those that were sought it is known whether they stand anywhere; who asks for others learns of all."""
    records = SheetRecords(list(folder.read().sheets), lambda at: pytest.fail("nothing is damaged"))
    every = list(records)
    sought = [every[0], every[-1], every[len(every) // 2], Address("people", "nobody")]
    records.seek(sought)

    assert [each in records for each in sought] == [True, True, True, False]
    assert [records[each].address for each in sought[:-1]] == sought[:-1]
    assert "hashes" not in vars(records)
    assert [each in records for each in (*every, Address("people", "no one"))] == [*(True for _ in every), False]
    assert "hashes" in vars(records)
