"""`services`: those that run, whoever has started them; and `predict`, which asks one by its name."""

from __future__ import annotations

import json
from collections import UserList
from typing import Any, NamedTuple

from kale_rs.asking import Path, one_of, text
from kale_rs.errors import UsageError
from kale_rs.results import html_table
from kale_rs.serving.service import Service, ServiceLogs


class ServiceRow(NamedTuple):
    """A service that runs."""

    name: str
    state: str
    url: str
    version: str
    pid: int


class Services(UserList[ServiceRow]):
    """Services of a store, by name."""

    def __repr__(self) -> str:
        return "\n".join("  ".join(map(str, one)) for one in self) or "no services"

    def _repr_html_(self) -> str:
        return html_table(ServiceRow._fields, self) if self else "no services"


def services(action: str = "list", name: str | None = None, *, store: Path | None = None) -> Any:
    """List the services of a store; or `show` (to go on with one), `stop`, or read the `logs` of one by its name."""
    from kale_rs import _native

    one_of("action", action, ("list", "show", "stop", "logs"))
    if action != "list" and name is None:
        raise UsageError(f"which service is it to {action}?", f'write `services("{action}", name)`')
    request = {"action": action, "name": name, "store": text(store)}
    answer = json.loads(_native.services(json.dumps(request)))
    if action == "list":
        return Services(ServiceRow(*(one[key] for key in ServiceRow._fields)) for one in answer["services"])
    if action == "logs":
        return ServiceLogs(answer["text"].splitlines())
    if action == "stop":
        return None
    return Service(answer | {"verified": None}, token_env=answer["settings"]["token_env"], store=text(store))


def predict(service: str, data: Any, *, store: Path | None = None) -> Any:
    """Ask a service by its name: rows as an array, a DataFrame, a list, a dict of columns, or one row as a dict.

    >>> kale_rs.predict("churn", table[:3])
    array([0, 1, 0])
    """
    return services("show", service, store=store).predict(data)
