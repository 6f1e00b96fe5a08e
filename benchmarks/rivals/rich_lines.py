"""rich printing as many lines as a plan of so many changes has: `python -m benchmarks.rivals.rich_lines LINES`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console


def main() -> None:
    """Print the lines to nowhere and tell the seconds on stderr."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(file=nowhere, force_terminal=True, width=120)
        started = time.process_time()
        for number in range(int(sys.argv[1])):
            console.print(f'~ people.p{number:07d} "Ann Adler {number}"  title: Buyer -> Seller')
    print(f"{time.process_time() - started:.3f}")


if __name__ == "__main__":
    main()
