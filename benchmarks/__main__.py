"""
Run every measurement: `python -m benchmarks [--sizes 1000 10000 100000] [--runs 5] [--rivals]`, or `make bench`.

The account is a sandbox in a process of its own, without request limits, with a company for five people and an opportunity
for three beside them; files are 500 people each. `benchmarks.pacing` races at the account's pace. Results go to
``benchmarks/results.json`` and ``benchmarks/results.md``, with machine and date.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.accounts import write_files, write_rows
from benchmarks.measure import Sample, once, repeated

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
RIVALS = HERE.parent / ".venv-bench" / "bin"
OPEN_SETTINGS = "pace: {requests: 1000000, bulk: 100000}\nlimits: {updates: 100%, adopts: 10000000}\n"
SLOW = 20_000
#: So many records are managed where few are.
FEW = 100


class Bench:
    """One size: its files, its sandbox, its state."""

    def __init__(self, folder: Path, people: int, runs: int, there: int | None = None) -> None:
        self.folder, self.people, self.runs = folder, people, runs
        self.there = people if there is None else there
        self.environ: dict[str, str] = {}

    @property
    def cache(self) -> Path:
        return self.folder / ".crmsync" / "cache" / "default"

    @property
    def rows(self) -> Path:
        """A project of the same people in one file of rows."""
        return self.folder.with_name("rows")

    def crmsync(self, *arguments: str) -> Sample:
        return once([str(BIN / "crmsync"), *arguments], self.folder, self.environ)

    def validate_rows(self) -> Sample:
        return once([str(BIN / "crmsync"), "validate"], self.rows, self.environ)

    def plan(self) -> Sample:
        return self.crmsync("plan", "--timing")

    def no_cache(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)
        self.forget_files()

    def forget_files(self) -> None:
        """Let no file have been read before."""
        for folder in (self.folder, self.rows):
            cache = folder / ".crmsync" / "cache" / "default"
            (cache / "valid.json").unlink(missing_ok=True)
            shutil.rmtree(cache / "sheets", ignore_errors=True)

    def others_edit(self, values: dict[str, Any], count: int) -> None:
        """Let somebody change so many records in Copper, spread over the account."""
        base = self.environ["COPPER_BASE_URL"].removesuffix("/developer_api/v1")
        step = max(1, self.people // count)
        for number in range(0, self.people, step):
            body = json.dumps({"type": "people", "id": 70_000_001 + number, "values": values}).encode()
            urllib.request.urlopen(urllib.request.Request(f"{base}/sandbox/edit", body), timeout=60).read()

    def edit_file(self) -> None:
        """Change two hundred people in one file."""
        path = self.folder / "crm" / "people-0000.yaml"
        title = f"title: Buyer{time.time_ns()}"
        path.write_text(re.sub("title: Buyer[0-9]*", title, path.read_text(encoding="utf-8"), count=200))

    def open_settings(self) -> None:
        with (self.folder / "crmsync.yaml").open("a", encoding="utf-8") as file:
            file.write(OPEN_SETTINGS)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve the account while the measurements last."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        crowd = [f"companies={self.there // 5}", f"opportunities={3 * self.there // 10}"] if self.there else []
        command = [sys.executable, "-m", "benchmarks.serve", str(self.there), str(port), *crowd]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            key = {"COPPER_API_KEY": "sandbox-key", "COPPER_USER_EMAIL": "dana@ourfirm.com"}
            self.environ = {**os.environ, "COPPER_BASE_URL": url, **key}
            try:
                yield
            finally:
                server.terminate()

    def measure(self) -> dict[str, Any]:
        """Return every figure of this size."""
        write_files(self.folder, self.people)
        self.open_settings()
        found: dict[str, Any] = {}
        with self.served():
            adopt = ("apply", "--auto-approve", "--allow-adopts", str(self.people))
            found["adopt everything"] = repeated(1, lambda: self.crmsync(*adopt))
            state = (self.folder / ".crmsync" / "state.db").stat().st_size
            found["state bytes a record"] = {"value": round(state / self.people)}
            found["plan, cold"] = repeated(self.runs, self.plan, self.no_cache)
            found["plan, nothing changed"] = repeated(self.runs, self.plan)
            found["validate, cold"] = repeated(self.runs, lambda: self.crmsync("validate"), self.forget_files)
            found["validate, nothing changed"] = repeated(self.runs, lambda: self.crmsync("validate"))
            found["validate, one file edited"] = repeated(self.runs, lambda: self.crmsync("validate"), self.edit_file)
            write_rows(self.rows, self.people)
            shutil.copytree(self.cache, self.rows / ".crmsync" / "cache" / "default")
            found["validate, JSON Lines, cold"] = repeated(self.runs, self.validate_rows, self.forget_files)
            applying = ("apply", "--auto-approve")
            found["apply, 200 edited"] = repeated(self.runs, lambda: self.crmsync(*applying), self.edit_file)
            found["plan, 200 edited and 200 changed"] = repeated(self.runs, self.plan, self._change)
            found["script: requests and yaml.safe_load"] = repeated(1 if self.people >= SLOW else 3, self._script)
        return found

    def measure_creates(self) -> dict[str, Any]:
        """Return what it takes to create everyone in an empty account."""
        write_files(self.folder, self.people)
        self.open_settings()
        plan = repeated(self.runs, lambda: self._in_empty("plan"))
        found = repeated(self.runs, lambda: self._in_empty("apply", "--auto-approve"))
        state = (self.folder / ".crmsync" / "state.db").stat().st_size
        took, planning = float(str(found["cpu_seconds"])), float(str(plan["cpu_seconds"]))
        return {
            "plan, everyone new": plan,
            "apply, everyone created": found,
            "- CPU ms a record, plan included": {"value": round(1000 * took / self.people, 2)},
            "- CPU ms a record more than its plan": {"value": round(1000 * (took - planning) / self.people, 2)},
            "- MB more than its plan": {"value": round(float(str(found["megabytes"])) - float(str(plan["megabytes"])), 1)},
            "- state bytes a record": {"value": round(state / self.people)},
        }

    def _in_empty(self, *arguments: str) -> Sample:
        """Run a command in an empty account, of which nothing is known; the long plan that it prints is not kept."""
        shutil.rmtree(self.folder / ".crmsync", ignore_errors=True)
        with self.served():
            return replace(self.crmsync(*arguments), out="")

    def measure_few(self) -> dict[str, Any]:
        """Return what it takes to plan the few of a project among all who are in the account."""
        write_files(self.folder, self.people)
        self.open_settings()
        with self.served():
            self.crmsync("apply", "--auto-approve", "--allow-adopts", str(self.people))
            return {
                f"plan, {self.people} managed of so many, cold": repeated(self.runs, self.plan, self.no_cache),
                f"- the same, {FEW} edited in the files": repeated(self.runs, self.plan, self.edit_file),
            }

    def _change(self) -> None:
        self.edit_file()
        self.others_edit({"title": f"Seller {time.time_ns()}"}, 200)

    def _script(self) -> Sample:
        return once([sys.executable, "-m", "benchmarks.rivals.script", str(self.folder)], HERE.parent, self.environ)


def small(runs: int) -> dict[str, Any]:
    """Return what does not depend on a size."""
    here = Path.cwd()
    return {
        "--help": repeated(runs, lambda: once([str(BIN / "crmsync"), "--help"], here, os.environ)),
        "--version": repeated(runs, lambda: once([str(BIN / "crmsync"), "--version"], here, os.environ)),
    }


def printing(changes: int) -> dict[str, Any]:
    """Return how long a plan of so many changes takes to become text, beside rich printing as many lines."""
    text = once([sys.executable, "-m", "benchmarks.printing", str(changes)], HERE.parent, os.environ)
    rich = once([sys.executable, "-m", "benchmarks.rivals.rich_lines", str(changes)], HERE.parent, os.environ)
    return {
        "print a plan": {"wall_seconds": float(text.out.split()[-1])},
        "rich: as many lines": {"wall_seconds": float(rich.out.split()[-1])},
    }


def rivals(folder: Path, size: int) -> dict[str, Any]:
    """Return what jsonschema alone takes, and octoDNS where `.venv-bench` has it."""
    alone = once([sys.executable, "-m", "benchmarks.rivals.schema_alone", str(size)], HERE.parent, os.environ)
    found: dict[str, Any] = {"jsonschema alone": {"wall_seconds": float(alone.out.split()[0])}}
    if (RIVALS / "octodns-sync").exists():
        once([sys.executable, "-m", "benchmarks.rivals.zones", str(folder), str(size)], HERE.parent, os.environ)
        plan = [str(RIVALS / "octodns-sync"), "--config-file", "config.yaml"]
        found["octoDNS, YAML to YAML"] = repeated(1, lambda: once(plan, folder, os.environ))
    return found


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--crowd", type=int, nargs="*", default=[], help="accounts in which only the few are planned")
    parser.add_argument("--pace", type=int, default=10_000, metavar="RECORDS", help="race so many records; 0: do not")
    given = parser.parse_args()
    # As pip leaves an installed package: else each command compiles what it imports where nothing writes that down.
    compileall.compile_dir(HERE.parent / "crmsync", quiet=1)
    results: dict[str, Any] = {"machine": machine(), "small": small(max(5, given.runs)), "sizes": {}}
    results["pace"] = raced(given.pace)
    for size in given.sizes:
        with tempfile.TemporaryDirectory(prefix="crmsync-bench-") as name:
            found = Bench(Path(name) / "project", size, given.runs).measure()
            found |= Bench(Path(name) / "creates", size, given.runs, there=0).measure_creates()
            found |= few(Path(name) / "few", size, given.runs)
            found |= printing(size)
            if given.rivals:
                found |= rivals(Path(name) / "zones", size)
            results["sizes"][str(size)] = found
        shutil.rmtree(name, ignore_errors=True)
        write_down(results)
        print(f"{size} done", flush=True)
    for size in given.crowd:
        with tempfile.TemporaryDirectory(prefix="crmsync-bench-") as name:
            results["sizes"][str(size)] = few(Path(name) / "few", size, given.runs)
        write_down(results)


def write_down(results: dict[str, Any]) -> None:
    """Write what is measured so far."""
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (HERE / "results.md").write_text(table(results), encoding="utf-8")


def few(folder: Path, there: int, runs: int) -> dict[str, Any]:
    """Return what planning a hundred takes in an account of so many."""
    return Bench(folder, FEW, runs, there).measure_few()


def raced(records: int) -> Any:
    """Return the races of `benchmarks.pacing`, run in a process of their own: a child's memory begins as ours."""
    if not records:
        return None
    command = [sys.executable, "-m", "benchmarks.pacing", str(records)]
    return json.loads(subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, check=True).stdout)


