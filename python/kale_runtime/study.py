"""Writes a sweep's trials into a study of Optuna's, so that its dashboard opens them: `kale-rs sweeps export`.

`python .../kale_runtime --study` reads one JSON document and answers with one. The study is made, or completed: trials
that are in it already, known by their runs, stay as they are.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
from typing import Any

from kale_runtime.suggestions import INSTALL, Unable, distribution, inner

STATES = {"succeeded": "COMPLETE", "failed": "FAIL", "cancelled": "PRUNED"}


def write(sweep: dict[str, Any]) -> dict[str, Any]:
    try:
        import optuna
    except ImportError as error:
        raise Unable(f"the study is Optuna's, which {sys.executable} cannot import: {error}", INSTALL) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage, name = sweep["storage"], sweep["study"]
    study = optuna.create_study(storage=storage, study_name=name, directions=sweep["directions"], load_if_exists=True)
    study.set_metric_names(sweep["objectives"])
    known = {trial.user_attrs.get("kale_rs.run") for trial in study.get_trials(deepcopy=False)}
    points = [trial["parameters"] for trial in sweep["trials"]]
    domains = {one["name"]: _widened(one["domain"], [point[one["name"]] for point in points]) for one in sweep["space"]}
    for trial in sweep["trials"]:
        if trial["status"] in STATES and trial["run"] not in known:
            study.add_trial(_trial(trial, domains))
    return {"study": name, "storage": storage, "trials": len(study.get_trials(deepcopy=False))}


def _widened(domain: dict[str, Any], values: list[Any]) -> dict[str, Any]:
    """With all values that trials had: the range may have been another one before."""
    if "values" in domain:
        return domain | {"values": domain["values"] + [value for value in values if value not in domain["values"]]}
    low, high = min([domain["low"], *values]), max([domain["high"], *values])
    is_changed = (low, high) != (domain["low"], domain["high"])
    step = 1 if domain["kind"] == "int" else None
    return domain | {"low": low, "high": high} | ({"step": step} if is_changed else {})


def _trial(trial: dict[str, Any], domains: dict[str, Any]) -> Any:
    import optuna

    begun = datetime.datetime.fromtimestamp(trial["created"] or 0)
    about = {"kale_rs.run": trial["run"], "kale_rs.trial": trial["number"], "metrics": trial["metrics"]}
    if trial["reason"]:
        about["reason"] = trial["reason"]
    made = optuna.trial.create_trial(
        state=optuna.trial.TrialState[STATES[trial["status"]]],
        params={name: inner(domains[name], trial["parameters"][name], by_place=False) for name in domains},
        distributions={name: distribution(domains[name], by_place=False) for name in domains},
        values=trial["values"] or None,
        user_attrs=about,
    )
    made.datetime_start = begun
    made.datetime_complete = begun + datetime.timedelta(seconds=trial["seconds"])
    return made


def main() -> int:
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        try:
            answer = write(json.load(sys.stdin))
        except Unable as unable:
            answer = {"error": str(unable), "help": unable.help}
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            answer = {"error": words, "help": "look at the URL: `sqlite:///FILE` is a file"}
    print(json.dumps(answer), file=out, flush=True)
    return 1 if "error" in answer else 0
