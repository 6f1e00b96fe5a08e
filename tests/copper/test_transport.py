"""The real transport against real sockets that behave badly."""

from __future__ import annotations

import gzip
import pickle
import socket
import ssl
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from crmsync.copper.client import Client
from crmsync.copper.errors import AuthenticationFailed, Misconfigured, ServerTrouble
from crmsync.copper.pace import Pacer
from crmsync.copper.transport import (
    BASE_URL,
    Credentials,
    Secret,
    Timeouts,
    Transport,
    _translated,
    base_url_from_env,
    credentials_from_env,
    key_from_keyring,
)
from crmsync.model.http import Request, header, json_request

KEY = "k3y-0f-dana"
CREDENTIALS = Credentials(Secret(KEY), "dana@ourfirm.com")
SHORT = Timeouts(connect=0.5, read=0.3, total=0.6)


class Server(ThreadingHTTPServer):
    """A server on this machine that does what it is told, and keeps what it was sent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave: Callable[[Handler], None] = lambda handler: handler.reply(200, b"{}")
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/developer_api/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that went away."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        self.server.behave(self)

    do_GET = do_POST = do_PUT = do_DELETE = do  # noqa: N815 - the names http.server calls

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Be quiet."""

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()
        self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    """The server."""
    yield from serving(Server())


