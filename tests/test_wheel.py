"""The wheel: what is inside, and that it works where nothing of this checkout is."""

from __future__ import annotations

import importlib.metadata
import os
import site
import subprocess
import sys
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import crmsync
from tests.desk import Desk

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that has the wheel, and this one's libraries but not this checkout."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True, timeout=120)
    (packages,) = folder.glob("lib/*/site-packages")
    # Appended by a line of its own and not by a .pth of folders: those of this environment lead to the checkout.
    (packages / "libraries.pth").write_text(f"import sys; sys.path.append({site.getsitepackages()[0]!r})\n")
    return folder / "bin"


def test_the_wheel_holds_what_it_needs(wheel: Path) -> None:
    """Schemas, types and licence are inside; tests, examples and caches are not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    schemas = {f"crmsync/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "crmsync").rglob("*.py")}

    assert schemas | modules | {"crmsync/py.typed"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"crmsync"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".db"))]


def test_the_metadata(wheel: Path) -> None:
    """Name, version, licence, Python and command are as the README says."""
    archive = zipfile.ZipFile(wheel)
    read = {Path(name).name: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    metadata = message_from_string(read["METADATA"])
    classifiers = metadata.get_all("Classifier") or []

    assert (metadata["Name"], metadata["Version"]) == ("crmsync", crmsync.__version__)
    assert (metadata["License-Expression"], metadata["License-File"]) == ("MIT", "LICENSE")
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in classifiers
    assert "Programming Language :: Python :: 3.11" in classifiers
    assert not [each for each in classifiers if each.startswith("License ::")]  # not beside an expression (PEP 639)
    assert read["entry_points.txt"].split() == ["[console_scripts]", "crmsync", "=", "crmsync.cli:main"]
    needed = {line.partition(">")[0].partition("[")[0] for line in metadata.get_all("Requires-Dist") or []}
    assert all(importlib.metadata.version(name) for name in needed)


def test_the_installed_command_works(desk: Desk, installed: Path) -> None:
    """From an environment with nothing but the wheel and its libraries: version, validate, plan, apply, plan."""
    desk.write("crm/a.yaml", "companies:\n  acme:\n    name: Acme\n    tags: [a]\n")

    def call(*arguments: str) -> str:
        command = [str(installed / "crmsync"), *arguments]
        done = subprocess.run(command, cwd=desk.root, env=environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    environ = {name: value for name, value in desk.environment().items() if name != "PYTHONPATH"}
    where = [str(installed / "python"), "-c", "import crmsync; print(crmsync.__file__)"]
    file = subprocess.run(where, cwd=desk.root, env=environ, capture_output=True, text=True, check=True).stdout

    assert Path(file).is_relative_to(installed.parent), os.fspath(file)
    assert call("--version") == f"crmsync {crmsync.__version__}\n"
    assert "1 record in 1 file is valid." in call("validate")
    assert "Plan: 1 to add" in call("plan", "--out", "plan.json")
    assert "Applied 1." in call("apply", "plan.json")
    assert "No changes." in call("plan")
    assert desk.names("companies") == ["Acme"]
