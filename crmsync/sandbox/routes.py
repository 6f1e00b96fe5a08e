"""
The routes, as rows of (method, pattern, handler); what is not here answers 404 `{"error":"not_found"}`.

Patterns have literal segments and `{name}` segments; a literal is tried first. Source: copper-api.md
section 2. An operation is added by adding a row, an entity's operations by a row in `tables.ENTITIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from urllib.parse import parse_qsl, unquote, urlsplit

from crmsync.sandbox import activities, activity_types, definitions, files, hooks, layouts, leads, links
from crmsync.sandbox.bulk import bulk_create, bulk_update
from crmsync.sandbox.calls import Call, Route, path_id
from crmsync.sandbox.related import relate, related, unrelate
from crmsync.sandbox.replies import (
    Answer,
    Invalid,
    Json,
    Refusal,
    blank,
    common,
    no_route,
    not_found,
    server_error,
    unauthorized,
)
from crmsync.sandbox.search import search, search_users
from crmsync.sandbox.show import show
from crmsync.sandbox.store import canonical
from crmsync.sandbox.tables import ENTITIES, EntityRow
from crmsync.sandbox.tags import list_tags
from crmsync.sandbox.world import World
from crmsync.sandbox.write import create, delete, heal, update

# ---- records


def _get(row: EntityRow, world: World, call: Call) -> Answer:
    id = path_id(world, call.parts["id"])
    record, ghost = world.visible(row.plural, id), world.late(row.plural, id)
    if ghost is not None:
        return Answer(show(world, row, ghost, computed=call.computed))
    if record is None or world.is_unseen(row.plural, id):
        raise not_found()
    return Answer(show(world, row, heal(world, row, record), computed=call.computed))


def _create(row: EntityRow, world: World, call: Call) -> Answer:
    if call.body == {} and world.quirks.empty_create == "error":
        raise server_error()
    return Answer(show(world, row, create(world, row, call.body), computed=call.computed))


def _update(row: EntityRow, world: World, call: Call) -> Answer:
    record = update(world, row, path_id(world, call.parts["id"]), call.body)
    return Answer(show(world, row, record, computed=call.computed))


def _delete(row: EntityRow, world: World, call: Call) -> Answer:
    id = path_id(world, call.parts["id"])
    was_there = world.store.get(row.plural, id) is None and row.first_id <= id < world.store.next_id(row.plural)
    if was_there and world.quirks.delete_again == "accept":
        return Answer({"id": id, "is_deleted": True})
    return Answer(delete(world, row, id))


def _search(row: EntityRow, world: World, call: Call) -> Answer:
    return search(world, row, call.criteria, computed=call.computed)


def _bulk_create(row: EntityRow, world: World, call: Call) -> Answer:
    return Answer(bulk_create(world, row, call.body, computed=call.computed))


def _bulk_update(row: EntityRow, world: World, call: Call) -> Answer:
    return Answer(bulk_update(world, row, call.body, computed=call.computed))


def _related(row: EntityRow, world: World, call: Call) -> Answer:
    return Answer(related(world, row, path_id(world, call.parts["id"]), call.parts.get("plural")))


def _relate(row: EntityRow, world: World, call: Call) -> Answer:
    return Answer(relate(world, row, path_id(world, call.parts["id"]), call.body))


def _unrelate(row: EntityRow, world: World, call: Call) -> Answer:
    return Answer(unrelate(world, row, path_id(world, call.parts["id"]), call.body))


def _fetch_by_email(world: World, call: Call) -> Answer:
    """Answer the person with the e-mail (6.4); upper case counts as the quirk email_case says."""
    email = call.body.get("email") if isinstance(call.body, dict) else None
    if not isinstance(email, str) or not email.strip():
        raise Invalid([blank("email")])
    row = ENTITIES["people"]
    for id in world.store.ids("people", "emails", canonical(email)):
        record = world.visible("people", id)
        exact = record and any(item["email"].strip() == email.strip() for item in record["emails"])
        if record and (exact or world.quirks.email_case == "casefold"):
            return Answer(show(world, row, record, computed=call.computed))
    raise not_found()


# ---- what can only be read


def _account(world: World, call: Call) -> Answer:
    return Answer(world.account.show())


def _me(world: World, call: Call) -> Answer:
    mine = canonical(call.user_email)
    return Answer(next(u.show() for u in world.account.users if canonical(u.email) == mine))


def _user(world: World, call: Call) -> Answer:
    return Answer(_by_id(world, call, {user.id: user.show() for user in world.account.users}))


def _users(world: World, call: Call) -> Answer:
    return search_users(world, call.criteria)


def _pipelines(world: World, call: Call) -> Answer:
    return Answer([pipeline.show() for pipeline in world.account.pipelines])


def _stages(world: World, call: Call) -> Answer:
    return Answer([stage for pipeline in world.account.pipelines for stage in pipeline.show_stages()])


def _stages_of(world: World, call: Call) -> Answer:
    return Answer(_by_id(world, call, {p.id: p.show_stages() for p in world.account.pipelines}))


def _by_id(world: World, call: Call, table: Mapping[int, Json]) -> Json:
    id = path_id(world, call.parts["id"])
    if id not in table:
        raise not_found()
    return table[id]


def _lookup(name: str, world: World, call: Call) -> Answer:
    return Answer([{"id": row.id, "name": row.name} for row in world.account.lookups.get(name, ())])


def _lead_statuses(world: World, call: Call) -> Answer:
    rows = world.account.lookups.get("lead_statuses", ())
    # Counted from 1 (leads/list-lead-statuses.html).
    return Answer([{"id": s.id, "name": s.name, "order": n, "is_default": n == 1} for n, s in enumerate(rows, start=1)])


def _tags(world: World, call: Call) -> Answer:
    return Answer(list_tags(world, call.query))


# ---- the table


def _entity_routes(row: EntityRow) -> Iterator[Route]:
    base, one = f"/{row.plural}", f"/{row.plural}/{{id}}"
    yield Route("GET", one, partial(_get, row))
    yield Route("POST", base, partial(_create, row), writes=True)
    yield Route("PUT", one, partial(_update, row), writes=True)
    yield Route("DELETE", one, partial(_delete, row), writes=True)
    yield Route("POST", f"{base}/search", partial(_search, row))
    yield Route("GET", f"{one}/related", partial(_related, row))
    yield Route("GET", f"{one}/related/{{plural}}", partial(_related, row))
    yield Route("POST", f"{one}/related", partial(_relate, row), writes=True)
    yield Route("DELETE", f"{one}/related", partial(_unrelate, row), writes=True)
    for verb in row.bulk:
        handler = partial(BULK[verb], row)
        yield Route("POST", f"{base}/bulk_{verb}", handler, writes=True, is_bulk=True)
    if row.has_activities:
        yield Route("POST", f"{one}/activities", partial(activities.of_record, row))
    if row.has_files:
        yield Route("GET", f"{one}/files", partial(files.list_files, row))
        yield Route("GET", f"{one}/files/s3_signed_url", partial(files.signed_url, row))
        yield Route("GET", f"{one}/files/{{file_id}}", partial(files.get, row))
        yield Route("POST", f"{one}/files", partial(files.create, row), writes=True)


BULK: dict[str, Callable[[EntityRow, World, Call], Answer]] = {"create": _bulk_create, "update": _bulk_update}
LOOKUPS = ("contact_types", "customer_sources", "loss_reasons")
ROUTES: tuple[Route, ...] = (
    Route("GET", "/account", _account),
    Route("GET", "/users/me", _me),
    Route("GET", "/users/{id}", _user),
    Route("POST", "/users/search", _users),
    Route("GET", "/custom_field_definitions", definitions.list_all),
    Route("POST", "/custom_field_definitions", definitions.create, writes=True),
    Route("GET", "/custom_field_definitions/{id}", definitions.get),
    Route("PUT", "/custom_field_definitions/{id}", definitions.update, writes=True),
    Route("DELETE", "/custom_field_definitions/{id}", definitions.delete, writes=True),
    Route("GET", "/related_links", links.list_links),
    Route("POST", "/related_links", links.create, writes=True),
    Route("DELETE", "/related_links/{id}", links.delete, writes=True),
    Route("GET", "/pipelines", _pipelines),
    Route("GET", "/pipeline_stages", _stages),
    Route("GET", "/pipeline_stages/pipeline/{id}", _stages_of),
    *(Route("GET", f"/{name}", partial(_lookup, name)) for name in LOOKUPS),
    Route("GET", "/lead_statuses", _lead_statuses),
    Route("GET", "/tags", _tags),
    Route("GET", "/field_layouts/by_entity/{plural}", layouts.layout),
    Route("POST", "/people/fetch_by_email", _fetch_by_email),
    Route("PUT", "/leads/upsert", leads.upsert, writes=True),
    Route("POST", "/leads/{id}/convert", leads.convert, writes=True),
    *(route for row in ENTITIES.values() for route in _entity_routes(row)),
    Route("GET", "/activity_types", activities.list_types),
    Route("GET", "/activities/{id}", activities.get),
    Route("POST", "/activities", activities.create, writes=True),
    Route("PUT", "/activities/{id}", activities.update, writes=True),
    Route("DELETE", "/activities/{id}", activities.delete, writes=True),
    Route("POST", "/activities/search", activities.search),
    Route("POST", "/activities/bulk_create", activities.bulk_create, writes=True, is_bulk=True),
    Route("GET", "/custom_activity_types", activity_types.list_all),
    Route("POST", "/custom_activity_types", activity_types.create, writes=True),
    Route("GET", "/custom_activity_types/{id}", activity_types.get),
    Route("PUT", "/custom_activity_types/{id}", activity_types.update, writes=True),
    Route("GET", "/webhooks", hooks.list_all),
    Route("POST", "/webhooks", hooks.create, writes=True),
    Route("GET", "/webhooks/{id}", hooks.get),
    Route("PUT", "/webhooks/{id}", hooks.update, writes=True),
    Route("DELETE", "/webhooks/{id}", hooks.delete, writes=True),
)


def answer(route: Route, world: World, call: Call) -> Answer:
    """Return what the route answers; lead calls are refused where leads are switched off (4.1)."""
    if route.pattern.startswith("/leads") and not world.account.leads:
        status = int(world.quirks.leads_off)
        raise Refusal(status, common(status, "Feature not enabled"))
    return route.handler(world, call)


def _by_shape() -> dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]]:
    table: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}
    for route in ROUTES:
        segments = tuple(route.pattern.strip("/").split("/"))
        table.setdefault((route.method, len(segments)), []).append((segments, route))
    for routes in table.values():
        routes.sort(key=lambda entry: sum(segment.startswith("{") for segment in entry[0]))
    return table


BY_SHAPE = _by_shape()


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route of a path without query, and its parameters; raise the 404 of unknown routes."""
    # A trailing slash is taken: several public clients send one (section 13).
    segments = path.strip("/").split("/")
    for pattern, route in BY_SHAPE.get((method, len(segments)), ()):
        if all(want == have or want[0] == "{" for want, have in zip(pattern, segments, strict=True)):
            pairs = zip(pattern, segments, strict=True)
            return route, {want[1:-1]: unquote(have) for want, have in pairs if want[0] == "{"}
    if (method, "/".join(segments)) in FORBIDDEN:
        raise unauthorized()
    raise no_route()


FORBIDDEN = {("POST", "pipeline_stages/search")}
"""What is no operation and answers 401 in place of 404 (copper-field.md 2.1)."""


def read_query(path: str) -> tuple[str, dict[str, Json]]:
    """Return path and query apart; `ids[]=1&ids[]=2` is a list."""
    parts = urlsplit(path)
    query: dict[str, Json] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key.endswith("[]"):
            query.setdefault(key[:-2], []).append(value)
        else:
            query[key] = value
    return parts.path, query
