"""
The sandbox over HTTP, on this computer only; the one module that knows starlette and uvicorn.

The API is below `/developer_api/v1`, as Copper's. Below `/sandbox` are the hands and eyes of other people:
create, edit, delete, merge, clone, hide, faults, log, records, notices. Below `/uploads` files are PUT. Faults
that raise in `Sandbox.handle` are real here: a reset aborts the connection without a reply, a timeout holds it in
silence first. A refused connection cannot be imitated once it is accepted; it is a reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from crmsync.sandbox.faults import Fault, SilentTimeout
from crmsync.sandbox.outside import LabelError
from crmsync.sandbox.replies import Json, Refusal, dump, parse
from crmsync.sandbox.sandbox import Sandbox
from crmsync.sandbox.tables import BY_SINGULAR
from crmsync.sandbox.uploads import UploadError

BASE = "/developer_api/v1"
UPLOADS = "/uploads"
OnReady = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


# ---- the API

# A connection can only be aborted by its transport, which ASGI does not hand on: found by the client's port.
TRANSPORTS: dict[tuple[str, int], asyncio.Transport] = {}


class _Protocol(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # theirs says BaseTransport
        TRANSPORTS[tuple(transport.get_extra_info("peername")[:2])] = transport
        # asyncio does this only for sockets that name their protocol; without it every reply takes 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        TRANSPORTS.pop(tuple(self.transport.get_extra_info("peername")[:2]), None)
        super().connection_lost(exc)


class _Api:
    """The ASGI face of `Sandbox.handle`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        raw = scope["raw_path"].decode("latin-1").split("?")[0].removeprefix(BASE)
        query = scope["query_string"].decode("latin-1")
        body = await http.body()
        request = _Request(http.method, f"{raw}?{query}" if query else raw, dict(http.headers), body)
        try:
            reply = self._sandbox.handle(request)  # it lets in one at a time, and waits for nothing
        except (ConnectionError, TimeoutError) as error:
            seconds = error.seconds if isinstance(error, SilentTimeout) else 0.0
            await _hang_up(scope, receive, seconds)
            return
        await Response(reply.body, reply.status, dict(reply.headers))(scope, receive, send)


