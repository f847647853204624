"""The magics in any front end: what a kernel sends to be shown, with no extension at the other end."""

import pytest
from cli.support import cell, notebook

from .support import kernel

STEPS = [
    cell("count = 3", "pipeline-parameters"),
    cell("import time\nnumbers = list(range(count))\ntime.sleep(1.2)", "step:load"),
    cell("total = sum(numbers)\nprint('total is', total)", "step:add"),
    cell("print(total)", "pipeline-metrics"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("magics")
    notebook(folder / "n.ipynb", *STEPS)
    with kernel(folder) as running:
        running.run("%load_ext kale_rs")
        yield running


def shown(outputs) -> dict:
    """The one result of a cell, by media type."""
    [result] = [each["content"]["data"] for each in outputs if each["msg_type"] == "execute_result"]
    return result


def test_a_run_is_a_table_that_lives(running):
    """No argument: it is the notebook itself, as the environment names it."""
    outputs = running.run("%pipeline run -p count=4")
    kinds = [each["msg_type"] for each in outputs]
    assert kinds[0] == "display_data" and kinds[-1] == "execute_result"
    assert set(kinds[1:-1]) == {"update_display_data"} and len(kinds) >= 4
    displays = [each["content"] for each in outputs[:-1]]
    assert len({each["transient"]["display_id"] for each in displays}) == 1
    tables = [each["data"]["text/html"] for each in displays]
    assert any("<table>" in each and "running" in each and "cell 1 (1 of 1)" in each for each in tables)
    assert "succeeded in" in tables[-1] and "<table>" not in tables[-1]
    result = shown(outputs)
    assert "<table>" in result["text/html"] and "succeeded" in result["text/html"]
    assert "total = 6" in result["text/plain"]


def test_a_graph_is_a_picture(running):
    result = shown(running.run("%pipeline graph"))
    assert result["image/svg+xml"].startswith("<svg") and "<svg" in result["text/html"]
    assert "● load" in result["text/plain"]


def test_history_is_in_tables(running):
    for line, told in {
        "%pipeline runs": "n.ipynb",
        "%pipeline runs --notebook n.ipynb": "n.ipynb",
        "%pipeline show last": "succeeded",
        "%pipeline show last add": "total is 6",
        "%pipeline lineage last": "kale://run/",
        "%pipeline doctor": "python",
    }.items():
        result = shown(running.run(line))
        assert "<table>" in result["text/html"] and told in result["text/html"], line
        assert told in result["text/plain"] or line.endswith("doctor"), line


def test_a_value_is_shown_and_written(running):
    result = shown(
        running.run("import kale_rs\npage = %pipeline show last add\nvalue = kale_rs.artifact(page.given[0].id)\nvalue")
    )
    assert result["text/html"].endswith("<pre>[0, 1, 2, 3]</pre>")
    written = running.run("got = %pipeline artifact {page.given[0].id} -o numbers.json\nopen(got.output).read()")
    assert "0" in shown(written)["text/plain"]


def test_a_broken_notebook_is_told_in_a_table(running):
    running.run("open('bad.ipynb', 'w').write(open('n.ipynb').read().replace('sum(numbers)', 'sum(numbers'))")
    for line in ("%pipeline check bad.ipynb", "%pipeline graph bad.ipynb", "%pipeline run bad.ipynb"):
        result = shown(running.run(line))
        assert "<table>" in result["text/html"] and "syntax-error" in result["text/html"], line


def test_a_marked_cell_needs_no_extension(running):
    assert shown(running.run("%%pipeline step train --after load\n1 + 1"))["text/plain"] == "2"
