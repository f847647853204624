"""`graph --why FROM TO`: the line that produces, the line that consumes."""

import json

import kale_rs
import pytest

from .support import call, cell, notebook


@pytest.fixture
def flows(tmp_path):
    return notebook(
        tmp_path / "flows.ipynb",
        cell("import random\nrandom.seed(sum([1, 2]))\nrows = [1]\nsame = rows", "step:load"),
        cell("print(1)\nrows.append(2)\nopen('log.txt', 'w').write('x')", "step:grow"),
        cell("print(same)\nprint(open('log.txt').read())", "step:show", "prev:grow"),
        cell("print(random.random())\nprint(len([]))", "step:draw"),
        cell("print('ok')\n# kale: barrier", "step:end"),
    )


def reasons(notebook, start, end):
    answer = json.loads(call("graph", notebook, "--why", start, end, "--json").stdout)
    return {(one["kind"], one["name"]): (place(one["produced"]), place(one["consumed"])) for one in answer["why"]}


def place(end):
    return end["cell"], end["start"]["line"], end["message"]


def test_a_change_is_named_where_it_happens_and_an_alias_where_it_is_read(flows):
    found = reasons(flows, "grow", "show")
    assert found["variable", "same"] == ((1, 2, "changes `same`"), (2, 1, "reads `same`"))
    assert found["resource", "file:log.txt"] == (
        (1, 3, "writes the file `log.txt`"),
        (2, 2, "reads the file `log.txt`"),
    )
    assert found["declared", "prev:grow"] == ((1, 1, "is step `grow`"), (2, 1, "is tagged `prev:grow`"))
    assert len(found) == 3


def test_a_member_of_an_alias_group_travels_with_what_is_read(flows):
    found = reasons(flows, "load", "grow")
    assert found["variable", "rows"] == ((0, 3, "binds `rows`"), (1, 2, "reads `rows`"))
    assert found["variable", "same"][1] == (1, 2, "reads `rows`, which shares objects with `same`")


def test_the_state_of_a_generator(flows):
    made, used = reasons(flows, "load", "draw")["resource", "rng:random"]
    assert made[:2] == (0, 2)
    assert used == (3, 1, "reads the state of random's generator")


def test_a_barrier(flows):
    assert reasons(flows, "draw", "end")["resource", "barrier"][1][0] == 4


def test_text_quotes_both_lines(flows):
    text = call("graph", flows, "--why", "grow", "show").stdout
    assert text.startswith("show needs same of grow\n")
    assert "2 | rows.append(2)\n" in text
    assert "1 | print(same)\n" in text


def test_steps_without_an_edge(flows):
    assert call("graph", flows, "--why", "grow", "draw").stdout == "draw needs nothing of grow.\n"
    assert "load → grow → show" in call("graph", flows, "--why", "load", "show").stdout


def test_a_step_that_is_none(flows):
    done = call("graph", flows, "--why", "grow", "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no step is called `nope`" in done.stderr
    assert "`load`, `grow`, `show`" in done.stderr


def test_in_python(flows):
    (one, *_) = kale_rs.graph(flows, why="load grow").why
    assert (one.source, one.target, one.kind, one.name) == ("load", "grow", "variable", "rows")
    assert "needs rows of load" in repr(kale_rs.graph(flows, why=("load", "grow")))
    assert kale_rs.graph(flows).why == []
    with pytest.raises(kale_rs.UsageError, match="two steps"):
        kale_rs.graph(flows, why="load")


def test_one_step_is_no_way(flows):
    told = call("graph", flows, "--why", "grow", "grow").stdout
    assert told == "grow is one step: name two steps, the earlier one first.\n"
