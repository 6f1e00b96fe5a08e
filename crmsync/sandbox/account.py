"""What an account holds besides records: users, lookups, pipelines and custom field definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from crmsync.sandbox.replies import Json


@dataclass(frozen=True)
class User:
    """A person of the firm who may use the API."""

    id: int
    name: str
    email: str

    def show(self) -> Json:
        """Return the user as /users shows it (copper-api.md 4.1)."""
        return {"id": self.id, "name": self.name, "email": self.email, "groups": []}


@dataclass(frozen=True)
class Stage:
    """A step of a pipeline."""

    id: int
    name: str
    win_probability: int


@dataclass(frozen=True)
class Pipeline:
    """A sequence of stages; the first of the account is the default (4.4)."""

    id: int
    name: str
    stages: tuple[Stage, ...]
    type: str = "opportunity"
    is_revenue: bool = True

    def show(self) -> Json:
        """Return the pipeline as /pipelines shows it (4.9)."""
        stages = [{"id": s.id, "name": s.name, "win_probability": s.win_probability} for s in self.stages]
        return {"id": self.id, "name": self.name, "stages": stages, "type": self.type, "is_revenue": self.is_revenue}

    def show_stages(self) -> list[Json]:
        """Return the stages as /pipeline_stages shows them (4.9)."""
        return [
            {"id": s.id, "name": s.name, "pipeline_id": self.id, "win_probability": s.win_probability} for s in self.stages
        ]


@dataclass(frozen=True)
class Choice:
    """One entry of a lookup table, such as a contact type, or one option of a custom field."""

    id: int
    name: str


@dataclass(frozen=True)
class ActivityType:
    """What a user may log about a record, such as a phone call (4.8)."""

    id: int
    name: str
    icon_type: str = "Message"
    is_interaction: bool = False
    is_disabled: bool = False
    is_task_default: bool = False

    def show(self, account_id: int) -> Json:
        """Return the type as /custom_activity_types shows it."""
        return {
            "id": self.id,
            "company_id": account_id,
            "icon_type": self.icon_type,
            "is_disabled": self.is_disabled,
            "is_interaction": self.is_interaction,
            "name": self.name,
            "is_default_task_type": self.is_task_default or None,
        }

    def show_as_activity_type(self) -> Json:
        """Return the type as /activity_types shows it."""
        return show_activity_type(self.id, "user", self.name, self.is_disabled, self.is_interaction)


def show_activity_type(id: int, category: str, name: str, is_disabled: bool = False, counts: bool = False) -> Json:
    """Return an entry of /activity_types; key by category and id, for the two share their ids."""
    return {
        "id": id,
        "category": category,
        "name": name,
        "is_disabled": is_disabled,
        "count_as_interaction": counts,
    }


@dataclass(frozen=True)
class Definition:
    """A custom field: one definition may serve several types of record (5.1)."""

    id: int
    name: str
    data_type: str
    available_on: tuple[str, ...]
    is_filterable: bool = True
    options: tuple[Choice, ...] = ()
    currency: str | None = None
    canonical_name: str | None = None
    connected_id: int | None = None

    @property
    def partner(self) -> int:
        """The definition at the other end of a Connect field; one without a pair is its own."""
        return self.connected_id or self.id

    def show(self) -> Json:
        """Return the definition as /custom_field_definitions shows it (5.1)."""
        shown: dict[str, Json] = {
            "id": self.id,
            "name": self.name,
            "data_type": self.data_type,
            "available_on": list(self.available_on),
            "is_filterable": self.is_filterable,
        }
        if self.data_type in OPTION_TYPES:
            # The order of the array follows neither rank nor id (copper-field.md 2.7).
            options = [{"id": o.id, "name": o.name, "rank": rank} for rank, o in enumerate(self.options)]
            shown["options"] = options[1:] + options[:1]
        if self.data_type == "Currency":
            shown["currency"] = self.currency
        if self.data_type == "Connect":
            shown["connected_id"] = self.connected_id
        return shown


OPTION_TYPES = ("Dropdown", "MultiSelect")
DATA_TYPES = (
    "String",
    "Text",
    "Dropdown",
    "Date",
    "Checkbox",
    "Float",
    "URL",
    "Percentage",
    "Currency",
    "MultiSelect",
    "Connect",
)
SYSTEM_TYPES = {
    1: "Property Changed",
    2: "User Assigned",
    3: "Pipeline Stage Changed",
    6: "Email",
    8: "Entity Created",
    12: "User Joined",
    48: "Form Submitted",
}
"""The activity types of the category system that were seen (4.8)."""

PIPELINE_TYPES = ("opportunity", "project", "item")
LOOKUPS = ("contact_types", "customer_sources", "loss_reasons", "lead_statuses")


@dataclass(frozen=True)
class Account:
    """
    Everything the API can only read, with the definitions and activity types as they are now.

    (copper-api.md sections 0 and 5)
    """

    id: int
    name: str
    timezone: str
    users: tuple[User, ...]
    pipelines: tuple[Pipeline, ...]
    definitions: tuple[Definition, ...]
    lookups: Mapping[str, tuple[Choice, ...]]
    currency: str = "USD"
    leads: bool = True
    activity_types: tuple[ActivityType, ...] = ()
    zone: ZoneInfo = field(init=False, repr=False, compare=False)
    by_definition: Mapping[int, Definition] = field(init=False, repr=False, compare=False)
    by_pipeline: Mapping[int, Pipeline] = field(init=False, repr=False, compare=False)
    by_stage: Mapping[int, tuple[Pipeline, Stage]] = field(init=False, repr=False, compare=False)
    ids: Mapping[str, frozenset[int]] = field(init=False, repr=False, compare=False)
    by_type: Mapping[str, tuple[Definition, ...]] = field(init=False, repr=False, compare=False)
    fragments: dict[str, dict[int, str]] = field(init=False, repr=False, compare=False)
    orders: dict[str, dict[tuple[int, ...], list[str]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "zone", ZoneInfo(self.timezone))
        put(self, "by_definition", {d.id: d for d in self.definitions})
        put(self, "by_pipeline", {pipeline.id: pipeline for pipeline in self.pipelines})
        put(self, "by_stage", {s.id: (p, s) for p in self.pipelines for s in p.stages})
        tables = {name: self.lookups.get(name, ()) for name in LOOKUPS}
        named: dict[str, Sequence[User | Pipeline | Choice]] = {"users": self.users, "pipelines": self.pipelines, **tables}
        ids = {name: frozenset(row.id for row in rows) for name, rows in named.items()}
        put(self, "ids", {**ids, "pipeline_stages": frozenset(self.by_stage)})
        types = {name for d in self.definitions for name in d.available_on}
        by_type = {t: tuple(d for d in self.definitions if t in d.available_on) for t in types}
        put(self, "by_type", by_type)
        # JSON of unset custom fields by quirk and definition, filled in by `custom`: most of what a search sends.
        put(self, "fragments", {})
        put(self, "orders", {})

    def show(self) -> Json:
        """Return the account as /account shows it (4.1)."""
        return {
            "id": self.id,
            "name": self.name,
            "primary_timezone": self.timezone,
            "settings": {"setting_team_permissions_enabled": False, "setting_enable_leads": self.leads},
            "logo_mini_url": None,
        }
