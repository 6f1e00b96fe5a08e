"""The sandbox of the benchmarks, in a process of its own: `python -m benchmarks.serve PEOPLE PORT [TYPE=NUMBER ...]`."""

from __future__ import annotations

import sys

from benchmarks.accounts import sandbox
from crmsync.sandbox import parse_counts, serve


def main() -> None:
    """Serve until ended."""
    people, port, *others = sys.argv[1:]
    made = sandbox(int(people), parse_counts(others))
    serve(made, port=int(port), on_ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()