def serving(server: Server) -> Iterator[Server]:
    """Let *server* serve."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def transport(server: Server) -> Iterator[Transport]:
    """A transport to the server, with little patience."""
    transport = Transport(server.url, CREDENTIALS, timeouts=SHORT, largest_body=100_000)
    yield transport
    transport.close()


def test_what_is_sent(server, transport):
    """Method, path, body and Copper's headers arrive as they should, on the base URL's path."""
    response = transport(json_request("PUT", "/people/1?custom_field_computed_values=true", {"name": "Zoë"}))

    method, path, headers, body = server.requests[0]
    assert (method, path) == ("PUT", "/developer_api/v1/people/1?custom_field_computed_values=true")
    assert body == '{"name":"Zoë"}'.encode()
    assert (headers["X-PW-AccessToken"], headers["X-PW-Application"], headers["X-PW-UserEmail"]) == (
        KEY,
        "developer_api",
        "dana@ourfirm.com",
    )
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("crmsync/")
    assert (response.status, response.body) == (200, b"{}")


def test_a_delete_can_have_a_body(server, transport):
    """Relations are removed with a body."""
    transport(json_request("DELETE", "/people/1/related", {"resource": {"id": 2, "type": "company"}}))

    assert server.requests[0][3] == b'{"resource":{"id":2,"type":"company"}}'


def test_connections_are_used_again(server, transport):
    """Several requests go over one connection."""
    ports = []
    server.behave = lambda handler: (ports.append(handler.client_address[1]), handler.reply(200, b"[]"))
    for _ in range(3):
        transport(Request("GET", "/pipelines"))

    assert len(set(ports)) == 1


def test_errors_are_answers(server, transport):
    """A status is for the caller to judge; nothing is raised for it."""
    server.behave = lambda handler: handler.reply(422, b'{"message":"no"}', X_PW_Total="7")
    response = transport(Request("GET", "/account"))

    assert (response.status, response.body, header(response, "X-PW-TOTAL")) == (422, b'{"message":"no"}', "7")


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """A second server, which must hear nothing."""
    yield from serving(Server())


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("target", ["same", "other", "other host", "without scheme"])
def test_no_redirect_is_followed(server, elsewhere, transport, status, method, target):
    """On no method and to nowhere, not even to the same server: the redirect itself is the answer, and no key travels on."""
    targets = {
        "same": f"{server.url}/elsewhere",
        "other": f"{elsewhere.url}/people",
        "other host": f"{elsewhere.url}/people".replace("127.0.0.1", "localhost"),
        "without scheme": f"{elsewhere.url}/people".removeprefix("http:"),
    }
    headers = {"Location": targets[target], "Refresh": f"0; url={targets[target]}"}
    server.behave = lambda handler: handler.reply(status, b"", **headers)

    assert transport(json_request(method, "/people", {"name": "Canary"})).status == status
    assert (len(server.requests), elsewhere.requests) == (1, [])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_client_makes_a_redirect_an_error(server, elsewhere, method):
    """What a command ends with names the redirect; the other server was never asked."""
    server.behave = lambda handler: handler.reply(307, b"", Location=f"{elsewhere.url}/people")
    client = Client(Transport(server.url, CREDENTIALS, timeouts=SHORT), Pacer(6000), may_write=True, sleep=lambda _: None)
    if method == "GET":
        with pytest.raises(ServerTrouble, match="redirects elsewhere"):
            client.read(Request("GET", "/account"))
    else:
        assert client.write(json_request("POST", "/people", {"name": "Ann"})).status == 307
    assert elsewhere.requests == []


def test_no_cookie_is_kept(server, transport):
    """The server cannot mark us."""
    server.behave = lambda handler: handler.reply(200, b"{}", Set_Cookie="id=1; Path=/")
    transport(Request("GET", "/account"))
    transport(Request("GET", "/account"))

    assert "Cookie" not in server.requests[1][2]


PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def test_nothing_comes_from_the_environment(server, elsewhere, transport, monkeypatch, tmp_path):
    """Proxies and .netrc of the user are not asked: the key would pass through the one and be replaced by the other."""
    for name in PROXIES:
        monkeypatch.setenv(name, elsewhere.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    transport(Request("GET", "/account"))

    assert "Authorization" not in server.requests[0][2]
    assert server.requests[0][2]["X-PW-AccessToken"] == KEY
    assert elsewhere.requests == []


# TLS.


def certificate(folder: Path, *, host: str = "localhost", days: int = 1) -> tuple[Path, Path]:
    """Return the files of a certificate that vouches for itself, and of its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    paths = folder / f"{host}.pem", folder / f"{host}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def secured(server: Server, files: tuple[Path, Path], newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> str:
    """Let *server* speak TLS, and return its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
    context.load_cert_chain(*files)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server.url.replace("http://127.0.0.1", "https://localhost")


VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.mark.parametrize("variable", ["", *VARIABLES])
def test_a_stranger_is_not_trusted(server, monkeypatch, tmp_path, variable):
    """A server that only vouches for itself is refused, also when a variable of the environment vouches for it."""
    files = certificate(tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path if variable.endswith("DIR") else files[0]))
    url = secured(server, files)

    with pytest.raises(ConnectionRefusedError):
        Transport(url, CREDENTIALS, timeouts=SHORT)(Request("GET", "/account"))
    assert server.requests == []


@pytest.mark.parametrize(
    ("host", "days", "newest"),
    [
        ("localhost", 1, ssl.TLSVersion.MAXIMUM_SUPPORTED),
        ("other.example", 1, ssl.TLSVersion.MAXIMUM_SUPPORTED),
        ("localhost", -1, ssl.TLSVersion.MAXIMUM_SUPPORTED),
        ("localhost", 1, ssl.TLSVersion.TLSv1_1),
    ],
    ids=["trusted", "other host", "expired", "old TLS"],
)
def test_whom_the_authorities_vouch_for(server, monkeypatch, tmp_path, host, days, newest):
    """With its certificate among the authorities a server is trusted, if it is the right one, in time, and not of old."""
    files = certificate(tmp_path, host=host, days=days)
    monkeypatch.setattr("requests.utils.DEFAULT_CA_BUNDLE_PATH", str(files[0]))
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(files[0]))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    send = Transport(secured(server, files, newest), CREDENTIALS, timeouts=SHORT)
    if (host, days, newest) == ("localhost", 1, ssl.TLSVersion.MAXIMUM_SUPPORTED):
        assert send(Request("GET", "/account")).status == 200
    else:
        with pytest.raises(ConnectionError):
            send(Request("GET", "/account"))
        assert server.requests == []
    assert not (tmp_path / "keys").exists()


def test_a_compressed_answer_is_read(server, transport):
    """Pages of records come compressed."""
    server.behave = lambda handler: handler.reply(200, gzip.compress(b"[1]" * 1000), Content_Encoding="gzip")

    assert transport(Request("GET", "/people")).body == b"[1]" * 1000


def test_a_chunked_answer_is_read(server, transport):
    """An answer without a length is read to its end."""

    def chunked(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n")

    server.behave = chunked
    assert transport(Request("GET", "/people")).body == b"[1,2]"


# What goes wrong after the request left: nobody knows.


def slow(handler: Handler) -> None:
    time.sleep(0.5)


def slow_body(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
    time.sleep(0.5)


def dripping(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
    for _ in range(50):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def reset(handler: Handler) -> None:
    handler.reset()


def reset_in_the_middle(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
    handler.reset()


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def truncated(handler: Handler) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"id":1}')
    handler.close_connection = True


def truncated_chunks(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n")
    handler.close_connection = True


def odd_chunks(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[1,2]\r\n0\r\n\r\n")
    handler.close_connection = True


def broken_gzip(handler: Handler) -> None:
    handler.reply(200, b"not compressed", Content_Encoding="gzip")


def cut_gzip(handler: Handler) -> None:
    handler.reply(200, gzip.compress(b"[1]" * 1000)[:20], Content_Encoding="gzip")


def giant(handler: Handler) -> None:
    handler.reply(200, b" " * 200_000)


def bomb(handler: Handler) -> None:
    handler.reply(200, gzip.compress(b" " * 10_000_000), Content_Encoding="gzip")


def nonsense(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    handler.close_connection = True


def endless_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-More: more\r\n" * 200 + b"\r\n")


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (slow, TimeoutError),
        (slow_body, TimeoutError),
        (dripping, TimeoutError),
        (reset, ConnectionResetError),
        (reset_in_the_middle, ConnectionResetError),
        (hang_up, ConnectionResetError),
        (truncated, ConnectionResetError),
        (truncated_chunks, ConnectionResetError),
        (odd_chunks, ConnectionResetError),
        (broken_gzip, ConnectionResetError),
        (giant, ConnectionResetError),
        (bomb, ConnectionResetError),
        (nonsense, ConnectionResetError),
        (endless_headers, ConnectionResetError),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_trouble_after_sending_is_unknown(server, transport, behave, error, method):
    """The request was sent exactly once, and the exception says that its fate is unknown."""
    server.behave = behave
    started = time.monotonic()

    with pytest.raises(error) as raised:
        transport(json_request(method, "/people", {"name": "Wile"}))
    assert time.monotonic() - started < 2
    while not server.requests and time.monotonic() - started < 10:
        time.sleep(0.01)  # on a busy machine the patience is over before the server has read what was sent
    assert len(server.requests) == 1
    assert KEY not in repr(raised.value)
    assert not isinstance(raised.value, ConnectionRefusedError)


def test_a_cut_compressed_answer_is_never_taken_as_whole(server, transport):
    """Where the decoder does not notice, the missing end makes the JSON unreadable."""
    server.behave = cut_gzip
    try:
        body = transport(Request("GET", "/people")).body
    except ConnectionResetError:
        return

    assert body != b"[1]" * 1000


def test_a_connection_that_went_stale_is_unknown(server, transport):
    """A server that closes a kept connection on the second request may have executed it: no silent second try."""
    server.behave = lambda handler: handler.reply(200, b"{}") if len(server.requests) == 1 else handler.reset()
    transport(Request("GET", "/account"))

    with pytest.raises(ConnectionResetError):
        transport(Request("POST", "/people"))
    assert len(server.requests) == 2


# What goes wrong before: nothing was executed.


def test_a_closed_port_is_refused():
    """Nobody listens: not a byte left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(ConnectionRefusedError):
        Transport(f"http://127.0.0.1:{port}", CREDENTIALS, timeouts=SHORT)(Request("POST", "/people"))


