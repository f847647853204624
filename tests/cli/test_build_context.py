"""`compile --build-context`: what an image for the steps is built from. A step needs no more than that image."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import kale_rs
import pytest
import yaml

from .support import call, cell, notebook

CELLS = [
    cell("import yaml\nimport helpers\nfrom package import inner", "imports"),
    cell("words = yaml.safe_load(open('data/words.yaml'))\nprint(helpers.joined(words), inner.NAME)", "step:read"),
]


def project(folder: Path) -> Path:
    (folder / "package").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "helpers.py").write_text("def joined(words):\n    return '-'.join(words)\n")
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "inner.py").write_text("NAME = 'inner'\n")
    (folder / "data" / "words.yaml").write_text("[a, b]\n")
    return notebook(folder / "n.ipynb", *CELLS)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_context_is_the_same_wherever_it_is_made(tmp_path):
    for name in ("one", "two"):
        project(tmp_path / name)
        done = call("compile", "n.ipynb", "-o", "n.yaml", "--build-context", "image", "--json", cwd=tmp_path / name)
        assert done.returncode == 0, done.stderr
        written = json.loads(done.stdout)["build_context"]
        assert written == [f"image/{path}" for path in sorted(contents(tmp_path / name / "image"))]
    made = contents(tmp_path / "one" / "image")
    assert made == contents(tmp_path / "two" / "image")
    files = {"files/helpers.py", "files/package/__init__.py", "files/package/inner.py", "files/data/words.yaml"}
    assert set(made) == {"Dockerfile", "requirements.txt", "files/.kale_rs_files.json", *files}
    assert made["requirements.txt"].startswith(b"pyyaml==")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"\nFROM python:{version}-slim\n" in made["Dockerfile"].decode()
    assert not any(str(tmp_path).encode() in content for content in made.values())


def instructions(dockerfile: Path) -> list[str]:
    """The lines of a Dockerfile, continued ones joined, without comments."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", "").splitlines()


def built(context: Path, place: Path, path: str) -> Path:
    """What the Dockerfile does, carried out below `place`: there is no builder of images here."""
    work = place / "work"
    work.mkdir()
    for line in instructions(context / "Dockerfile"):
        what, _, rest = line.partition(" ")
        if what == "COPY" and rest == "files/ ./":
            shutil.copytree(context / "files", work, dirs_exist_ok=True)
        elif what == "COPY":
            assert rest == "requirements.txt /tmp/requirements.txt"
        elif what == "RUN":
            command = " ".join(word for word in rest.split() if not word.startswith("--mount="))
            command = command.replace("/tmp/requirements.txt", str(context / "requirements.txt"))
            subprocess.run(["/bin/sh", "-c", command], cwd=work, env={**os.environ, "PATH": path}, check=True)
        else:
            assert what in ("FROM", "ARG", "USER", "WORKDIR"), line
    return work


