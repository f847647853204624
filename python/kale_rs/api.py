"""The functions of `kale_rs`: Python values in, result objects out. What they do is `kale_rs._native`."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from kale_rs import asking, results
from kale_rs.asking import Path
from kale_rs.errors import NotebookError, UsageError

if TYPE_CHECKING:
    from kale_rs import pages

V = TypeVar("V")


def check(
    notebook: Path | None = None, *, fix: bool = False, granularity: str | None = None, python: Path | None = None
) -> results.Diagnostics:
    """Say what is wrong, or worth knowing, about a notebook. It is not executed.

    With `fix`, the fixes that diagnostics offer are carried out and the notebook's file is written; the answer says
    what is left, and its `.fixed` what was mended. Reload the notebook in an editor that has it open.
    """
    from kale_rs import _native

    answer = json.loads(_native.check(json.dumps(asking.source(notebook, granularity, python) | {"fix": fix})))
    return results.Diagnostics(answer["diagnostics"], answer["text"], answer.get("fixed", ()))


def graph(
    notebook: Path | None = None,
    *,
    why: tuple[str, str] | str | None = None,
    granularity: str | None = None,
    python: Path | None = None,
) -> results.Graph:
    """Give the steps of a notebook and what flows between them; Jupyter shows it as a picture.

    With `why=("load", "train")` (or `"load train"`), the answer says which lines make `train` wait for `load`.
    """
    from kale_rs import _native

    steps = why.replace(",", " ").split() if isinstance(why, str) else why
    if steps is not None and len(steps) != 2:
        raise UsageError("`why` asks about two steps", 'write, for example, `why=("load", "train")`')
    request = asking.source(notebook, granularity, python) | {"why": steps}
    return results.Graph(json.loads(_native.graph(json.dumps(request))))


def compile(
    notebook: Path | None = None,
    output: Path | None = None,
    *,
    target: str | None = None,
    granularity: str | None = None,
    python: Path | None = None,
    overlay: Path | None = None,
    on: str | None = None,
    build_context: Path | None = None,
    allow_oversize: bool = False,
    kubernetes: bool = False,
    namespace: str | None = None,
    sweep: Mapping[str, Any] | None = None,
    kserve: Mapping[str, Any] | None = None,
    service_account: str | None = None,
) -> results.Compiled:
    """Emit the pipeline for another system: `kfp` (KFP v2 IR, the default), `kfp-script` (a readable Python file) or
    `katib`.

    The target `kserve`, which is the default of a bundle's folder (`kale_rs.serve(...).bundle`), is a service of
    KServe, and `kserve` what is wanted of it, as options of the command have it: `{"storage_uri":
    "pvc://models/churn", "max_replicas": 3}`.

    The target `katib` is a sweep for Katib, in `namespace`; `sweep` has what the function `sweep` takes: `{"ranges":
    {"lr": "loguniform:1e-5:1e-1"}, "objective": "loss", "trials": 20}`. Its trials ask for runs as `service_account`.
    With `kubernetes` the IR is written as the resources `Pipeline` and `PipelineVersion`, in `namespace` if one is
    given. An `overlay` is a file with what is wanted otherwise than the notebook says: see `explain_overlay`; that of
    the context `on` counts as well. With `output` the file is written; else only the answer's `.text` holds it. With
    `build_context`, a folder, what an image for the steps is built from is written there. Raises `NotebookError` when
    the notebook has errors.
    """
    from kale_rs import _native

    request = asking.source(notebook, granularity, python)
    request |= {"build_context": asking.text(build_context), "on": on}
    request |= {"target": target, "output": asking.text(output) or "-", "allow_oversize": allow_oversize}
    request |= {"kubernetes": kubernetes, "namespace": namespace, "overlay": asking.text(overlay)}
    if sweep is not None:
        from kale_rs import sweeping

        request |= sweeping.asked(**sweep)
    request["kserve"] = dict(kserve or {})
    request["service_account"] = service_account
    answer = json.loads(_native.compile(json.dumps(request)))
    diagnostics = results.Diagnostics(answer["diagnostics"], answer["text"])
    if answer["emitted"] is None:
        raise NotebookError(diagnostics)
    return results.Compiled(
        answer["target"], answer["emitted"], answer["files"], diagnostics, answer.get("build_context", [])
    )


def run(
    notebook: Path | None = None,
    parameters: Mapping[str, object] | None = None,
    *,
    overlay: Path | None = None,
    jobs: int | None = None,
    cache: bool = True,
    warm: bool = True,
    from_step: str | None = None,
    verify: str = "inputs",
    differential: bool = False,
    isolated: bool = False,
    snapshot_limit: str | None = None,
    output_notebook: Path | None = None,
    openlineage: Path | None = None,
    granularity: str | None = None,
    python: Path | None = None,
    on: str | None = None,
    then: str | Sequence[str] = (),
    gate: str | Sequence[str] = (),
    detach: bool = False,
    progress: bool = True,
) -> results.Run:
    """Run a notebook as a pipeline, and wait for it (unless `detach`).

    It runs on this machine, or on the cluster of the context `on` (see `context`; without `on`, the one in use).
    The run is a process of its own: it outlives this kernel. A failed run is returned as well; see its `.status`,
    `.diagnostics`, and `.raise_for_status()`. Without `warm` every step starts an interpreter of its own, instead of
    forking one that has done the notebook's imports. With `from_step`, that step and those after it run, and the
    results of those before it are taken from earlier runs, whatever they read of the world. `verify` (`off`, `inputs`
    or `full`) says how closely steps are held against what the compiler assumed about them. With `differential` the
    notebook is run from top to bottom as well, in a copy of its folder, and what differs is a diagnostic. With
    `isolated` the steps run in a virtual environment that is made of the packages they need, and of nothing else. No
    step stores more than `snapshot_limit` (`"500MB"`) of its variables for `restore`, beyond what later steps need.
    With `openlineage`, a file or an OpenLineage server (its URL) is told what runs and what it reads and writes. An
    `overlay` is a file with what is wanted otherwise than the notebook says: see `explain_overlay`.

    With `then`, the same notebook runs in another context after that (or in several, one after the other), if it has
    succeeded and every `gate` holds, a condition on a metric such as `"acc >= 0.9"`. It is this call that starts the
    next run; where it was ended before, `resume` goes on from there. The last run that was begun is returned; its
    `.promotion` says what became of each context.
    """
    return run_assigned(
        notebook,
        asking.values(parameters),
        overlay=overlay,
        jobs=jobs,
        cache=cache,
        warm=warm,
        from_step=from_step,
        verify=verify,
        differential=differential,
        isolated=isolated,
        snapshot_limit=snapshot_limit,
        output_notebook=output_notebook,
        openlineage=openlineage,
        granularity=granularity,
        python=python,
        on=on,
        then=then,
        gate=gate,
        detach=detach,
        progress=progress,
    )


def run_assigned(
    notebook: Path | None,
    parameters: Mapping[str, object],
    *,
    overlay: Path | None = None,
    jobs: int | None = None,
    cache: bool = True,
    warm: bool = True,
    from_step: str | None = None,
    verify: str = "inputs",
    differential: bool = False,
    isolated: bool = False,
    snapshot_limit: str | None = None,
    output_notebook: Path | None = None,
    openlineage: Path | None = None,
    granularity: str | None = None,
    python: Path | None = None,
    on: str | None = None,
    then: str | Sequence[str] = (),
    gate: str | Sequence[str] = (),
    detach: bool = False,
    progress: bool = True,
) -> results.Run:
    """As `run`; `parameters` has `values` by name, or `assignments`: texts `name=value`, read by the declared type."""
    from kale_rs import _native

    request = asking.source(notebook, granularity, python)
    request |= {
        "parameters": parameters,
        "overlay": asking.text(overlay),
        "jobs": jobs,
        "no_cache": not cache,
        "no_warm": not warm,
        "from": from_step,
        "differential": differential,
        "isolated": isolated,
        "snapshot_limit": snapshot_limit,
        "verify": asking.one_of("verify", verify, ("off", "inputs", "full")),
        "output_notebook": asking.text(output_notebook),
        "openlineage": asking.text(openlineage),
        "on": on,
        "then": [then] if isinstance(then, str) else list(then),
        "gates": [gate] if isinstance(gate, str) else list(gate),
        "detach": detach,
    }
    told = asking.progress(progress and not detach)
    run = results.Run(json.loads(_native.run(json.dumps(request), told, asking.cancels_on_interrupt())))
    if told and run.run_id is None:
        told.say(repr(run))
    return run


def runs(
    *, notebook: Path | None = None, trials: bool = False, limit: int | None = None, store: Path | None = None
) -> results.Runs:
    """List the runs of a store, newest first; with `notebook` only those of that notebook.

    Runs that are trials of a sweep are in it (`sweeps`); with `trials` they are listed as well. `store` is a notebook
    or folder whose store is meant.
    """
    from kale_rs import _native

    request = {"notebook": asking.text(notebook), "trials": trials, "limit": limit, "store": asking.text(store)}
    answer = json.loads(_native.runs(json.dumps(request)))
    return results.Runs(results.Run(one) for one in answer["runs"])


@overload
def show(run: str | results.Run = "last", step: None = None, *, store: Path | None = None) -> results.Run: ...


@overload
def show(run: str | results.Run, step: str, *, store: Path | None = None) -> pages.StepPage: ...


def show(
    run: str | results.Run = "last", step: str | None = None, *, store: Path | None = None
) -> results.Run | pages.StepPage:
    """Give a run as it is now. `run` is an id, the start of one, or `last`.

    With `step`, give that step of it: its variables and files, and what its cells put out.
    """
    from kale_rs import _native

    answer = json.loads(
        _native.show(json.dumps({"run": asking.run_id(run), "step": step, "store": asking.text(store)}))
    )
    if step is None:
        return results.Run(answer)
    from kale_rs.pages import StepPage

    return StepPage(answer)


def logs(
    run: str | results.Run = "last", step: str | None = None, *, follow: bool = False, store: Path | None = None
) -> results.Logs:
    """Give what the steps of a run wrote. With `follow` it is printed as it comes, until the run has ended."""
    from kale_rs import _native

    request = {"run": asking.run_id(run), "step": step, "store": asking.text(store), "follow": follow}
    answer = json.loads(_native.logs(json.dumps(request), asking.progress(follow)))
    return results.Logs({log["step"]: log["text"] for log in answer["logs"]})


def resume(
    run: str | results.Run = "last", *, detach: bool = False, store: Path | None = None, progress: bool = True
) -> results.Run:
    """Finish a run that was interrupted, cancelled or failed; finished steps are not run again."""
    from kale_rs import _native

    request = json.dumps({"run": asking.run_id(run), "store": asking.text(store), "detach": detach})
    return results.Run(
        json.loads(_native.resume(request, asking.progress(progress and not detach), asking.cancels_on_interrupt()))
    )


def cancel(run: str | results.Run = "last", *, store: Path | None = None) -> results.Run:
    """Stop a run and every process of it, and wait until it has stopped."""
    from kale_rs import _native

    return results.Run(json.loads(_native.cancel(json.dumps({"run": asking.run_id(run), "store": asking.text(store)}))))


def diff(before: str | results.Run, after: str | results.Run = "last", *, store: Path | None = None) -> results.Diff:
    """Compare two runs: parameters, metrics, and the steps whose result differs."""
    from kale_rs import _native

    request = {"before": asking.run_id(before), "after": asking.run_id(after), "store": asking.text(store)}
    return results.Diff(json.loads(_native.diff(json.dumps(request))))


def restore(
    run: str | results.Run,
    step: str | None = None,
    *,
    before: bool = False,
    files: bool = False,
    output: Path | None = None,
    trust: bool = False,
    store: Path | None = None,
) -> results.Restored:
    """Put back every variable as it was after a step of a run (or before it), functions and classes included.

    `run` may also be the `kale://` id of a step. The variables are bound in this process's `__main__`, which is the
    notebook's namespace in a kernel. With `files`, files that the steps wrote are put back as well. With `output`,
    nothing is bound here: the notebook is written as it was then, with a first cell that restores.

    The variables of a run that was pulled (`snapshot`) are pickles of somebody else, and loading them can run any
    code: that is refused until you say `trust=True`, once.
    """
    from kale_rs import _native

    request = {
        "run": asking.run_id(run),
        "step": step,
        "before": before,
        "files": files,
        "trust": trust,
        "write": output is not None,
        "output": asking.text(output),
        "store": asking.text(store),
    }
    answer = json.loads(_native.restore(json.dumps(request)))
    if output is not None:
        return results.Restored(answer, set(), {})
    from kale_runtime.restoring import Restorer

    restorer = Restorer(asking.shell())
    restorer.carry_out(answer["namespace"]["actions"])
    return results.Restored(answer, restorer.bound, restorer.failed, restorer.apart())


def snapshot(
    action: str,
    *names: str | os.PathLike[str] | results.Run,
    step: str | None = None,
    store: Path | None = None,
    progress: bool = True,
) -> results.Snapshot:
    """Send a run's variables to an object store, or fetch those of another's run.

    `snapshot("push", run, url)` sends the state after each step of a run, or with `step` (or a run written as
    `"last:train"`) the state after that one. `snapshot("pull", url)` fetches what was pushed; `restore` then puts it
    back, after a `trust=True`. `url` is `s3://BUCKET/PREFIX`, `file:///FOLDER`, or the path of a folder. Credentials
    are those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, ...).
    """
    from kale_rs import _native

    expected = {"push": 2, "pull": 1}[asking.one_of("action", action, ("push", "pull"))]
    if len(names) != expected:
        raise UsageError(
            f"`{action}` takes {expected} argument{'s' if expected > 1 else ''}, not {len(names)}",
            'write `snapshot("push", run, url)` or `snapshot("pull", url)`',
        )
    texts = [os.fspath(name) if isinstance(name, str | os.PathLike) else asking.run_id(name) for name in names]
    request: dict[str, Any] = {"action": action, "url": texts[-1], "store": asking.text(store)}
    if action == "push":
        request |= {"run": texts[0], "step": step}
    display = asking.progress(progress)
    try:
        return results.Snapshot(json.loads(_native.snapshot(json.dumps(request), display)))
    finally:
        if display is not None:
            display.close()


def lineage(id: str | results.Run = "last", *, store: Path | None = None) -> results.Lineage:
    """Say where a run, a step, a stored value or a snapshot comes from, and what came of it.

    `id` is a run's id or a `kale://` id, such as the answer's `.made`, `.made_by`, `.uses` and `.used_by` hold.
    """
    from kale_rs import _native

    return results.Lineage(
        json.loads(_native.lineage(json.dumps({"id": asking.run_id(id), "store": asking.text(store)})))
    )


def artifact(id: str, output: Path | None = None, *, trust: bool = False, store: Path | None = None) -> pages.Artifact:
    """Look at a stored value: what it is, who made it, who was given it. Its `.value()` is the value.

    `id` is a `kale://` id, such as `show(run, step).made` holds. With `output` the value is written to that file, in
    the format of its suffix: `.csv` or `.parquet` for tables, `.npy` for arrays, `.png` for figures and images,
    `.json`, `.txt`, `.pkl`, `.joblib`, `.pt`, `.keras`. The value is read by a process of its own, under the
    interpreter that made it. One of a run that was pulled is read after a `trust=True`, once.
    """
    from kale_rs import _native
    from kale_rs.pages import Artifact

    request = {"id": id, "output": asking.text(output), "trust": trust, "store": asking.text(store)}
    return Artifact(json.loads(_native.artifact(json.dumps(request))))


def gc(
    *,
    keep_days: float | None = None,
    keep_best: int = 0,
    max_size: str | int | None = None,
    dry_run: bool = False,
    store: Path | None = None,
) -> results.Collected:
    """Remove old runs by policy, and stored values that no run names.

    `keep_days` removes older runs, `max_size` (bytes, or a text such as `"20GB"`) the oldest until the others fit;
    `keep_best` keeps so many runs with the highest and lowest values of each metric. What a remaining run needs stays.
    Bundles of models go with their run, those of no run when nobody has served them for `keep_days`.
    """
    from kale_rs import _native

    request = {"keep_days": keep_days, "keep_best": keep_best, "dry_run": dry_run, "store": asking.text(store)}
    request["max_size"] = None if max_size is None else str(max_size)
    return results.Collected(json.loads(_native.gc(json.dumps(request))))


def doctor(notebook: Path | None = None, *, python: Path | None = None) -> results.Diagnosis:
    """Check that this machine can run notebooks, and say what to do where it cannot."""
    from kale_rs import _native

    request = {"notebook": asking.text(notebook), "python": asking.text(python)}
    return results.Diagnosis(json.loads(_native.doctor(json.dumps(request)))["findings"])


def explain(id: str | None = None) -> results.Explanation:
    """Explain a diagnostic; without `id` all of them."""
    from kale_rs import _native

    return results.Explanation(json.loads(_native.explain(json.dumps({"id": id}))))


def explain_overlay(
    notebook: Path | None = None,
    overlay: Path | None = None,
    *,
    on: str | None = None,
    granularity: str | None = None,
    python: Path | None = None,
) -> results.OverlaySettings:
    """Tell of every value that an overlay can set whether the overlay, the context's, the notebook or nobody set it.

    An overlay is a YAML file with `image`, `resources`, `node_selector` and `tolerations` of all steps and, below
    `steps`, of single ones, with `volumes`, `parameters`, `packages` and `schedule`. It wins over tags, and the
    notebook stays as it is. That of the context `on` (without it, of the one in use) lies below it. Raises
    `NotebookError` when the notebook has errors.
    """
    from kale_rs import _native

    request = asking.source(notebook, granularity, python) | {"overlay": asking.text(overlay), "on": on}
    answer = json.loads(_native.explain_overlay(json.dumps(request)))
    if not answer["settings"]:
        raise NotebookError(results.Diagnostics(answer["diagnostics"], answer["text"]))
    return results.OverlaySettings(answer["settings"], answer["unused"])


def metric(name: str, value: V, step: int | None = None) -> V:
    """Report a number: in a pipeline it is recorded, in a notebook it is only checked. Gives `value` back.

    `step` numbers the values of a series, such as the loss of each epoch.
    """
    if not isinstance(name, str) or not name:
        raise UsageError(f"a metric's name is a string, not {name!r}", 'write `kale_rs.metric("accuracy", value)`')
    if step is not None and (isinstance(step, bool) or not hasattr(step, "__index__")):
        raise UsageError(f"`step` of metric `{name}` is an int, not {step!r}", "give the number of the epoch or batch")
    fault = _metric_fault(value)
    if fault:
        print(f"warning: metric `{name}` {fault}", file=sys.stderr)
    return value


def _metric_fault(value: object) -> str | None:
    try:
        if isinstance(value, str | bytes) or getattr(value, "shape", ()) != ():
            raise TypeError
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return f"is no number but a `{type(value).__name__}`: left out"
    return None if math.isfinite(number) else f"is {number}"