async def _hang_up(scope: Scope, receive: Receive, seconds: float) -> None:
    """Say nothing for *seconds*, or until the client leaves, then reset the connection."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_gone(receive), max(seconds, 0.001))
    transport = TRANSPORTS.get(tuple(scope["client"][:2]))
    if transport is not None:
        # Lingering for no time makes the kernel send a reset instead of an orderly end.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


# ---- other people


def _plural(values: Mapping[str, Json]) -> str:
    kind = str(values["type"])
    return BY_SINGULAR[kind].plural if kind in BY_SINGULAR else kind


def _create(sandbox: Sandbox, values: Mapping[str, Json]) -> Json:
    return {"id": sandbox.create(_plural(values), values["values"])}


def _edit(sandbox: Sandbox, values: Mapping[str, Json]) -> Json:
    return sandbox.edit(_plural(values), values["id"], values["values"])


def _delete(sandbox: Sandbox, values: Mapping[str, Json]) -> Json:
    sandbox.delete(_plural(values), values["id"])
    return {"id": values["id"], "is_deleted": True}


def _merge(sandbox: Sandbox, values: Mapping[str, Json]) -> Json:
    sandbox.merge(_plural(values), values["winner"], values["loser"])
    return {"id": values["winner"]}


def _clone(sandbox: Sandbox, values: Mapping[str, Json]) -> Json:
    return {"id": sandbox.clone(_plural(values), values["id"])}


def _hide(sandbox: Sandbox, values: Mapping[str, Json]) -> Json:
    hidden = values.get("hidden", True)
    sandbox.hide(_plural(values), values["id"], hidden)
    return {"id": values["id"], "hidden": hidden}


def _faults(sandbox: Sandbox, values: Mapping[str, Json]) -> Json:
    sandbox.faults = [Fault(**fault) for fault in values["faults"]]
    return {"faults": len(sandbox.faults)}


ACTIONS: dict[str, Callable[[Sandbox, Mapping[str, Json]], Json]] = {
    "create": _create,
    "edit": _edit,
    "delete": _delete,
    "merge": _merge,
    "clone": _clone,
    "hide": _hide,
    "faults": _faults,
}


def _admin_routes(sandbox: Sandbox) -> list[Route]:
    async def act(request: HttpRequest) -> Response:
        action = ACTIONS.get(request.path_params["action"])
        if action is None:
            return _json({"error": f"There is no such action. Known: {', '.join(ACTIONS)}."}, 404)
        try:
            body = parse(await request.body())
            # A list of faults may come bare; an empty list parses as {}.
            values = {"faults": body or []} if action is _faults and "faults" not in body else body
            return _json(action(sandbox, values))
        except KeyError as error:
            return _json({"error": f"The key {error.args[0]} is missing."}, 422)
        except (LabelError, TypeError, ValueError, Refusal) as error:
            return _json({"error": str(error)}, 422)

    async def log(request: HttpRequest) -> Response:
        return _json([dataclasses.asdict(entry) for entry in sandbox.log])

    async def notices(request: HttpRequest) -> Response:
        return _json([dataclasses.asdict(notice) for notice in sandbox.notices])

    async def records(request: HttpRequest) -> Response:
        try:
            return _json(sandbox.records(request.path_params["plural"]))
        except LabelError as error:
            return _json({"error": str(error)}, 404)

    return [
        Route("/log", log),
        Route("/notices", notices),
        Route("/records/{plural}", records),
        Route("/{action}", act, methods=["POST"]),
    ]


def _upload_route(sandbox: Sandbox) -> Route:
    async def upload(request: HttpRequest) -> Response:
        try:
            kind = request.headers.get("Content-Type", "")
            sandbox.upload(request.path_params["key"], await request.body(), kind)
        except UploadError as error:
            return _json({"error": str(error)}, 403)
        return Response(status_code=200)

    return Route(f"{UPLOADS}/{{key}}", upload, methods=["PUT"])


def _json(value: Json, status: int = 200) -> Response:
    return Response(dump(value), status, media_type="application/json")


# ---- serving


def build_app(sandbox: Sandbox, on_startup: Callable[[], None] = lambda: None) -> Starlette:
    """Return the ASGI application of *sandbox*."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        on_startup()
        yield

    return Starlette(
        routes=[
            Mount("/sandbox", routes=_admin_routes(sandbox)),
            _upload_route(sandbox),
            Mount(BASE, app=_Api(sandbox)),
        ],
        # Other names mean that a web page has pointed its own name at this computer.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])],
        exception_handlers={404: _not_found, ClientDisconnect: _left},
        lifespan=lifespan,
    )


async def _not_found(request: HttpRequest, error: Exception) -> Response:
    return _json({"error": "not_found"}, 404)


async def _left(request: HttpRequest, error: Exception) -> Response:
    """Answer nobody: a command that is killed while it sends is no error of ours."""
    return Response(status_code=400)


def build_server(
    sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0, on_ready: OnReady | None = None
) -> tuple[uvicorn.Server, socket.socket]:
    """Return the server and its listening socket; raise ValueError for a host others could reach."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        is_loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(f"The sandbox listens on this computer only. Use 127.0.0.1 or ::1 instead of {host}.")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.create_server((address, port), family=family)
    shown = f"[{address}]" if ":" in address else address
    url = f"http://{shown}:{listening.getsockname()[1]}{BASE}"
    sandbox.uploads.url = f"{url.removesuffix(BASE)}{UPLOADS}"
    app = build_app(sandbox, (lambda: on_ready(url)) if on_ready else (lambda: None))
    settings: dict[str, Any] = {
        "http": _Protocol,
        "log_level": "warning",
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 1,
    }
    return uvicorn.Server(uvicorn.Config(app, **settings)), listening


def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0, on_ready: OnReady | None = None) -> None:
    """Serve until interrupted; *on_ready* is given the base URL once requests are answered."""
    server, listening = build_server(sandbox, host, port, on_ready)
    # What is there now stays: the collector need not look at 100,000 records again and again.
    gc.collect()
    gc.freeze()
    # uvicorn has shut down in order by the time it passes the interrupt on.
    with listening, contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
