"""`%%pipeline` marks a cell for the compiler and runs it as usual; `%pipeline VERB` is the API in one line."""

from __future__ import annotations

import inspect
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import kale_rs
from kale_rs import api, clusters, sweeping
from kale_rs.errors import UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_CELL_MAGIC = "%%pipeline"
_FLAGS = {
    "--no-cache": ("cache", False),
    "--no-warm": ("warm", False),
    "--detach": ("detach", True),
    "--follow": ("follow", True),
    "--differential": ("differential", True),
    "--isolated": ("isolated", True),
    "--fix": ("fix", True),
    "--before": ("before", True),
    "--files": ("files", True),
    "--trust": ("trust", True),
    "--dry-run": ("dry_run", True),
    "--catch-up": ("catch_up", True),
    "--paused": ("paused", True),
    "--replace": ("replace", True),
    "--maximize": ("maximize", True),
    "--minimize": ("maximize", False),
    "--plan": ("plan", True),
    "--open": ("open", True),
    "--model-only": ("model_only", True),
    "--insecure-skip-verify": ("insecure_skip_verify", True),
}
_INTEGERS = (
    "jobs",
    "limit",
    "keep_days",
    "keep_best",
    "max_concurrency",
    "trials",
    "parallel",
    "max_failed",
    "seed",
    "replicas",
    "batch",
    "port",
)
_FLOATS = ("goal", "timeout", "batch_delay")
#: What may be given several times.
_REPEATED = ("assignments", "then", "gate", "param", "setting", "early_stopping_setting", "objective", "asset", "cors")


def register(shell: InteractiveShell) -> None:
    """Make both magics known to a shell."""
    if _without_magic not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(_without_magic)
    shell.register_magic_function(_pipeline, magic_kind="line", magic_name="pipeline")


def _without_magic(lines: list[str]) -> list[str]:
    """Take `%%pipeline ...` off a cell before IPython reads it, so that the rest is an ordinary cell.

    A comment stays in its place, which keeps the line numbers of tracebacks, unless another cell magic follows: that
    has to be the first line.
    """
    if not lines or not lines[0].startswith(_CELL_MAGIC):
        return lines
    if len(lines) > 1 and lines[1].startswith("%%"):
        return lines[1:]
    return ["#" + lines[0], *lines[1:]]


def _pipeline(line: str) -> object:
    """`%pipeline check`, `graph`, `compile`, `run -p NAME=VALUE`, `runs`, `show`, ...: on this notebook, as saved."""
    words = shlex.split(line)
    if not words or words[0] not in VERBS:
        raise UsageError(f"`%pipeline` knows {', '.join(f'`{verb}`' for verb in VERBS)}", "try `%pipeline check`")
    function = VERBS[words[0]]
    if {"-h", "--help"} & set(words):
        print(inspect.getdoc(getattr(kale_rs, _name(words[0]))))
        return None
    positional, keywords = _arguments(words[1:])
    public = getattr(kale_rs, _name(words[0]))
    known = {*inspect.signature(public).parameters, *inspect.signature(function).parameters}
    try:
        for unknown in keywords.keys() - known:
            raise TypeError(f"got an unexpected keyword argument '{unknown}'")
        inspect.signature(function).bind(*positional, **keywords)
    except TypeError as error:
        raise UsageError(
            f"`%pipeline {line}`: {error}", f"`help(kale_rs.{_name(words[0])})` has the arguments"
        ) from None
    return function(*positional, **keywords)


def _name(verb: str) -> str:
    """The function of a verb."""
    return verb.replace("-", "_")


def _run(notebook: str | None = None, *, assignments: tuple[str, ...] = (), **options: Any) -> object:
    """`%pipeline run`: as `kale_rs.run`, with parameters as texts."""
    return api.run_assigned(notebook, {"assignments": list(assignments)}, **options)


def _schedule(
    action: str = "list", notebook: str | None = None, *, assignments: tuple[str, ...] = (), **options: Any
) -> object:
    """`%pipeline schedule`: as `kale_rs.schedule`, with parameters as texts."""
    return clusters.schedule_assigned(action, notebook, {"assignments": list(assignments)}, **options)


def _sweep(
    notebook: str | None = None,
    *,
    assignments: tuple[str, ...] = (),
    param: tuple[str, ...] = (),
    setting: tuple[str, ...] = (),
    early_stopping_setting: tuple[str, ...] = (),
    **options: Any,
) -> object:
    """`%pipeline sweep`: as `kale_rs.sweep`, with ranges, parameters and settings as texts."""
    parameters = {"assignments": list(assignments)}
    options |= {"settings": setting, "early_stopping_settings": early_stopping_setting}
    return sweeping.sweep_assigned(notebook, param, parameters, **options)


