"""The public names: there, documented, and imported only when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import crmsync


@pytest.mark.parametrize("name", [name for name in crmsync.__all__ if name != "__version__"])
def test_public_names(name: str) -> None:
    """Each public name leads to a class with a docstring."""
    assert getattr(crmsync, name).__doc__


def test_unknown_names() -> None:
    """Another name is an error as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'Coper'"):
        crmsync.Coper  # noqa: B018, asking for it is the test
    assert "Copper" in dir(crmsync)


def test_the_client_is_imported_when_it_is_asked_for() -> None:
    """Importing the package, as every command does, imports neither the client nor an HTTP library."""
    look = "import sys, crmsync; print([n for n in sys.modules if n.startswith('crmsync.') or n == 'requests'])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"


def test_the_map_of_the_house_names_every_room() -> None:
    """The docstring of the package has a line for each room."""
    from tests.test_house import ARROWS

    assert crmsync.__doc__ is not None
    assert [room for room in ARROWS if f"\n    {room:11} " not in crmsync.__doc__] == []