def test_an_unknown_host_is_refused():
    """A name that does not exist: not a byte left."""
    with pytest.raises(ConnectionRefusedError):
        Transport("https://crmsync.invalid", CREDENTIALS, timeouts=SHORT)(Request("POST", "/people"))


def test_a_failed_handshake_is_refused(server):
    """A server that cannot agree on TLS has seen nothing but a greeting."""
    server.socket = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(server.socket, server_side=True)

    with pytest.raises(ConnectionRefusedError):
        Transport(server.url.replace("http:", "https:"), CREDENTIALS, timeouts=SHORT)(Request("POST", "/people"))
    assert server.requests == []


def test_an_untrusted_certificate_is_refused():
    """The key is sent to nobody who cannot prove to be Copper; wrapped as urllib3 wraps it."""
    error = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError(1, "self-signed certificate"))

    assert isinstance(_translated(error), ConnectionRefusedError)


def test_an_earlier_failure_does_not_colour_a_later_one(server, transport):
    """A request sent while a refused connection is being handled, and lost, is unknown and not refused."""
    server.behave = reset
    try:
        raise urllib3.exceptions.NewConnectionError(None, "refused")
    except urllib3.exceptions.NewConnectionError:
        with pytest.raises(ConnectionResetError):
            transport(Request("POST", "/people"))


