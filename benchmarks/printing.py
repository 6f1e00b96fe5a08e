"""A plan of so many changes as text: `python -m benchmarks.printing CHANGES` tells the seconds."""

from __future__ import annotations

import gc
import sys
import time

from crmsync.catalogue import CATALOGUE
from crmsync.model.address import Address
from crmsync.model.plan import Action, Cause, Change, Counts, FieldChange, Plan
from crmsync.model.source import Position
from crmsync.render.document import Meta, plan_document
from crmsync.render.text import plan_text


def main() -> None:
    """Make the document, then time only what makes text of it."""
    count = int(sys.argv[1])
    gc.disable()
    place = Position("crm/people-0000.yaml", 3, 12, 9)
    field = FieldChange("title", "Buyer", "Seller", Cause.EDITED, place)
    changes = tuple(
        Change(Address("people", f"p{n:07d}"), Action.UPDATE, n + 1, f"Ann {n}", (field,), place, "file changed")
        for n in range(count)
    )
    meta = Meta(1, "Sandbox", "5f0c", 1, "0" * 64, 0.0, "0")
    document = plan_document(Plan(changes=changes, counts=Counts(change=count)), CATALOGUE, meta)
    started = time.process_time()
    text = plan_text(document)
    assert text.count("people.p") >= count
    print(f"{time.process_time() - started:.3f}")


if __name__ == "__main__":
    main()
