"""Steps are run as the engine and as KFP run them: real processes."""

import base64
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

RUNTIME = Path(__file__).parents[2] / "python" / "kale_runtime"


class Bench:
    """A folder for a notebook, and one way to run a step's program in it."""

    def __init__(self, folder, python=sys.executable):
        self.folder, self.python = folder, python
        self.scratch = folder / ".kale_rs"
        self.scratch.mkdir()

    def request(self, program, rich=True, ipython=False, parameters=None, values=None, defaults=None, **more):
        keys = {row[1] for row in program if row[0] in ("load", "save")}
        artifacts = {key: {"artifacts": [{"name": key, "uri": str(self.scratch / key)}]} for key in keys}
        plan = {"version": 1, "pipeline": "p", "step": "s", "parameters": parameters or {}, "program": program}
        plan.update(metrics=True, ipython=ipython, requirements=[], defaults=defaults or {})
        side = {"parameterValues": values or {}, "artifacts": artifacts}
        return {
            "plan": plan,
            "executor_input": {"inputs": side, "outputs": side},
            "directory": str(self.folder),
            "result": str(self.scratch / "result.json"),
            "events": str(self.scratch / "events.jsonl"),
            "log": str(self.scratch / "log.txt"),
            "rich": rich,
            **more,
        }

    def start(self, program, **options):
        for name in ("result.json", "events.jsonl", "log.txt"):
            (self.scratch / name).unlink(missing_ok=True)
        request = self.scratch / "request.json"
        environment = {**os.environ, "KALE_INSTALL": "0", **options.pop("environment", {})}
        request.write_text(json.dumps(self.request(program, **options)))
        command = [self.python, str(RUNTIME), str(request)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, cwd=self.folder)

    def run(self, program, **options):
        """The result, or `None` when the step died without one."""
        process = self.start(program, **options)
        self.stdout, self.stderr = process.communicate(timeout=120)
        self.returncode = process.returncode
        path = self.scratch / "result.json"
        return json.loads(path.read_text()) if path.exists() else None

    def cells(self, *sources, **options):
        """Runs cells 0, 1, ... in one step."""
        return self.run([["run", index, 1, source, [], []] for index, source in enumerate(sources)], **options)

    def embedded(
        self,
        program,
        metrics=False,
        parameters=None,
        values=None,
        requirements=(),
        ipython=False,
        defaults=None,
        report=False,
        **environment,
    ):
        """Runs a step as a container does, and returns its ExecutorOutput."""
        keys = {row[1] for row in program if row[0] in ("load", "save")} | {"kale_metrics"}
        keys |= {"kale_report"} if report else set()
        artifacts = {key: {"artifacts": [{"name": key, "uri": str(self.scratch / key)}]} for key in keys}
        side = {"parameterValues": values or {}, "artifacts": artifacts, "outputFile": str(self.scratch / "out.json")}
        plan = {"version": 1, "pipeline": "p", "step": "s", "parameters": parameters or {}, "program": program}
        plan.update(metrics=metrics, ipython=ipython, requirements=list(requirements), defaults=defaults or {})
        arguments = [json.dumps({"inputs": side, "outputs": side}), compressed(json.dumps(plan))]
        (self.scratch / "out.json").unlink(missing_ok=True)
        further = ["install.py", "memory.py", "classes.py"] * bool(requirements) + ["report.py"] * report
        done = subprocess.run(
            [self.python, "-c", bootstrap(*further), *arguments],
            cwd=self.folder, capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
        )  # fmt: skip
        self.stdout, self.stderr, self.returncode = done.stdout, done.stderr, done.returncode
        output = self.scratch / "out.json"
        return json.loads(output.read_text()) if output.exists() else None


def compressed(text):
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def shortened(source):
    """The rule of `kale_runtime/__init__.py`."""
    lines, in_docstring = [], False
    for line in source.split("\n"):
        bare = line.strip()
        if in_docstring or bare.startswith('"""'):
            opens = not in_docstring
            in_docstring = not (bare.endswith('"""') and (not opens or len(bare) >= 6))
        elif bare and not bare.startswith("#"):
            lines.append(" " * ((len(line) - len(line.lstrip())) // 4) + bare + "\n")
    return "".join(lines)


def runtime():
    return compressed(shortened((RUNTIME / "step.py").read_text()))


def bootstrap(*further):
    """Of `step.py`, and of the files that only some steps need."""
    texts = [compressed(shortened((RUNTIME / name).read_text())) for name in ("step.py", *further)]
    lines = [f'exec(zlib.decompress(base64.b64decode("{text}")))\n' for text in texts]
    return "".join(["# kfp.dsl.executor_main\nimport base64, sys, zlib\n", *lines, "start(*sys.argv[1:])\n"])


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def text_of(result, name="stdout", cell=0):
    outputs = result["cells"][str(cell)]["outputs"]
    return "".join(output["text"] for output in outputs if output.get("name") == name)
