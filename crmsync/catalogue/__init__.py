"""What Copper has, as rows: kinds of value, entity types, label tables, and an account's own fields."""

from __future__ import annotations

from crmsync.catalogue.entities import COMPANIES, OPPORTUNITIES, PEOPLE
from crmsync.catalogue.kinds import KINDS
from crmsync.model.catalogue import Catalogue

#: The rows that every account has; `crmsync.catalogue.account` adds those of one account.
CATALOGUE = Catalogue(types=(COMPANIES, PEOPLE, OPPORTUNITIES))

__all__ = ["CATALOGUE", "KINDS"]
