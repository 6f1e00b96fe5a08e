"""
Real servers for the tests of the state: PostgreSQL, a pooler before it, an S3, git over HTTP.

Each is started once a session on a free port, in a folder of its own, by whoever runs the tests; root hands PostgreSQL to
an unprivileged user, because it refuses root. Where a server is not installed a test is skipped with the reason, but with
CI set it fails: `.ci/servers` installs what is missing.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PORT_TRIES = 5


def missing(what: str) -> Any:
    """Skip a test because *what* is not installed; in CI that is a failure."""
    text = f"{what} is not installed; `.ci/servers` installs it"
    if os.environ.get("CI", "").lower() not in ("", "0", "false", "no"):
        pytest.fail(text)
    pytest.skip(text)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


# --- PostgreSQL ----------------------------------------------------------------------------------


def postgresql_program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs; Debian keeps them off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((str(each / name) for each in folders if (each / name).exists()), shutil.which(name))


def _other_user() -> str | None:
    """Return whom to run a server as: root may not, everybody else runs it as themselves."""
    if os.geteuid() != 0:
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


@contextlib.contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    """Give a folder that *user* owns; not below pytest's, which only root may enter."""
    folder = Path(tempfile.mkdtemp(prefix="crmsync-server-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_postgresql() -> Iterator[str]:
    """Run a new, empty PostgreSQL and give the URL of its database."""
    initdb, server = postgresql_program("initdb"), postgresql_program("postgres")
    if initdb is None or server is None:
        missing("PostgreSQL")
    user = _other_user()
    with _folder(user) as folder:
        data = folder / "data"
        command = [initdb, "-D", str(data), "-U", "crmsync", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder)
        port = free_port()
        command = [server, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=folder)
        url = f"postgresql://crmsync@127.0.0.1:{port}/postgres"
        try:
            _wait_for_postgresql(url, process, folder / "log")
            yield url
        finally:
            process.terminate()
            process.wait(20)


def _wait_for_postgresql(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(600):
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=2).close()
            return
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        time.sleep(0.05)
    raise AssertionError(log.read_text(encoding="utf-8", errors="replace"))


@contextlib.contextmanager
def running_pooler(url: str) -> Iterator[str]:
    """Run pgbouncer in transaction mode before the database at *url*, with two server sessions for everybody."""
    program = shutil.which("pgbouncer") or ("/usr/sbin/pgbouncer" if Path("/usr/sbin/pgbouncer").exists() else None)
    if program is None:
        missing("pgbouncer")
    import psycopg

    about = psycopg.conninfo.conninfo_to_dict(url)
    user = _other_user()
    with _folder(user) as folder:
        port = free_port()
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\npostgres = host=127.0.0.1 port={about['port']} user={about['user']} pool_size=2\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\npool_mode = transaction\n"
            f"unix_socket_dir = {folder}\nserver_reset_query_always = 1\n",
            encoding="utf-8",
        )
        settings.chmod(0o644)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program, str(settings)], stdout=log, stderr=log, user=user, cwd=folder)
        pooled = f"postgresql://{about['user']}@127.0.0.1:{port}/postgres"
        try:
            _wait_for_postgresql(pooled, process, folder / "log")
            yield pooled
        finally:
            process.terminate()
            process.wait(20)


# --- S3 ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running_s3() -> Iterator[str]:
    """Run moto's S3 in a process of its own and give its address; the bucket is called ``bucket``."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for_s3(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait_for_s3(url: str, process: subprocess.Popen[bytes]) -> None:
    import requests

    for _ in range(600):
        with contextlib.suppress(requests.ConnectionError):
            requests.put(f"{url}/bucket", timeout=10)
            return
        assert process.poll() is None
        time.sleep(0.05)
    raise AssertionError("moto did not start")


def s3_environment(url: str) -> dict[str, str]:
    """Return the environment in which obstore finds the S3 at *url*."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }


class _Forwarding(BaseHTTPRequestHandler):
    """Hands requests on, after *meddle* had its way with them."""

    protocol_version = "HTTP/1.1"
    target = ""
    meddle: Any = None

    def _forward(self) -> None:
        import requests

        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        answer = requests.request(
            self.command, self.target + self.path, headers=self.meddle(self, headers), data=body, timeout=30
        )
        if answer.headers.get("x-lost"):
            return
        self._answer(answer)

    def _answer(self, answer: Any) -> None:
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "content-encoding"):
                self.send_header(name, value)
        length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(answer.content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward  # noqa: N815, the library's names

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def forgetful_s3(url: str) -> Iterator[str]:
    """Stand before the S3 at *url* and take the conditions out of every request, as some clones ignore them."""

    def meddle(handler: Any, headers: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name.lower() not in ("if-none-match", "if-match")}

    handler = type("Forgetful", (_Forwarding,), {"target": url, "meddle": staticmethod(meddle)})
    with serving(handler) as address:
        yield address


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve *handler* on a free port in threads of this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- git -----------------------------------------------------------------------------------------


class _GitBackend(BaseHTTPRequestHandler):
    """git http-backend as CGI, behind a little server."""

    protocol_version = "HTTP/1.1"
    root = ""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._chunks()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": getpass.getuser(),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = do_POST = _serve  # noqa: N815, the library's names

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def git_over_http(root: Path) -> Iterator[str]:
    """Serve the bare repositories below *root*, pushes included."""
    with serving(type("Backend", (_GitBackend,), {"root": str(root)})) as url:
        yield url


def bare_repository(path: Path) -> Path:
    """Make a bare repository at *path* that takes pushes over HTTP too."""
    _git("init", "--quiet", "--bare", str(path), cwd=path.parent)
    _git("config", "http.receivepack", "true", cwd=path)
    return path


def clone_of(remote: str, path: Path) -> Path:
    """Make a repository at *path* with one commit, whose origin is *remote*."""
    path.mkdir()
    _git("init", "--quiet", "--initial-branch=main", cwd=path)
    _git("remote", "add", "origin", remote, cwd=path)
    return path


def _git(*arguments: str, cwd: Path) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)
