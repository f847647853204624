"""Steps and stored values, looked at: by the command line, and by Python."""

import base64
import json
import subprocess
import sys

import kale_rs
import pytest

from .support import call, cell, environment, notebook
from .test_restore import in_a_process

PNG = b"\x89PNG\r\n\x1a\n"
STEPS = [
    "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\nfrom PIL import Image",
    "class Point:\n    def __init__(self, x):\n        self.x = x\n\n"
    "    def __repr__(self):\n        return f'Point {self.x}'\n\n"
    "class Large:\n    def __setstate__(self, state):\n        bytearray(20 << 30)\n\n"
    "    def __getstate__(self):\n        return 1\n\n"
    "class Evil:\n    def __repr__(self):\n        raise ValueError('no words')\n",
    cell(
        "table = pd.DataFrame({'n': range(1000), '<b>': ['<script>alert(1)</script>'] * 1000})\n"
        "table.to_csv('out.csv', index=False)\nprint('saved')\ntable.head(2)",
        "step:tables",
    ),
    cell(
        "grid = np.arange(12.0).reshape(4, 3) + len(table)\ncube = np.zeros((2, 2, 2))\nwords = ['é'] * 10**6\n"
        "point = Point(3)\ntitle = ' '.join(['first\\x1b[31m', 'line'])\nnumbers = {'a': [1, 2]}",
        "step:values",
    ),
    cell(
        "fig, ax = plt.subplots()\nax.plot([1, 2])\nimage = Image.new('RGB', (3000, 10), 'red')\n"
        "fig.savefig('plot.png')\nraw = open('plot.png', 'rb').read()\nplt.show()",
        "step:pictures",
    ),
    cell("large = Large()\nevil = Evil()", "step:hostile"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifact")
    done = call("run", notebook(folder / "n.ipynb", *STEPS), "--verify", "off", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def ids(folder):
    """Variable or file to its id."""
    found = {}
    for step in ("tables", "values", "pictures", "hostile"):
        page = kale_rs.show("last", step, store=folder)
        found |= {name: value.id for value in page.made for name in value.names}
        found |= {file.path: file.id for file in page.files}
    return found


@pytest.fixture
def look(folder, ids):
    return lambda name, *arguments, **options: kale_rs.artifact(ids[name], *arguments, store=folder, **options)


def test_a_step_is_shown_with_all_that_it_made(folder, ids):
    page = kale_rs.show("last", "tables", store=folder)
    assert (page.name, page.status, page.snapshot, page.files[0].path) == ("tables", "succeeded", True, "out.csv")
    assert page.seconds > 0 and page.peak_memory_bytes > 0 and page.files[0].bytes > 1000
    [only] = page.cells
    assert only.cell == 2 and only.source.startswith("table = pd.DataFrame")
    assert [output["output_type"] for output in only.outputs] == ["stream", "execute_result"]
    assert "saved" in repr(page) and "out.csv" in repr(page) and ids["table"] in repr(page)
    assert "<table" in page._repr_html_() and "&lt;script&gt;" in page._repr_html_()
    given = kale_rs.show("last", "values", store=folder).given
    assert [value.id for value in given if value.names == ["table"]] == [ids["table"]]
    pictures = kale_rs.show("last", "pictures", store=folder)
    assert 'src="data:image/png;base64,' in pictures._repr_html_()


def test_the_command_line_shows_a_step(folder, ids):
    done = call("show", "last", "values", cwd=folder)
    assert done.returncode == 0 and ids["grid"] in done.stdout and "numbers = {'a': [1, 2]}" in done.stdout
    page = json.loads(call("show", "last", "values", "--json", cwd=folder).stdout)
    assert {"run_id", "step", "artifacts", "inputs", "files", "cells", "snapshot", "log_bytes"} <= set(page)
    assert page["step"]["name"] == "values" and page["step"]["cells_done"] == 1
    done = call("show", "last", "nothing", cwd=folder)
    assert (done.returncode, "its steps are" in done.stderr) == (2, True)


def test_tables_have_a_head_that_is_escaped(look):
    found = look("table")
    assert (found.type, found.summary) == ("pandas.DataFrame", "1000 × 2")
    assert "&lt;script&gt;" in found.preview["html"] and "<script>" not in found.preview["html"]
    assert "1000 rows" in found.preview["html"] and len(found.preview["html"]) < 10_000
    grid = look("grid")
    assert (grid.type, grid.summary) == ("numpy.ndarray", "4 × 3, float64")
    assert "<td>1011</td>" in grid.preview["html"] and "1011" in grid.preview["text"]
    assert "numpy" in repr(grid) and "<table>" in grid._repr_html_()
    assert "<td>999</td>" not in look("out.csv").preview["html"] and "<th>n</th>" in look("out.csv").preview["html"]


def test_figures_and_images_are_pictures(look):
    for name in ("fig", "image", "raw", "plot.png"):
        found = look(name)
        assert base64.b64decode(found.preview["png"]).startswith(PNG), name
        assert found._repr_png_().startswith(PNG)
    assert look("image").type == "PIL.Image" or look("image").type.startswith("PIL")


def test_anything_else_is_text(look):
    assert look("point").preview == {"text": "Point 3"}
    assert look("title").preview["text"].startswith("first") and "\x1b" not in look("title").preview["text"]
    assert look("numbers").preview == {"text": "{'a': [1, 2]}"}
    words = look("words")
    assert (words.type, words.summary) == ("list", "length 1000000") and len(words.preview["text"]) < 20_001
    assert "array" in look("cube").preview["text"]


def test_values_that_do_harm_do_it_to_nobody(look):
    assert "GiB" in look("large").preview["text"] or "memory" in look("large").preview["text"]
    assert "no words" in look("evil").preview["text"]


def test_a_value_knows_who_made_it_and_who_used_it(folder, look, ids):
    found = look("table")
    assert any(id.endswith("/step/tables") for id in found.made_by)
    assert any(id.endswith("/step/values") for id in found.used_by)
    done = call("artifact", ids["table"], cwd=folder)
    assert (
        done.returncode == 0 and "pandas.DataFrame  1000 × 2" in done.stdout and "made by  kale://run/" in done.stdout
    )
    answer = json.loads(call("artifact", ids["grid"][: len("kale://artifact/") + 12], "--json", cwd=folder).stdout)
    assert (answer["id"], answer["names"], answer["trusted"]) == (ids["grid"], ["grid"], True)
    for wrong in ("last", "kale://artifact/0000", "kale://moon"):
        assert call("artifact", wrong, cwd=folder).returncode == 2


def test_values_become_files(folder, look, tmp_path):
    import numpy as np
    import pandas as pd

    assert look("table", tmp_path / "t.csv").output == str(tmp_path / "t.csv")
    assert pd.read_csv(tmp_path / "t.csv").shape == (1000, 2)
    look("grid", tmp_path / "g.npy")
    assert np.load(tmp_path / "g.npy").shape == (4, 3)
    look("grid", tmp_path / "g.csv")
    assert np.loadtxt(tmp_path / "g.csv", delimiter=",").tolist()[1][0] == 1003
    look("numbers", tmp_path / "n.json")
    assert json.loads((tmp_path / "n.json").read_text()) == {"a": [1, 2]}
    look("fig", tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(PNG)
    look("fig", tmp_path / "f.svg")
    assert "<svg" in (tmp_path / "f.svg").read_text()
    look("title", tmp_path / "t.txt")
    look("numbers", tmp_path / "n.pkl")
    assert pd.read_pickle(tmp_path / "n.pkl") == {"a": [1, 2]}
    look("out.csv", tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == (folder / "out.csv").read_bytes()
    assert not [each for each in tmp_path.iterdir() if ".part" in each.name]


def test_a_file_that_cannot_be_is_refused_in_words(look, tmp_path):
    for name, file, told in [
        ("point", "p.csv", "a `Point` is no table"),
        ("numbers", "n.png", "a `dict` is no image"),
        ("numbers", "n.xyz", "no way to write a `.xyz` file"),
        ("point", "p.json", "has no form in JSON"),
    ]:
        with pytest.raises(kale_rs.UsageError) as caught:
            look(name, tmp_path / file)
        assert told in str(caught.value) and not (tmp_path / file).exists()
    (tmp_path / "n.json").write_text("")
    with pytest.raises(kale_rs.FileError):
        look("numbers", tmp_path / "n.json" / "in-a-file.json")


def test_values_come_into_python(folder, look, ids):
    assert look("numbers").value() == {"a": [1, 2]}
    assert look("grid").value().tolist()[0] == [1000, 1001, 1002]
    assert look("out.csv").value().startswith(b"n,<b>\n")
    found = in_a_process(
        folder, "class Point: pass", f"print(kale_rs.artifact({ids['point']!r}).value().x)", module="import kale_rs"
    )
    assert found == 3


def test_what_somebody_else_made_is_not_loaded_unasked(folder, ids, tmp_path):
    assert call("snapshot", "push", "last:values", tmp_path / "place", cwd=folder).returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert call("snapshot", "pull", tmp_path / "place", cwd=elsewhere).returncode == 0
    run = json.loads(call("runs", "--json", cwd=elsewhere).stdout)["runs"][0]["run_id"]
    page = kale_rs.show(run, "values", store=elsewhere)
    [point] = [value.id for value in page.made if value.names == ["point"]]
    found = kale_rs.artifact(point, store=elsewhere)
    assert found.preview["text"].startswith("not loaded: run")
    with pytest.raises(kale_rs.UsageError, match="trust"):
        found.value()
    done = call("artifact", point, "-o", "p.txt", cwd=elsewhere)
    assert (done.returncode, (elsewhere / "p.txt").exists()) == (2, False) and "--trust" in done.stderr
    assert call("artifact", point, "--trust", "-o", "p.txt", cwd=elsewhere).returncode == 0
    assert (elsewhere / "p.txt").read_text() == "Point 3"
    assert kale_rs.artifact(point, store=elsewhere).preview == {"text": "Point 3"}


def test_a_look_leaves_no_process_behind(folder, ids):
    code = f"import kale_rs; kale_rs.artifact({ids['point']!r})"
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), check=True)
    left = subprocess.run(["pgrep", "-f", "kale_runtime --preview"], capture_output=True, text=True).stdout
    assert left == ""
