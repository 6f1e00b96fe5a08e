"""One Copper account, for Python."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import tzinfo
from types import TracebackType
from typing import Any

from crmsync.client.book import Book, type_named
from crmsync.client.labels import Labels
from crmsync.client.records import Leads, People, Records
from crmsync.client.trouble import bad
from crmsync.client.writing import write
from crmsync.copper import read
from crmsync.copper.client import Client, Requests, only_looks
from crmsync.copper.pace import Pacer
from crmsync.copper.transport import Transport, base_url_from_env, credentials_from_env
from crmsync.model.catalogue import EntityType, Field
from crmsync.model.http import Send, json_request

_CLASSES: Mapping[str, type[Records]] = {"people": People, "leads": Leads}


class Copper:
    """
    One Copper account.

        copper = Copper.from_env()
        for person in copper.people.search(company="Acme", tags=["vip"], sort="name"):
            print(person["name"], person["Renewal date"], person.link)

    *send* is what carries requests; `from_env` makes one with the key of the environment. *requests_per_minute* leaves room
    for others when it is lower, *close_date_order* is the order of day and month that the account writes. Threads may
    share one.
    """

    def __init__(
        self,
        send: Send | None = None,
        *,
        client: Client | None = None,
        pacer: Pacer | None = None,
        requests_per_minute: int = 180,
        may_write: bool = True,
        close_date_order: str = "mdy",
        phone_region: str = "US",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if client is None:
            if send is None:
                raise TypeError("Copper needs a `send`. With the key of the environment: Copper.from_env()")
            client = Client(send, pacer or Pacer(requests_per_minute), clock, sleep, may_write)
        self._send = send
        self._client = client
        self._book = Book(client, close_date_order, phone_region)
        self._sleep = sleep

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Any) -> Copper:
        """
        Return the account of COPPER_API_KEY and COPPER_USER_EMAIL; the key may be in the keyring.

        *options* are those of the class. Raises AuthenticationFailed, Misconfigured.
        """
        environ = os.environ if environ is None else environ
        return cls(Transport(base_url_from_env(environ), credentials_from_env(environ)), **options)

    @property
    def people(self) -> People:
        """The people."""
        return People(self._book, "people", self._sleep)

    @property
    def companies(self) -> Records:
        """The companies."""
        return self["companies"]

    @property
    def opportunities(self) -> Records:
        """The opportunities."""
        return self["opportunities"]

    @property
    def leads(self) -> Leads:
        """The leads."""
        return Leads(self._book, "leads", self._sleep)

    @property
    def projects(self) -> Records:
        """The projects."""
        return self["projects"]

    @property
    def tasks(self) -> Records:
        """The tasks."""
        return self["tasks"]

    @property
    def activities(self) -> Records:
        """The activities: notes, calls, meetings, and Copper's own log."""
        return self["activities"]

    def __getitem__(self, type_name: str) -> Records:
        """Return the records of a type, by its name. Raises BadInput."""
        name = type_named(type_name).name
        return _CLASSES.get(name, Records)(self._book, name, self._sleep)

    @property
    def labels(self) -> Labels:
        """The lookup tables, both ways: users, pipelines, stages, custom fields, options and the rest."""
        return self._book.labels

    @property
    def account(self) -> Mapping[str, Any]:
        """The account: id, name, time zone, settings."""
        return self._book.account

    @property
    def zone(self) -> tzinfo:
        """The account's time zone."""
        return self._book.locale.zone

    def entity(self, type_name: str) -> EntityType:
        """Return the row of the catalogue for a type, with the account's custom fields. Raises BadInput."""
        return self._book.entity(type_named(type_name).name)

    def field(self, type_name: str, name: str) -> Field:
        """Return a field of a type by any of its names. Raises BadInput."""
        return self._book.field(type_named(type_name).name, name)

    def call(self, method: str, path: str, payload: Any = None) -> Any:
        """
        Return the data in the answer to any call of Copper's API, as on the wire: ``call("GET", "/tags")``.

        For what has no method here: tags, webhooks, files, links of Connect fields, definitions of custom fields and of
        activity types. Calls that look are tried again, others are sent once. Raises CopperError, BadInput.
        """
        if not path.startswith("/"):
            raise bad("CRM049", f'A path begins with a slash, such as /tags, and "{path}" does not.')
        request = json_request(method.upper(), path, payload)
        if only_looks(request):
            return self._client.read_data(request)[1]
        self.labels.forget()
        return write(self._book, request.method, path, payload, sleep=self._sleep)

    def me(self) -> Mapping[str, Any]:
        """Return the user whose key this is."""
        return read.me(self._client)

    @property
    def requests(self) -> Requests:
        """How many requests were sent so far."""
        return self._client.requests

    def close(self) -> None:
        """Close the connections."""
        close = getattr(self._send, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Copper:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