def _sweeps(action: str = "list", sweep: str = "last", *, param: tuple[str, ...] = (), **options: Any) -> object:
    """`%pipeline sweeps`: as `kale_rs.sweeps`, with ranges as texts."""
    ranges = dict(sweeping.named_range(text) for text in param)
    return sweeping.sweeps(action, sweep, ranges=ranges, **options)


def _serve(
    model: str,
    *,
    preprocess: str | None = None,
    postprocess: str | None = None,
    asset: tuple[str, ...] = (),
    example: str | None = None,
    **options: Any,
) -> object:
    """`%pipeline serve`: as `kale_rs.serve`; names are those of this kernel where the model is one of them."""
    names = sys.modules["__main__"].__dict__
    if model not in names:
        return kale_rs.serve(
            model, preprocess=preprocess, postprocess=postprocess, assets=asset, example=example, **options
        )

    def value(name: str | None) -> Any:
        if name is not None and name not in names:
            raise UsageError(f"nothing is called `{name}` here", "name a variable of this notebook")
        return None if name is None else names[name]

    functions = {"preprocess": value(preprocess), "postprocess": value(postprocess)}
    assets = {name: value(name) for name in asset}
    return kale_rs.serve(names[model], **functions, assets=assets, example=value(example), **options)


def _services(action: str = "list", name: str | None = None, **options: Any) -> object:
    """`%pipeline services`: as `kale_rs.services`."""
    return kale_rs.services(action, name, **options)


def _predict(service: str, data: str, **options: Any) -> object:
    """`%pipeline predict`: as `kale_rs.predict`; the data is a variable of this kernel, or JSON."""
    names = sys.modules["__main__"].__dict__
    if data in names:
        return kale_rs.predict(service, names[data], **options)
    try:
        return kale_rs.predict(service, json.loads(data), **options)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"`{data}` is neither a variable of this notebook nor JSON: {error}",
            "name a variable, or write rows such as `'[[1, 2], [3, 4]]'`",
        ) from None


VERBS: dict[str, Callable[..., object]] = {
    "check": api.check,
    "graph": api.graph,
    "compile": api.compile,
    "run": _run,
    "runs": api.runs,
    "show": api.show,
    "logs": api.logs,
    "restore": api.restore,
    "snapshot": api.snapshot,
    "resume": api.resume,
    "cancel": api.cancel,
    "archive": clusters.archive,
    "unarchive": clusters.unarchive,
    "diff": api.diff,
    "gc": api.gc,
    "lineage": api.lineage,
    "artifact": api.artifact,
    "context": clusters.context,
    "schedule": _schedule,
    "serve": _serve,
    "services": _services,
    "predict": _predict,
    "sweep": _sweep,
    "sweeps": _sweeps,
    "doctor": api.doctor,
    "explain": api.explain,
    "explain-overlay": api.explain_overlay,
}


def _arguments(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Words as on the command line: `-p name=value`, `--option value`, and plain ones."""
    positional: list[str] = []
    keywords: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word in _FLAGS:
            keyword, constant = _FLAGS[word]
            keywords[keyword] = constant
        elif word.startswith("-"):
            keyword, value = _option(word, rest)
            if keyword in _REPEATED:
                value = (*keywords.get(keyword, ()), value)
            keywords[keyword] = value
        else:
            positional.append(word)
    return positional, keywords


def _option(word: str, rest: Iterator[str]) -> tuple[str, object]:
    name, separator, text = word.partition("=") if word.startswith("--") else (word, "", "")
    value = text if separator else next(rest, None)
    if value is None:
        raise UsageError(f"`{word}` needs a value", "write it after the option")
    keyword = {"-p": "assignments", "--parameter": "assignments", "-o": "output", "--from": "from_step"}.get(
        name, name.lstrip("-").replace("-", "_")
    )
    if keyword in _INTEGERS:
        if not value.isdecimal():
            raise UsageError(f"`{name} {value}` is no number", f"write `{name} 2`")
        return keyword, int(value)
    if keyword in _FLOATS:
        try:
            return keyword, float(value)
        except ValueError:
            raise UsageError(f"`{name} {value}` is no number", f"write `{name} 0.5`") from None
    return keyword, value
