"""A notebook's namespace for tests, and services that end with the test."""

import itertools
import linecache
import sys

import kale_rs
import pytest

CELLS = itertools.count(1)


@pytest.fixture
def notebook_names():
    """Runs cells in `__main__`, as a kernel does; gives its namespace."""
    names = sys.modules["__main__"].__dict__
    before = dict(names)

    def run(source):
        file = f"<cell-{next(CELLS)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        exec(compile(source, file, "exec"), names)
        return names

    yield run
    for name in set(names) - set(before):
        del names[name]
    names.update(before)


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """`kale_rs.serve` in a store of the test's own."""
    monkeypatch.chdir(tmp_path)
    started = []

    def start(model, **options):
        service = kale_rs.serve(model, store=tmp_path, **options)
        started.append(service)
        return service

    yield start
    for service in started:
        service.stop()
