"""What is known of one account: its id, its zone, its custom fields and labels. Each is asked for when first needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from crmsync.catalogue.account import with_account, zone_of
from crmsync.catalogue.others import EVERYTHING
from crmsync.client.labels import Labels
from crmsync.client.trouble import a, bad
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.errors import ServerTrouble
from crmsync.model.catalogue import Catalogue, EntityType, Field, Locale
from crmsync.model.source import Position
from crmsync.model.suggest import did_you_mean

WEB = "https://app.copper.com"

#: Words that people use for fields that Copper calls otherwise.
_ALSO = {"tag": "tags", "email": "emails", "phone": "phone_numbers", "website": "websites", "social": "socials"}


class Book:
    """One account, as far as it was asked for."""

    def __init__(self, client: Client, close_date_order: str, phone_region: str) -> None:
        self.client = client
        self.labels = Labels(client)
        #: What names of records were found to mean; forgotten with every write.
        self.found: dict[tuple[str, str, str], tuple[int, ...]] = {}
        self._catalogue: tuple[tuple[Mapping[str, Any], ...], Catalogue] | None = None
        self._close_date_order = close_date_order
        self._phone_region = phone_region

    @cached_property
    def account(self) -> Mapping[str, Any]:
        """The account as Copper shows it."""
        return read.account(self.client)

    @cached_property
    def locale(self) -> Locale:
        """What dates and numbers of this account depend on. Raises ServerTrouble for a zone that is not known here."""
        try:
            zone = zone_of(self.account.get("primary_timezone") or "UTC")
        except ValueError as error:
            raise ServerTrouble(f"The account's time zone is not known here: {error}.") from error
        return Locale(zone, self._close_date_order, self._phone_region)

    @property
    def catalogue(self) -> Catalogue:
        """Every type with the account's custom fields, as long as the labels are not forgotten; labels are in `labels`."""
        definitions = self.labels.definitions()
        known = self._catalogue
        if known is None or known[0] is not definitions:
            known = self._catalogue = definitions, with_account(EVERYTHING, definitions, {}, self.locale)
        return known[1]

    def entity(self, name: str) -> EntityType:
        """Return a type with its custom fields."""
        return self.catalogue[name]

    def path(self, name: str) -> str:
        """Return the path of a type; nothing of the account is needed for that."""
        return EVERYTHING[name].path

    def field(self, type_name: str, name: str, position: Position | None = None) -> Field:
        """
        Return a field by its name, Copper's key for it, the last part of an address, or the name of a custom field.

        Asks for the custom fields only when no other field has the name. Raises BadInput.
        """
        known = find_field(EVERYTHING[type_name], name)
        if known is not None:
            return known
        entity = self.entity(type_name)
        wanted = name.removeprefix("custom_fields.").casefold()
        custom = [field for field in entity.fields if field.definition_id is not None]
        fits = [f for f in custom if f"custom_fields.{wanted}" == f.name.casefold() or wanted == f"#{f.definition_id}"]
        if len(fits) == 1:
            return fits[0]
        twins = [
            each.name.partition(".")[2] for each in custom if each.name.casefold().startswith(f"custom_fields.{wanted}#")
        ]
        if twins:
            listed = ", ".join(f'"{each}"' for each in twins)
            raise bad("CRM035", f'Several custom fields are called "{name}". Write one of {listed}.', position)
        choices = [field.name.removeprefix("custom_fields.") for field in entity.fields]
        noun = "custom field" if name.startswith("custom_fields.") else "field"
        detail = f'{a(entity.singular).capitalize()} has no {noun} "{name}".{did_you_mean(wanted, choices)}'
        raise bad("CRM034" if noun == "custom field" else "CRM011", detail, position)

    def data_type(self, field: Field) -> Mapping[str, Any]:
        """Return the definition of a custom field."""
        return next(each for each in self.labels.definitions() if each["id"] == field.definition_id)

    def link(self, entity: EntityType, id: int) -> str | None:
        """Return the address of a record in Copper's web application."""
        if not entity.web_path:
            return None
        return f"{WEB}/companies/{self.account['id']}/app#/{entity.web_path}/{id}"


def type_named(name: str) -> EntityType:
    """Return a type by its plural or singular name. Raises BadInput."""
    for entity in EVERYTHING.types:
        if name.casefold() in (entity.name, entity.singular):
            return entity
    names = [entity.name for entity in EVERYTHING.types]
    raise bad("CRM012", f'There are no "{name}" in Copper.{did_you_mean(name, names)} There are: {", ".join(names)}.')


def find_field(entity: EntityType, name: str) -> Field | None:
    """Return a field that every account has, by any of its names."""
    for candidate in (name, _ALSO.get(name, name), f"address.{name}"):
        if candidate in entity.by_name:
            return entity.by_name[candidate]
    by_key = [field for field in entity.fields if field.key == name and field.part is None and field.definition_id is None]
    return by_key[0] if by_key else None
