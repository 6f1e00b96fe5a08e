"""`POST /{plural}/search`: criteria, order, pages and the total (copper-api.md section 6)."""

from __future__ import annotations

from random import Random

from crmsync.sandbox.codec import Bad, as_int
from crmsync.sandbox.filters import FILTERS, MODIFIED, UNDOCUMENTED_MODIFIED, FilterRow, Test
from crmsync.sandbox.finding import cut, find
from crmsync.sandbox.replies import Answer, Invalid, Json, Problem, bad_request, unrecognized, wrong
from crmsync.sandbox.show import show, show_rows
from crmsync.sandbox.sorts import SORTS
from crmsync.sandbox.tables import EntityRow
from crmsync.sandbox.world import World

PAGING = ("page_number", "page_size", "sort_by", "sort_direction")
LARGEST_PAGE = 200
CAP = 100_000


def search(world: World, row: EntityRow, body: Json, *, computed: bool = False) -> Answer:
    """Return one page of the records that meet every criterion in *body*, and X-PW-TOTAL."""
    if not isinstance(body, dict):
        raise bad_request("the body must be an object")
    problems: list[Problem] = []
    tests = _tests(world, row, body, problems)
    number, size = read_paging(world, body, problems)
    name, descending = _sorting(row, body, problems)
    if problems:
        raise Invalid(problems)
    matches = find(world, row, body, tests, name)
    start, end, total = page_window(world, len(matches), number, size)
    # Only the first 100,000 matches can be had (section 6); pages beyond are empty (section 13).
    page = cut(matches, start, end, descending) if number * size <= CAP else ()
    rows = [show(world, row, record, computed=True) for record in page] if computed else show_rows(world, row, page)
    return Answer(rows, headers=(("X-PW-TOTAL", str(total)),))


def search_users(world: World, body: Json) -> Answer:
    """Return one page of the users; paging is all this search knows (4.1)."""
    if not isinstance(body, dict):
        raise bad_request("the body must be an object")
    unknown = [key for key in body if key not in PAGING[:2]]
    problems = [unrecognized(unknown)] if unknown else []
    number, size = read_paging(world, body, problems)
    if problems:
        raise Invalid(problems)
    users = world.account.users
    page = [user.show() for user in users[(number - 1) * size : number * size]]
    return Answer(page, headers=(("X-PW-TOTAL", str(len(users))),))


def _known(world: World, row: EntityRow, key: str) -> bool:
    if key == "ids" and row.plural == "leads" and world.quirks.lead_ids_filter == "refused":
        return False
    if key in MODIFIED and row.plural in UNDOCUMENTED_MODIFIED and world.quirks.modified_filter == "refused":
        return False
    return key in PAGING or key in FILTERS[row.plural]


def _tests(world: World, row: EntityRow, body: dict[str, Json], problems: list[Problem]) -> dict[str, Test]:
    unknown = [key for key in body if not _known(world, row, key)]
    if unknown:
        problems.append(unrecognized(unknown))
    tests: dict[str, Test] = {}
    for key in body.keys() - set(unknown) - set(PAGING):
        filter_row: FilterRow = FILTERS[row.plural][key]
        try:
            if body[key] is None:
                raise Bad("can't be null")
            test = filter_row.make(world, filter_row, body[key])
        except Bad as bad:
            problems.append(Problem(key, wrong(key, bad.why).text, bad.code))
            continue
        if test is not None:
            tests[key] = test
    return tests


def read_paging(world: World, body: dict[str, Json], problems: list[Problem]) -> tuple[int, int]:
    """Return the number and size of the page asked for."""
    number, size = as_int(body.get("page_number", 1)), as_int(body.get("page_size", 20))
    if number is None or number < 1:
        problems.append(wrong("page_number", f"must be 1 or more: {body['page_number']}"))
    if size is not None and world.quirks.page_size == "clamp":
        size = min(max(size, 1), LARGEST_PAGE)
    if size is None or not 1 <= size <= LARGEST_PAGE:
        problems.append(wrong("page_size", f"must be from 1 to {LARGEST_PAGE}: {body['page_size']}"))
    return number or 1, size or 1


def _sorting(row: EntityRow, body: dict[str, Json], problems: list[Problem]) -> tuple[str, bool]:
    name = body.get("sort_by", row.default_sort)
    if not isinstance(name, str) or name not in SORTS[row.plural]:
        problems.append(wrong("sort_by", f"{name}"))
        name = row.default_sort
    direction = body.get("sort_direction", "asc")
    if direction not in ("asc", "desc"):
        problems.append(wrong("sort_direction", f"{direction}"))
    return name, direction == "desc"


def page_window(world: World, count: int, number: int, size: int) -> tuple[int, int, int]:
    """
    Return start and end of a page, and the total to tell.

    Short pages give up to a tenth of their rows to the pages after them; the total then is the bound that
    keeps `ceil(total / page_size)` pages sufficient (section 6, section 13).
    """
    surplus = 1 + count // 100 if world.quirks.total == "surplus" else 0
    if world.quirks.short_pages == "off":
        return (number - 1) * size, number * size, count + surplus
    ends = [0]
    lengths = Random(f"{world.seed}/{size}")
    while ends[-1] < count:
        ends.append(ends[-1] + size - lengths.randint(0, size // 10))
    pages = len(ends) - 1
    total = max(count, (pages - 1) * size + 1 if pages else 0) + surplus
    return (ends[number - 1], ends[number], total) if number <= pages else (count, count, total)
