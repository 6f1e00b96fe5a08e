"""jsonschema over parsed records, nothing else: `python -m benchmarks.rivals.schema_alone PEOPLE`. Prints its seconds."""

from __future__ import annotations

import sys
import time

from jsonschema import Draft7Validator

from benchmarks.accounts import key, person
from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.schema import records_schema


def main() -> None:
    """Validate so many people, five hundred at a time."""
    count = int(sys.argv[1])
    validator = Draft7Validator(records_schema(CATALOGUE))
    files = [
        {"people": {key(n): person(n) for n in range(start, min(start + 500, count))}} for start in range(0, count, 500)
    ]
    started = time.process_time()
    errors = sum(1 for file in files for _ in validator.iter_errors(file))
    print(f"{time.process_time() - started:.3f} {errors}")


if __name__ == "__main__":
    main()
