"""Where our requests are not those of the official client, and why. All else is equal.

Each difference takes a part of the scenario and its requests, and gives them without it. It is applied to both sides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from .server import PREFIX, Request

Difference = Callable[[str, list[Request]], list[Request]]
DIFFERENCES: list[Difference] = []


def difference(function: Difference) -> Difference:
    DIFFERENCES.append(function)
    return function


def without_differences(part: str, requests: list[Request]) -> list[dict]:
    """What must be equal: method, path, query, and body."""
    for each in DIFFERENCES:
        requests = each(part, requests)
    return [{"method": r.method, "path": r.path, "query": sorted(r.query), "body": r.body} for r in requests]


def query_without(request: Request, unwanted: Callable[[str, str], bool]) -> Request:
    return replace(request, query=[(name, value) for name, value in request.query if not unwanted(name, value)])


@difference
def empty_queries(part, requests):
    """The official client sends `page_token=&sort_by=` where it has nothing to say; we leave it out."""
    return [query_without(request, lambda name, value: value == "") for request in requests]


@difference
def the_size_of_pages(part, requests):
    """We ask for as many as a page can hold (200), since all pages are read; the official client asks for 10.

    In the part about pages it asks for one at a time, so its later pages are requests that we do not need.
    """
    if part == "list_runs_in_pages":
        requests = [each for each in requests if not dict(each.query).get("page_token")]
    return [query_without(request, lambda name, value: name == "page_size") for request in requests]


@difference
def spaces_in_filters(part, requests):
    """A filter is JSON: the official client writes it with spaces."""

    def plain(name, value):
        return name, json.dumps(json.loads(value), sort_keys=True) if name == "filter" else value

    return [replace(request, query=[plain(*pair) for pair in request.query]) for request in requests]


@difference
def marks(part, requests):
    """We put a mark into the description of what we start, by which it is found again after a broken connection."""

    def unmarked(body):
        if not isinstance(body, dict) or "description" not in body:
            return body
        text = re.sub(r" ?\[kale-rs [^]]*\]$", "", body["description"])
        return {**body, "description": text} if text else {key: body[key] for key in body if key != "description"}

    return [replace(request, body=unmarked(request.body)) for request in requests]


@difference
def versions_named_by_content(part, requests):
    """We look whether the content is there before it is uploaded, and give its version a name that comes from it.

    So the pipeline is made first (`POST /pipelines`) and all versions are uploaded alike. The official client makes the
    pipeline and a first version in one request (`POST /pipelines/upload`), with a version that is named like the
    pipeline, and looks for nothing: the same content twice is two versions, or a conflict of names.
    """
    if part != "upload":
        return requests
    kept = []
    for request in requests:
        if request.method == "GET":
            assert request.path.startswith(f"{PREFIX}/pipelines") and dict(request.query)["filter"]
        elif request.path == f"{PREFIX}/pipelines/upload":
            body = {"display_name" if name == "name" else name: value for name, value in request.query}
            kept.append(replace(request, path=f"{PREFIX}/pipelines", query=[], body=body))
        else:
            kept.append(query_without(request, lambda name, value: name == "name"))
    return kept


@difference
def a_file_has_a_name(part, requests):
    """An upload is called `pipeline.yaml`; the official client calls it what it is called on the disk."""

    def called(body):
        return [(name, "FILE", content) for name, _, content in body] if isinstance(body, list) else body

    return [replace(request, body=called(request.body)) for request in requests]
