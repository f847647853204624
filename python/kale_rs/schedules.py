"""What `schedule` and `archive` give."""

from __future__ import annotations

from collections import UserList
from collections.abc import Iterable
from html import escape

from kale_rs.results import Json, html_table


class Schedule:
    """A pipeline that a cluster runs by the clock."""

    def __init__(self, answer: Json) -> None:
        self.id: str = answer["id"]
        self.name: str = answer["name"]
        #: Whether it starts runs.
        self.enabled: bool = answer["enabled"]
        self.cron: str | None = answer["cron"]
        self.every_seconds: int | None = answer["every_seconds"]
        self.start: str | None = answer["start"]
        self.end: str | None = answer["end"]
        self.catch_up: bool = answer["catch_up"]
        self.max_concurrency: int | None = answer["max_concurrency"]
        #: Its page.
        self.url: str = answer["url"]

    @property
    def when(self) -> str:
        """When it starts runs, in words."""
        time = self.cron or (f"every {self.every_seconds} s" if self.every_seconds else "never")
        bounds = [f"{word} {instant}" for word, instant in (("from", self.start), ("until", self.end)) if instant]
        return "  ".join([time, *bounds])

    def __repr__(self) -> str:
        line = f"{self.name}  {'enabled' if self.enabled else 'paused'}  {self.when}  {self.url}"
        # A name is whatever somebody has given it, also what would make a terminal do something.
        return "".join(letter if letter.isprintable() else " " for letter in line)


class Schedules(UserList[Schedule]):
    """The schedules of a cluster, newest first."""

    def __init__(self, schedules: Iterable[Schedule] = (), context: str | None = None) -> None:
        super().__init__(schedules)
        self.context = context

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or f"no schedules in `{self.context}`"

    def _repr_html_(self) -> str:
        rows = (
            [escape(word) for word in (one.name, "enabled" if one.enabled else "paused", one.when, one.id)]
            for one in self
        )
        return html_table(("schedule", "state", "when", "id"), rows)


class Archived:
    """Where a run of a cluster is there now."""

    def __init__(self, answer: Json) -> None:
        self.run_id: str = answer["run_id"]
        self.context: str = answer["context"]
        #: Its page.
        self.url: str = answer["remote"]["url"]
        self.archived: bool = answer["archived"]

    def __repr__(self) -> str:
        return f"run {self.run_id} on {self.context}: {'archived' if self.archived else 'no longer archived'}"