def carried_out(compiled, python: Path, work: Path, step: str = "read", *, alone: bool = False):
    """A step of a pipeline in an image; `alone` without what comes along from beside the notebook."""
    container = yaml.safe_load(compiled.text)["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
    message = {"inputs": {}, "outputs": {"outputFile": str(work.parent / "out.json")}}
    arguments = container["args"][:2] if alone else container["args"]
    words = [json.dumps(message) if word == "{{$}}" else word for word in [*container["command"], *arguments]]
    environment = {"PATH": str(python.parent), "PIP_NO_INDEX": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_step_needs_no_more_than_the_image(tmp_path, tool):
    compiled = kale_rs.compile(project(tmp_path / "project"), build_context=tmp_path / "image")
    assert len(compiled.build_context) == 7
    without = [] if tool == "pip" else ["--without-pip"]
    subprocess.run([sys.executable, "-m", "venv", *without, tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python3"
    path = f"{python.parent}:{tmp_path / 'tools'}:/usr/bin:/bin"
    if tool == "uv":
        (tmp_path / "tools").mkdir()
        (tmp_path / "tools" / "uv").symlink_to(shutil.which("uv", path=f"{Path(sys.executable).parent}:/usr/bin"))
    work = built(tmp_path / "image", tmp_path, path)
    assert carried_out(compiled, python, work, alone=True) == "a-b inner\n"


SUMMED = [
    cell("import os\nimport shutil\nimport helpers\nfrom package import inner", "imports"),
    cell(
        "names = os.listdir(shutil.copytree('data', 'copy'))\n"
        "print(helpers.VALUE, inner.NAME, names)\nprint(open('own.txt').read())",
        "step:read",
    ),
]


def test_what_travels_is_newer_than_the_image(tmp_path):
    """A build, an edit, a run in the image of before: the step has what lies beside the notebook now."""
    folder = tmp_path / "project"
    path = notebook(project(folder), *SUMMED)
    (folder / "helpers.py").write_text("VALUE = 'old'\n")
    (folder / "own.txt").write_text("of the folder")
    kale_rs.compile(path, build_context=tmp_path / "image")
    work = built(tmp_path / "image", tmp_path, "/usr/bin:/bin")
    assert (work / "helpers.py").read_text() == "VALUE = 'old'\n"
    (folder / "helpers.py").write_text("VALUE = 'new'\n")
    (folder / "data" / "words.yaml").rename(folder / "data" / "letters.yaml")
    (folder / "package" / "inner.py").unlink()
    (folder / "package" / "inner").mkdir()
    (folder / "package" / "inner" / "__init__.py").write_text("NAME = 'a package now'\n")
    # This one the user has put into the image: it stays, and is told of.
    (work / "own.txt").write_text("of the image")
    told = carried_out(kale_rs.compile(path), Path(sys.executable), work)
    assert "\nnew a package now ['letters.yaml']\nof the image\n" in f"\n{told}"
    assert told.count("is there already") == 1 and "`own.txt` is there already, and stays" in told


def test_a_script_takes_what_is_newer_too(tmp_path):
    path = notebook(project(tmp_path / "project"), *SUMMED)
    source = kale_rs.compile(path, target="kfp-script").text
    functions = source.partition("@dsl.component")[0].replace("from kfp import compiler, dsl", "")
    kale_rs.compile(path, build_context=tmp_path / "image")
    work = built(tmp_path / "image", tmp_path, "/usr/bin:/bin")
    place = functions + "\nfor name in ('helpers.py', 'own.txt'): place_file(name, '''\nnew = 1\n''')"
    (work / "own.txt").write_text("of the image")
    done = subprocess.run([sys.executable, "-c", place], cwd=work, capture_output=True, text=True, check=True)
    assert [(work / name).read_text() for name in ("helpers.py", "own.txt")] == ["new = 1", "of the image"]
    assert done.stdout == "`own.txt` is there already, and stays; beside the notebook it is another one\n"


def test_what_is_too_large_to_travel_is_in_the_image_or_told(tmp_path):
    path = project(tmp_path / "project")
    (tmp_path / "project" / "package" / "large.bin").write_bytes(b"0" * (2 << 20))
    told = [(one.severity, one.message) for one in kale_rs.compile(path).diagnostics]
    missing = "Step `read` needs `package/large.bin` of this machine, which a container does not have."
    assert told == [("warning", missing)]
    compiled = kale_rs.compile(path, build_context=tmp_path / "image")
    told = [(one.severity, one.message) for one in compiled.diagnostics]
    there = "Step `read` has `package/large.bin` from its image alone: it is too large to travel."
    assert told == [("info", there)] and (tmp_path / "image" / "files" / "package" / "large.bin").exists()


def test_an_image_of_the_notebook_is_where_it_begins(tmp_path):
    path = notebook(tmp_path / "n.ipynb", "print(1)", metadata={"kubeflow_notebook": {"docker_image": "team/base:1"}})
    kale_rs.compile(path, build_context=tmp_path / "image")
    made = contents(tmp_path / "image")
    assert list(made) == ["Dockerfile"]
    assert b"\nFROM team/base:1\n" in made["Dockerfile"] and b"requirements" not in made["Dockerfile"]


def test_nothing_of_others_is_overwritten_and_nothing_of_before_stays(tmp_path):
    path = project(tmp_path / "project")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    refused = call("compile", path, "-o", "-", "--build-context", tmp_path / "mine")
    assert refused.returncode == 2 and "holds `notes.txt`, which is no part of a build context" in refused.stderr
    assert contents(tmp_path / "mine") == {"notes.txt": b"mine"}
    for cells in (CELLS, [cell("import helpers\nprint(helpers.joined('ab'))", "step:read")]):
        notebook(path, *cells)
        kale_rs.compile(path, build_context=tmp_path / "image")
    assert set(contents(tmp_path / "image")) == {"Dockerfile", "files/.kale_rs_files.json", "files/helpers.py"}
    (tmp_path / "image" / "files.txt").write_text("mine")
    refused = call("compile", path, "-o", "-", "--build-context", tmp_path / "image")
    assert refused.returncode == 2 and "holds `files.txt`" in refused.stderr
