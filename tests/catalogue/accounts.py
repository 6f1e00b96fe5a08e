"""A small account, as Copper answers for it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.account import label_tables, with_account
from crmsync.model.catalogue import Locale

USERS = [
    {"id": 1, "name": "Dana", "email": "dana@ourfirm.com", "groups": []},
    {"id": 2, "name": "Robin", "email": "robin.a@ourfirm.com"},
    {"id": 3, "name": "Robin", "email": "robin.b@ourfirm.com"},
]
PIPELINES = [
    {"id": 10, "name": "Sales", "stages": [{"id": 100, "name": "First"}, {"id": 101, "name": "Negotiation"}]},
    {"id": 11, "name": "Renewals", "stages": [{"id": 110, "name": "First"}, {"id": 111, "name": "Kickoff"}]},
]
CONTACT_TYPES = [{"id": 20, "name": "Current Customer"}, {"id": 21, "name": "Vendor"}]
CUSTOMER_SOURCES = [{"id": 30, "name": "Fair"}]
LOSS_REASONS = [{"id": 40, "name": "Price"}]
EVERYWHERE = ["company", "person", "opportunity", "lead"]


def definition(id: int, name: str, data_type: str, available_on: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a custom field definition as Copper shows it."""
    available_on = EVERYWHERE if available_on is None else available_on
    return {"id": id, "name": name, "data_type": data_type, "available_on": available_on, "is_filterable": False, **more}


TIERS = [{"id": 502, "name": "Silver", "rank": 1}, {"id": 501, "name": "Gold", "rank": 0}]
REGIONS = [{"id": 601, "name": "EMEA", "rank": 0}, {"id": 602, "name": "APAC", "rank": 1}]
DEFINITIONS = [
    definition(50, "Tier", "Dropdown", options=TIERS),
    definition(60, "Regions", "MultiSelect", ["company"], options=REGIONS),
    definition(61, "Renewal date", "Date", ["company"]),
    definition(62, "Annual revenue", "Currency", ["company"], currency="USD"),
    definition(63, "Partners", "Connect", ["company"], connected_id=64),
    definition(65, "Approved", "Checkbox", ["company"]),
    definition(66, "Code", "String", ["person"]),
]

TABLES = label_tables(USERS, PIPELINES, CONTACT_TYPES, CUSTOMER_SOURCES, LOSS_REASONS)
LOCALE = Locale(ZoneInfo("America/Los_Angeles"))
ACCOUNT = with_account(CATALOGUE, DEFINITIONS, TABLES, LOCALE)
