"""Answers in other formats: one JSON document, GitHub annotations, SARIF, SVG, DOT."""

import json
from xml.etree import ElementTree

import pytest

from .support import call, cell, notebook


@pytest.fixture
def diamond(tmp_path):
    return notebook(
        tmp_path / "diamond.ipynb",
        cell("seed = 3", "pipeline-parameters"),
        cell("a = [seed]", "step:load"),
        cell("b = a + [1]", "step:left"),
        cell("c = a + [2]", "step:right"),
        cell("d = b + c", "step:join"),
        cell("print(sum(d))", "pipeline-metrics"),
    )


def test_graph_as_json(diamond):
    done = call("graph", diamond, "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert document["pipeline"] == "diamond"
    assert [step["name"] for step in document["steps"]] == ["load", "left", "right", "join"]
    edges = {(edge["from"], edge["to"]): edge["variables"] for edge in document["edges"]}
    expected = {("load", "left"): ["a"], ("load", "right"): ["a"], ("left", "join"): ["b"], ("right", "join"): ["c"]}
    assert edges == expected
    assert document["parameters"] == [{"name": "seed", "type": "int", "default": 3}]
    assert call("graph", diamond, "--json").stdout == done.stdout


def test_graph_as_text(diamond):
    done = call("graph", diamond)
    assert done.returncode == 0
    assert "● load  cell 1" in done.stdout
    assert "│   ← load  a" in done.stdout


def test_graph_as_svg_is_xml_without_fixed_page_colours(diamond):
    done = call("graph", diamond, "--format", "svg")
    root = ElementTree.fromstring(done.stdout)
    steps = [group.get("data-step") for group in root.iter("{http://www.w3.org/2000/svg}g") if group.get("data-step")]
    assert steps == ["load", "left", "right", "join"]
    assert "currentColor" in done.stdout and "#000" not in done.stdout and "white" not in done.stdout


def test_graph_as_dot(diamond):
    done = call("graph", diamond, "--format", "dot")
    assert done.stdout.startswith('digraph "diamond" {')
    assert '"load" -> "left" [label="a"];' in done.stdout


def test_standard_input(diamond):
    done = call("check", "-", "--json", stdin=diamond.read_text())
    assert (done.returncode, json.loads(done.stdout)) == (0, {"diagnostics": []})
    assert "in <stdin>" in call("check", "-", stdin=diamond.read_text()).stdout


def test_github_names_the_line_of_the_file(tmp_path):
    path = tmp_path / "n.ipynb"
    notebook(path, "a = 1", "b = 2\nc = = 3")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    done = call("check", "n.ipynb", "--format", "github", cwd=tmp_path)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "c = = 3" in text)
    assert done.returncode == 1
    assert done.stdout.startswith(f"::error file=n.ipynb,line={line},title=syntax-error::cell 1:2:")


def test_sarif(tmp_path):
    notebook(tmp_path / "n.ipynb", "c = = 3")
    done = call("check", "n.ipynb", "--format", "sarif", cwd=tmp_path)
    log = json.loads(done.stdout)
    (result,) = log["runs"][0]["results"]
    assert (log["version"], result["ruleId"], result["level"]) == ("2.1.0", "syntax-error", "error")
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "n.ipynb"


def test_explain(tmp_path):
    assert "missing-prev (warning)" in call("explain", "missing-prev").stdout
    listed = call("explain").stdout
    assert "syntax-error" in listed and "step-died" in listed
    pages = json.loads(call("explain", "--json").stdout)["diagnostics"]
    assert {"id", "severity", "summary", "text"} == set(pages[0])


def test_compile_writes_a_file_and_names_it(diamond, tmp_path):
    out = tmp_path / "deep" / "pipeline.yaml"
    done = call("compile", diamond, "-o", out)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"wrote {out}" in done.stderr
    first = out.read_text()
    again = call("compile", diamond, "-o", "-")
    assert again.stdout == first
    document = json.loads(call("compile", diamond, "-o", out, "--json").stdout)
    assert document["files"] == [str(out)]
    assert out.read_text() == first


def test_compile_without_output_takes_the_pipelines_name(diamond, tmp_path):
    call("compile", diamond, cwd=tmp_path)
    call("compile", diamond, "--target", "kfp-script", cwd=tmp_path)
    assert (tmp_path / "diamond.yaml").is_file() and (tmp_path / "diamond.py").is_file()


def test_doctor(tmp_path):
    done = call("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "none yet for notebooks of this folder; the first run makes" in done.stdout
    findings = json.loads(call("doctor", "--json", cwd=tmp_path).stdout)["findings"]
    assert [row["health"] for row in findings] == ["ok"] * len(findings)
    assert not (tmp_path / ".kale_rs").exists()


def test_doctor_says_what_to_do(tmp_path):
    path = notebook(tmp_path / "n.ipynb", "a = 1", metadata={"kernelspec": {"name": "gone", "display_name": "Gone"}})
    done = call("doctor", path)
    assert "kernelspec `gone` is not installed here" in done.stdout
    assert "ipykernel install" in done.stdout
