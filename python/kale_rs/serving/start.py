"""`serve`: packs what is in this process, and has a server started for it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kale_rs.asking import Path, number, text, whole
from kale_rs.errors import UsageError
from kale_rs.serving.service import Service

#: Services of this process by name: one that is served again takes the place of its forerunner.
_STARTED: dict[str, Service] = {}


def serve(
    model: object,
    *,
    preprocess: Callable[[Any], Any] | str | None = None,
    postprocess: Callable[[Any], Any] | str | None = None,
    assets: Mapping[str, object] | Sequence[str] = (),
    example: object = None,
    name: str | None = None,
    method: str | None = None,
    replicas: int | None = None,
    batch: int | None = None,
    batch_delay: float | None = None,
    timeout: float | None = None,
    max_body: str | int | None = None,
    memory: str | int | None = None,
    host: str | None = None,
    port: int | None = None,
    token_env: str | None = None,
    open: bool = False,
    cors: Sequence[str] = (),
    predictor: str | None = None,
    model_only: bool = False,
    python: Path | None = None,
    trust: bool = False,
    detach: bool = False,
    store: Path | None = None,
) -> Service:
    """Serve a model: an endpoint on this machine that speaks KServe's protocols, V1 and V2.

    `model` is an object of sklearn, xgboost, lightgbm, torch, keras, onnx or statsmodels, anything with a method
    `predict`, or a function. `preprocess` makes of the rows of a request what the model takes, `postprocess` of the
    model's answer what is sent; each is called once per request, with all of its rows. What they refer to goes with
    them: functions, classes and values of the notebook, modules beside it, and the versions of packages. `assets` are
    bound to global names for them; a `pathlib.Path` is a file or folder to take along. `example` has some rows as a
    request would: a process that has never seen the notebook must answer them as this one does.

    `model` may also be text: `"RUN:STEP:VARIABLE"`, `"best:STEP:VARIABLE"` (of the newest sweep's best trial), the path
    of a model's file or of a bundle. Then `preprocess`, `postprocess`, `assets` and `example` are names of variables.

    Requests that wait go to the model together where it was seen to answer them as it answers each, to the last bit;
    `batch` is how many rows at most (1: each request alone), `batch_delay` how many milliseconds one waits for others.
    A request may take `timeout` seconds and have `max_body` bytes (or a text such as `"200MB"`), and a process of the
    model that has more than `memory` is replaced once another one is ready.

    The service ends with this process, or with its `.stop()`; with `detach` only with that.
    """
    from kale_rs import _native

    settings: dict[str, Any] = {
        "name": name,
        "method": method,
        "replicas": whole("replicas", replicas),
        "batch": whole("batch", batch),
        "batch_delay": number("batch_delay", batch_delay),
        "timeout": number("timeout", timeout),
        "max_body": None if max_body is None else str(max_body),
        "memory": None if memory is None else str(memory),
        "host": _address(host),
        "port": _port(port),
        "token_env": token_env,
        "replaces": [service.pid for service in _STARTED.values()],
        "open": open,
        "cors": [cors] if isinstance(cors, str) else list(cors),
        "predictor": predictor,
        "model_only": model_only,
        "python": text(python),
        "trust": trust,
        "tied": not detach,
        "store": text(store),
    }
    if isinstance(model, str | os.PathLike):
        request = _named(os.fspath(model), preprocess, postprocess, assets, example)
        answer = json.loads(_native.serve(json.dumps(settings | request)))
    else:
        answer = _packed(model, preprocess, postprocess, assets, example, settings)
    for remark in answer["remarks"]:
        print(f"note: {remark}", file=sys.stderr)
    service = Service(answer, token_env=token_env, store=text(store))
    _STARTED[service.name] = service
    return service


def _address(host: str | None) -> str | None:
    import ipaddress

    try:
        return None if host is None else str(ipaddress.ip_address(host))
    except ValueError:
        raise UsageError(f"`host` is an address, not {host!r}", 'write `host="127.0.0.1"`') from None


def _port(port: int | None) -> int | None:
    found = whole("port", port)
    if found is not None and found >= 2**16:
        raise UsageError(f"there is no port {port}: the last one is 65535", "leave it out for any that is free")
    return found


def _named(
    model: str, preprocess: object, postprocess: object, assets: Mapping[str, object] | Sequence[str], example: object
) -> dict[str, Any]:
    """What is asked for by names, as on the command line."""
    for what, given in (("preprocess", preprocess), ("postprocess", postprocess), ("example", example)):
        if given is not None and not isinstance(given, str):
            raise UsageError(
                f"of a model that is named, `{what}` is the name of a variable of its run", f'write `{what}="name"`'
            )
    if isinstance(assets, str | Mapping):
        raise UsageError(
            "of a model that is named, `assets` are names of variables of its run", 'write `assets=["name"]`'
        )
    names = {"preprocess": preprocess, "postprocess": postprocess, "assets": list(assets), "example": example}
    return {"model": model, **names}


def _packed(
    model: object,
    preprocess: object,
    postprocess: object,
    assets: Mapping[str, object] | Sequence[str],
    example: object,
    settings: dict[str, Any],
) -> Any:
    from kale_runtime.packing import bundle

    from kale_rs import _native

    if not isinstance(assets, Mapping):
        if assets:
            raise UsageError("`assets` are values by name", 'write `assets={"name": value}`')
        assets = {}
    names = sys.modules["__main__"].__dict__
    settings = settings | {"name": settings["name"] or _name_of(model, names)}
    _native.check_service(json.dumps(settings))
    wanted = bundle.Wanted(
        model=model,
        name=settings["name"],
        preprocess=preprocess,
        postprocess=postprocess,
        assets=dict(assets),
        example=example,
        method=settings["method"],
        names=names,
    )
    with tempfile.TemporaryDirectory(prefix="kale-rs-") as folder:
        try:
            packed = bundle.pack(wanted, folder)
        except bundle.CannotPack as error:
            raise UsageError(str(error), error.help) from None
        told = {key: packed[key] for key in ("modules", "answer", "remarks")}
        return json.loads(_native.serve(json.dumps(settings | {"packed": {"folder": folder, **told}})))


def _name_of(model: object, names: Mapping[str, object]) -> str:
    """As the notebook calls it."""
    found = (name for name, value in names.items() if value is model and name[:1] != "_")
    return next(found, type(model).__name__.lower())
