"""The functions of `kale_rs` that are about clusters: where they are, what they run by the clock, what is put away."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from kale_rs import asking, results
from kale_rs.asking import Path
from kale_rs.errors import NotebookError, UsageError

if TYPE_CHECKING:
    from kale_rs import contexts, schedules


@overload
def context(action: Literal["list"] = "list") -> contexts.Contexts: ...


@overload
def context(action: Literal["test"], name: str | None = None) -> contexts.ContextTest: ...


@overload
def context(
    action: Literal["add", "use", "remove"],
    name: str,
    *,
    kfp: str | None = None,
    namespace: str | None = None,
    auth: str | None = None,
    ca: Path | None = None,
    insecure_skip_verify: bool = False,
    proxy: str | None = None,
    overlay: Path | None = None,
    ui: str | None = None,
    kfp_namespace: str | None = None,
    replace: bool = False,
) -> contexts.Context: ...


def context(
    action: str = "list",
    name: str | None = None,
    *,
    kfp: str | None = None,
    namespace: str | None = None,
    auth: str | None = None,
    ca: Path | None = None,
    insecure_skip_verify: bool = False,
    proxy: str | None = None,
    overlay: Path | None = None,
    ui: str | None = None,
    kfp_namespace: str | None = None,
    replace: bool = False,
) -> contexts.Contexts | contexts.Context | contexts.ContextTest:
    """Say where else pipelines run: clusters with Kubeflow, by name. `local` is this machine, and always there.

    `context()` lists them. `context("add", name, kfp=url, namespace=..., auth=...)` writes one down; `auth` says where
    the credentials are kept: `"none"`, `"token-env:VAR"`, `"token-file:PATH"`, `"cookie-env:VAR"`, `"in-cluster"`,
    `"kubeconfig"` or `"kubeconfig:CONTEXT"`. They are never stored. An `overlay` is a file with what this cluster wants
    otherwise than notebooks say (see `explain_overlay`). `context("use", name)` chooses the one that is
    meant where none is named, `context("test", name)` says what of it works and what does not, and
    `context("remove", name)` forgets it.
    """
    from kale_rs import _native

    given = {
        "kfp": kfp,
        "namespace": namespace,
        "auth": auth,
        "ca": asking.text(ca),
        "insecure_skip_verify": insecure_skip_verify,
        "proxy": proxy,
        "overlay": asking.text(overlay),
        "ui": ui,
        "kfp_namespace": kfp_namespace,
        "replace": replace,
    }
    asking.one_of("action", action, ("add", "list", "use", "test", "remove"))
    if name is None and action not in ("list", "test"):
        raise UsageError(f"which context is it to {action}?", f'write `context("{action}", name)`')
    if action != "add" and any(given.values()):
        raise UsageError("what a context is like is said when it is added", 'write `context("add", name, ...)`')
    request = {"action": action, "name": name} | (given if action == "add" else {})
    answer = json.loads(_native.context(json.dumps(request)))
    from kale_rs.contexts import Context, Contexts, ContextTest

    if action == "list":
        return Contexts(map(Context, answer["contexts"]), answer["file"])
    return ContextTest(answer) if action == "test" else Context(answer)


@overload
def schedule(action: Literal["list"] = "list", *, on: str | None = None) -> schedules.Schedules: ...


@overload
def schedule(
    action: Literal["pause", "resume", "remove"], name: str, /, *, on: str | None = None
) -> schedules.Schedule: ...


@overload
def schedule(
    action: Literal["pause", "resume", "remove"], *, name: str, on: str | None = None
) -> schedules.Schedule: ...


@overload
def schedule(
    action: Literal["add"],
    notebook: Path | None = None,
    parameters: Mapping[str, object] | None = None,
    *,
    cron: str | None = None,
    every: str | int | None = None,
    start: str | None = None,
    end: str | None = None,
    catch_up: bool | None = None,
    max_concurrency: int | None = None,
    paused: bool = False,
    name: str | None = None,
    overlay: Path | None = None,
    granularity: str | None = None,
    python: Path | None = None,
    on: str | None = None,
) -> schedules.Schedule: ...


def schedule(
    action: str = "list",
    notebook: Path | None = None,
    parameters: Mapping[str, object] | None = None,
    *,
    cron: str | None = None,
    every: str | int | None = None,
    start: str | None = None,
    end: str | None = None,
    catch_up: bool | None = None,
    max_concurrency: int | None = None,
    paused: bool = False,
    name: str | None = None,
    overlay: Path | None = None,
    granularity: str | None = None,
    python: Path | None = None,
    on: str | None = None,
) -> schedules.Schedules | schedules.Schedule:
    """Have a cluster run notebooks by the clock; this machine may be off meanwhile.

    `schedule()` lists what there is on the cluster of the context `on` (without it, of the one in use).
    `schedule("add", notebook, cron="0 30 6 * * MON-FRI")` adds one: six fields, seconds first; or `every="1h30m"`. It
    starts no run before `start` and none after `end`, at most `max_concurrency` go on at the same time, and with
    `catch_up` runs that were missed are started later. What an overlay says of its `schedule` counts where nothing is
    said here. `schedule("pause", name)`, `"resume"` and `"remove"` take the name of a schedule or its id. Raises
    `NotebookError` when the notebook has errors.
    """
    return schedule_assigned(
        action,
        notebook,
        asking.values(parameters),
        cron=cron,
        every=every,
        start=start,
        end=end,
        catch_up=catch_up,
        max_concurrency=max_concurrency,
        paused=paused,
        name=name,
        overlay=overlay,
        granularity=granularity,
        python=python,
        on=on,
    )


def schedule_assigned(
    action: str,
    notebook: Path | None,
    parameters: Mapping[str, object],
    *,
    paused: bool = False,
    name: str | None = None,
    overlay: Path | None = None,
    granularity: str | None = None,
    python: Path | None = None,
    on: str | None = None,
    **time: object,
) -> schedules.Schedules | schedules.Schedule:
    """As `schedule`; `parameters` has `values` by name, or `assignments`. The rest is said of the time."""
    from kale_rs import _native
    from kale_rs.schedules import Schedule, Schedules

    asking.one_of("action", action, ("add", "list", "pause", "resume", "remove"))
    request: dict[str, Any] = {"action": action, "on": on}
    said = [paused, overlay, granularity, python, *time.values(), *parameters.values()]
    if action != "add" and any(said):
        raise UsageError("what a schedule is like is said when it is added", 'write `schedule("add", notebook, ...)`')
    if action == "list":
        if notebook is not None or name is not None:
            raise UsageError("a list has all schedules of a cluster", "write `schedule(on=CONTEXT)`")
        answer = json.loads(_native.schedule(json.dumps(request)))
        return Schedules(map(Schedule, answer["schedules"]), answer["context"])
    if action != "add":
        chosen = [one for one in (notebook, name) if one is not None]
        if len(chosen) != 1:
            raise UsageError(f"which schedule is it to {action}?", f'write `schedule("{action}", name)`')
        answer = json.loads(_native.schedule(json.dumps(request | {"schedule": os.fspath(chosen[0])})))
        return Schedule(answer)
    request |= asking.source(notebook, granularity, python) | {"parameters": parameters, "schedule": time}
    request |= {"overlay": asking.text(overlay), "name": name, "paused": paused}
    answer = json.loads(_native.schedule(json.dumps(request)))
    if answer["schedule"] is None:
        raise NotebookError(results.Diagnostics(answer["diagnostics"], answer["text"]))
    return Schedule(answer["schedule"])


def archive(run: str | results.Run = "last", *, store: Path | None = None) -> schedules.Archived:
    """Put a run of a cluster out of the way there, into the archive. Its record here stays."""
    from kale_rs import _native
    from kale_rs.schedules import Archived

    return Archived(json.loads(_native.archive(json.dumps({"run": asking.run_id(run), "store": asking.text(store)}))))


def unarchive(run: str | results.Run = "last", *, store: Path | None = None) -> schedules.Archived:
    """Take a run of a cluster out of the archive there."""
    from kale_rs import _native
    from kale_rs.schedules import Archived

    return Archived(json.loads(_native.unarchive(json.dumps({"run": asking.run_id(run), "store": asking.text(store)}))))