@pytest.mark.parametrize("reason", ["UNEXPECTED_EOF_WHILE_READING", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"])
def test_tls_failures_that_may_come_later_are_unknown(reason):
    """Only failures that end a handshake promise that nothing was sent."""
    error = ssl.SSLError(1, "as OpenSSL says")
    error.reason = reason

    assert isinstance(_translated(error), ConnectionResetError)
    error.reason = "TLSV1_ALERT_PROTOCOL_VERSION"
    assert isinstance(_translated(error), ConnectionRefusedError)


# Secrets.


def test_a_secret_is_never_shown():
    """However it is printed, formatted or looked at."""
    texts = [repr(CREDENTIALS), str(CREDENTIALS), f"{CREDENTIALS.key}", f"{CREDENTIALS.key!r:>20}", str([CREDENTIALS.key])]

    assert not [text for text in texts if KEY in text]
    with pytest.raises(TypeError):
        pickle.dumps(CREDENTIALS)
    assert repr(replace(CREDENTIALS, email="ann@ourfirm.com")) == "Credentials(key=***, email='ann@ourfirm.com')"


def test_an_answer_that_repeats_the_key_does_not_bring_it_back(server, transport):
    """A server, or a proxy, that echoes our headers cannot put the key into an error message."""
    server.behave = lambda handler: handler.reply(401, f'{{"message":"bad token {KEY}"}}'.encode(), X_Echo=KEY)
    response = transport(Request("GET", "/account"))

    assert (response.body, header(response, "X-Echo")) == (b'{"message":"bad token ***"}', "***")


@pytest.mark.parametrize(
    "environ",
    [
        {"COPPER_API_KEY": "a\nb", "COPPER_USER_EMAIL": "dana@ourfirm.com"},
        {"COPPER_API_KEY": "a b", "COPPER_USER_EMAIL": "dana@ourfirm.com"},
        {"COPPER_API_KEY": "schlüssel", "COPPER_USER_EMAIL": "dana@ourfirm.com"},
        {"COPPER_API_KEY": "s3cret", "COPPER_USER_EMAIL": "dana\r\n@ourfirm.com"},
        {"COPPER_API_KEY": "s3cret"},
        {"COPPER_USER_EMAIL": "dana@ourfirm.com"},
        {},
    ],
)
def test_unusable_credentials_are_refused_unseen(environ, monkeypatch):
    """What cannot be a key or an address is refused before it becomes a header, without being shown."""
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(AuthenticationFailed) as raised:
        credentials_from_env(environ)
    assert not [value for value in environ.values() if value in str(raised.value)]
    assert raised.value.__context__ is None


def test_blanks_around_a_key_are_cut():
    """A line break at the end of a secret file is no part of the key."""
    credentials = credentials_from_env({"COPPER_API_KEY": " abc\n", "COPPER_USER_EMAIL": "dana@ourfirm.com "})

    assert (credentials.key.reveal(), credentials.email) == ("abc", "dana@ourfirm.com")


class KeyringError(Exception):
    """What the keyring raises."""


def keyring_with(get_password: Callable[[str, str], str | None]) -> types.ModuleType:
    module = types.ModuleType("keyring")
    module.get_password = get_password
    module.errors = types.SimpleNamespace(KeyringError=KeyringError)
    return module


def test_the_keyring_is_asked_where_there_is_one(monkeypatch):
    """The key of an e-mail comes from the keyring when the environment has none."""
    monkeypatch.setitem(sys.modules, "keyring", keyring_with(lambda service, email: f"{service}/{email}"))

    assert credentials_from_env({"COPPER_USER_EMAIL": "dana@ourfirm.com"}).key.reveal() == "crmsync/dana@ourfirm.com"


def test_a_locked_or_missing_keyring_is_no_error(monkeypatch):
    """A keyring that is not there, empty or locked is passed over."""

    def locked(service: str, email: str) -> str:
        raise KeyringError

    for module in (None, keyring_with(locked), keyring_with(lambda service, email: None)):
        monkeypatch.setitem(sys.modules, "keyring", module)
        assert key_from_keyring("dana@ourfirm.com") is None


# The address.


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("", BASE_URL),
        ("https://proxy.ourfirm.com/copper/", "https://proxy.ourfirm.com/copper"),
        (" http://127.0.0.1:8000/developer_api/v1 ", "http://127.0.0.1:8000/developer_api/v1"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_the_address_can_be_replaced(written, url):
    """COPPER_BASE_URL replaces the address whole; plain http only for this machine."""
    assert base_url_from_env({"COPPER_BASE_URL": written}) == url


def test_the_usual_address_is_coppers():
    """Without the variable it is Copper's own."""
    assert base_url_from_env({}) == "https://api.copper.com/developer_api/v1"


@pytest.mark.parametrize(
    "written",
    [
        "http://api.copper.com/developer_api/v1",
        "http://127.0.0.1.evil.test",
        "http://localhost.evil.test",
        "http://10.0.0.1",
        "http://0.0.0.0:8000",
        "https://dana:secret@api.copper.com",
        "https://api.copper.com/v1?x=1",
        "https://api.copper.com/v1#x",
        "ftp://api.copper.com",
        "api.copper.com",
        "https://",
        "https://host:port",
        "https://[::1",
    ],
)
def test_unsafe_addresses_are_refused(written):
    """What would send the key in the open, or is no address, is refused without being repeated."""
    with pytest.raises(Misconfigured) as raised:
        base_url_from_env({"COPPER_BASE_URL": written})
    assert "secret" not in str(raised.value)