def machine() -> dict[str, str]:
    """Return where and when this runs."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ":")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{os.cpu_count()} x {model.partition(':')[2].strip()}",
        "python": platform.python_version(),
        "system": platform.platform(),
        "load": f"{os.getloadavg()[0]:.1f} others at the start",
    }


def table(results: dict[str, Any]) -> str:
    """Return *results* as Markdown."""
    head = results["machine"]
    lines = [f"Measured {head['date']} on {head['cpu']}, Python {head['python']}, load {head['load']}.", ""]
    lines += [
        "Each cell: wall clock / CPU / memory / requests, of the whole process (median of so many runs). *Beside waiting*: "
        "the wall clock less the time in which requests were under way and the process did nothing.",
        "",
    ]
    sizes = list(results["sizes"])
    lines += [f"| what | {' | '.join(f'{int(size):,}' for size in sizes)} |", "|---|" + "---|" * len(sizes)]
    names = list(dict.fromkeys(name for found in results["sizes"].values() for name in found))
    for name in names:
        lines.append(f"| {name} | {' | '.join(cell(results['sizes'][size].get(name)) for size in sizes)} |")
    lines += [f"| {name} | {' | '.join([cell(found)] * len(sizes))} |" for name, found in results["small"].items()]
    if results.get("pace"):
        lines += ["", results["pace"]["table"].rstrip()]
    return "\n".join(lines) + "\n"


def cell(found: dict[str, Any] | None) -> str:
    """Return one figure as text."""
    if found is None:
        return "-"
    if "value" in found:
        return str(found["value"])
    parts = [f"{found['wall_seconds']:.2f} s"]
    beside = found.get("beside_waiting_seconds")
    parts[0] += f" ({beside:.2f} s beside waiting)" if beside is not None else ""
    parts += [f"{found['cpu_seconds']:.2f} s", f"{found['megabytes']:.0f} MB"] if "cpu_seconds" in found else []
    parts += [f"{found['requests']} req"] if found.get("requests") is not None else []
    parts[-1] += f" ({found['runs']})" if "runs" in found else ""
    return " / ".join(parts)


if __name__ == "__main__":
    main()
