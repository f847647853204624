"""The channel between the JupyterLab extension and real kernels."""

import sys
import time
from pathlib import Path

import pytest
from cli.support import cell, notebook
from kale_rs import _native
from oracle import environments

from .support import PATIENCE, Panel, kernel, text

STEPS = [
    cell("count = 3", "pipeline-parameters"),
    cell("numbers = list(range(count))", "step:load"),
    cell("total = sum(numbers)\nprint('total is', total)", "step:add"),
    cell("print(total)", "pipeline-metrics"),
]
#: Prints, and then waits for the file `go`, for two cells.
SLOW = [
    cell("import os, time\nfor n in range(3):\n    print('line', n)", "step:first"),
    cell("while not os.path.exists('go'):\n    time.sleep(0.02)"),
    cell("print('über', flush=True)\nx = 1", "step:second"),
    cell("print(x)", "step:third"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    (folder / "sub").mkdir()
    notebook(folder / "n.ipynb", *STEPS)
    notebook(folder / "sub" / "other.ipynb", *STEPS)
    return folder


@pytest.fixture(scope="module")
def shared(folder):
    with kernel(folder) as running:
        running.run("import kale_rs")
        yield running


@pytest.fixture(scope="module")
def panel(shared):
    return Panel(shared)


def test_hello_says_who_answers(panel, folder):
    assert panel.hello["version"] == _native.__version__
    assert (panel.hello["protocol"], panel.hello["notebook"]) == (1, str(folder / "n.ipynb"))
    assert panel.hello["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert {"check", "graph", "run", "show", "restore"} <= set(panel.hello["verbs"])


def test_paths_of_the_server_are_found_on_the_disk(folder):
    with kernel(folder, "sub/other.ipynb") as running:
        running.run("import os, kale_rs; os.chdir('/')")
        assert Panel(running, "sub/other.ipynb").hello["notebook"] == str(folder / "sub" / "other.ipynb")
        assert Panel(running, "RTC:sub/other.ipynb").hello["notebook"] == str(folder / "sub" / "other.ipynb")
        # As after a renaming, which the kernel is not told.
        assert Panel(running, "n.ipynb").hello["notebook"] == str(folder / "n.ipynb")
        assert Panel(running, "sub/nowhere.ipynb").hello["notebook"] is None


def test_a_ping_is_answered(panel):
    assert panel.ask("ping") == {}


def test_verbs_read_the_text_of_the_editor(panel, folder):
    unsaved = text(cell("a = list(range(3))", "step:one"), cell("print(a)", "step:two", "prev:one"))
    graph = panel.ask("graph", notebook="n.ipynb", text=unsaved)
    assert [step["name"] for step in graph["steps"]] == ["one", "two"]
    assert (graph["edges"][0]["variables"], graph["pipeline"]) == (["a"], "n")
    assert "layout" not in graph
    layout = panel.ask("graph", notebook="n.ipynb", text=unsaved, layout=True)["layout"]
    assert [set(box) for box in layout["steps"]] == [{"x", "y", "width", "height", "detail"}] * 2
    tip, box = layout["edges"][0]["tip"], layout["steps"][1]
    assert (tip["y"], round(tip["x"] - box["x"] - box["width"] / 2)) == (box["y"], 0)
    checked = panel.ask("check", notebook="not-saved-yet.ipynb", text=text(cell("a = (", "step:one")))
    assert [each["id"] for each in checked["diagnostics"]] == ["syntax-error"]
    # Without a text it is the file.
    assert [step["name"] for step in panel.ask("graph", notebook="n.ipynb")["steps"]] == ["load", "add"]


def test_compile_writes_beside_the_notebook(panel, folder):
    answer = panel.ask("compile", notebook="sub/other.ipynb", text=text(*STEPS), output="other.yaml")
    assert answer["files"] == [str(folder / "sub" / "other.yaml")]
    assert (folder / "sub" / "other.yaml").read_text().endswith(answer["emitted"])
    emitted = panel.ask("compile", notebook="n.ipynb", text=text(*STEPS), target="kfp-script")
    assert (emitted["files"], "def pipeline" in emitted["emitted"] or "@dsl" in emitted["emitted"]) == ([], True)


def test_errors_are_answers(panel):
    refused = panel.refusal("show", run="nonsense")
    assert (refused["code"], refused["data"]["kind"]) == (-32000, "UsageError")
    assert "nonsense" in refused["message"] and refused["data"]["help"]
    refused = panel.refusal("check", notebook="missing.ipynb")
    assert (refused["code"], refused["data"]["kind"]) == (-32000, "FileError")
    assert panel.refusal("check")["code"] == -32602
    assert panel.refusal("check", notebook=3)["code"] == -32602
    assert panel.refusal("runs", limit="many")["code"] == -32602
    assert panel.refusal("watch", run=None)["code"] == -32602
    assert panel.refusal("watch", run="nonsense")["data"]["kind"] == "UsageError"
    assert panel.refusal("main")["code"] == -32601
    fixing = panel.refusal("check", notebook="n.ipynb", text=text(*STEPS), fix=True)
    assert "editor" in fixing["message"] and "save" in fixing["data"]["help"]


def test_broken_messages_do_no_harm(panel):
    for broken in [{}, [], "text", None, 3, {"id": 1}, {"method": 3}, {"method": ["check"]}, {"result": 1, "id": 7}]:
        panel.send(broken)
        assert panel.take(lambda each: "error" in each)["error"]["code"] == -32600
    for params in [[], "text", 3, None]:
        panel.send({"id": "a", "method": "graph", "params": params})
        assert panel.take(lambda each: each.get("id") == "a")["error"]["code"] == -32602
    for hostile in ["{}", "[" * 100_000, '{"cells": 3}', "\0"]:
        panel.send({"id": "b", "method": "check", "params": {"notebook": "n.ipynb", "text": hostile}})
        assert panel.take(lambda each: each.get("id") == "b")
    panel.send({"method": "graph", "params": {"notebook": "n.ipynb"}})
    panel.send({"method": "no-such-notification"})
    assert panel.ask("explain", id="missing-prev")
    assert panel.kernel.inbox[panel.comm] == []


def test_a_path_of_the_server_does_not_leave_it(panel, folder):
    (folder.parent / "outside.ipynb").write_text(text(*STEPS))
    assert panel.refusal("check", notebook="../outside.ipynb")["data"]["kind"] == "FileError"


def test_registering_twice_is_harmless(shared, panel):
    shared.run("%load_ext kale_rs")
    shared.run("%reload_ext kale_rs\nimport importlib\nkale_rs = importlib.reload(kale_rs)")
    assert panel.ask("runs") == {"runs": []} or panel.ask("runs")["runs"]
    assert Panel(shared).hello["protocol"] == 1


def test_a_kernel_without_the_package_says_so_at_once(folder):
    """And the panel can have it imported while a cell runs."""
    with kernel(folder) as running:
        panel = Panel(running, path=None)
        assert panel.take(lambda each: each.get("closed"))
        with running.busy():
            running.run("import kale_rs", subshell=panel.subshell)
            assert Panel(running).hello["notebook"]


@pytest.mark.parametrize("code", ["time.sleep(300)", "while True: pass"])
def test_a_busy_kernel_answers(shared, panel, code):
    with shared.busy(code):
        for _ in range(5):
            assert len(panel.ask("graph", notebook="n.ipynb", text=text(*STEPS))["steps"]) == 2


def test_the_panel_stays_on_its_subshell(shared):
    """Also when the main shell has been at work since: see the head of `channel.py`."""
    panel = Panel(shared)
    run = panel.ask("run", notebook="n.ipynb", text=text(*STEPS))["run_id"]
    panel.ask("watch", run=run)
    shared.run("1 + 1")
    panel.follow(run)
    with shared.busy():
        panel.ask("runs", limit=1)


def test_figures_of_a_running_cell_are_left_alone(shared, panel):
    pytest.importorskip("matplotlib")
    shared.run("%matplotlib inline\nimport matplotlib.pyplot as plt, time")
    busy = shared.execute("plt.plot([1, 2])\nprint('drawn', flush=True)\ntime.sleep(1)\nlen(plt.gca().lines)")
    shared.read_until(lambda: any("drawn" in each["content"].get("text", "") for each in shared.outputs))
    for _ in range(3):
        panel.ask("explain", id="missing-prev")
    _printed, result, _figure = shared.finish(busy)
    assert result["content"]["data"]["text/plain"] == "1"


def test_a_kernel_without_subshells_answers_between_cells(folder):
    """And tells of runs also while a cell runs, whose output stays its own."""
    (folder / "go").unlink(missing_ok=True)
    python = environments.make("ipykernel6", "requirements-ipykernel6.txt", wheel=True)
    with kernel(folder, python=python) as running:
        running.run("import kale_rs")
        panel = Panel(running, subshell=None)
        run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
        panel.ask("watch", run=run, log="third")
        with running.busy():
            (folder / "go").touch()
            assert panel.follow(run)[-1]["detail"]["status"] == "succeeded"
            assert panel.told("log")["text"] == "1\n"


def test_a_slow_request_does_not_hold_up_the_others(panel):
    slow = text(*(cell(f"x{n} = {n}\n" * 40, f"step:s{n}") for n in range(300)))
    first = panel.request("graph", notebook="n.ipynb", text=slow)
    second = panel.request("explain", id="missing-prev")
    assert panel.take(lambda each: "id" in each)["id"] == second
    assert len(panel.answer(first)["result"]["steps"]) == 300


def test_a_run_is_told_to_its_end(shared, panel, folder):
    (folder / "go").unlink(missing_ok=True)
    run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)
    assert run["status"] in ("pending", "running") and len(run["steps"]) == 3
    panel.ask("watch", run=run["run_id"], log="first")
    assert panel.told("run")["run_id"] == run["run_id"]
    printed = ""
    while "line 2" not in printed:
        part = panel.told("log")
        assert part["offset"] == len(printed.encode())
        printed += part["text"]
    at_cell_1 = lambda each: (  # noqa: E731
        each.get("method") == "run" and each["params"]["detail"]["details"][0]["cell"] == 1
    )
    detail = panel.take(at_cell_1)["params"]["detail"]
    assert (detail["details"][0]["cells_done"], detail["details"][0]["cells_total"]) == (1, 2)
    assert detail["details"][0]["started"] <= time.time()
    (folder / "go").touch()
    told = panel.follow(run["run_id"])
    numbers = [each["sequence"] for each in told]
    assert numbers == sorted(set(numbers))
    end = told[-1]["detail"]
    assert (end["status"], [step["status"] for step in end["steps"]]) == ("succeeded", ["succeeded"] * 3)
    assert all(each["peak_memory_bytes"] > 0 and each["cells_done"] == each["cells_total"] for each in end["details"])
    # The run has what the editor had.
    stored = Path(end["notebook"]).read_text()
    assert "über" in stored and panel.ask("logs", run=run["run_id"], step="second")["logs"][0]["text"] == "über\n"
    # The end is told to whoever asks, also when nothing is new.
    panel.ask("watch", run=run["run_id"], after=numbers[-1])
    assert panel.told("run")["sequence"] == numbers[-1]


def test_the_end_of_a_log_is_told_without_its_beginning(shared, panel, folder):
    (folder / "go").touch()
    run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
    panel.ask("watch", run=run)
    panel.follow(run)
    whole = panel.ask("logs", run=run, step="first")["logs"][0]["text"]
    start = whole.index("line 2")
    panel.ask("watch", run=run, log="first", log_from=start)
    part = panel.told("log")
    assert (part["offset"], part["text"]) == (start, whole[start:])
    assert panel.refusal("watch", run=run, log="first", log_from="2")["code"] == -32602


def test_the_newest_wish_counts(panel, folder):
    (folder / "go").unlink(missing_ok=True)
    run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
    numbers = [panel.request("watch", run=run, log=log) for _ in range(20) for log in ("second", "first")]
    assert [panel.answer(number)["result"] for number in numbers] == [{}] * 40
    panel.kernel.inbox[panel.comm] = [one for one in panel.kernel.inbox[panel.comm] if one.get("method") != "log"]
    panel.ask("watch", run=run, log="first")
    assert panel.told("log")["step"] == "first"
    for number in [panel.request(method, run=run) for _ in range(10) for method in ("watch", "unwatch")]:
        panel.answer(number)
    panel.kernel.inbox[panel.comm].clear()
    (folder / "go").touch()
    time.sleep(1.5)
    panel.ask("explain", id="missing-prev")
    assert panel.kernel.inbox[panel.comm] == []
    assert panel.ask("cancel", run=run)["status"] in ("succeeded", "cancelled")


def test_unwatched_runs_are_not_told(shared, panel, folder):
    (folder / "go").unlink(missing_ok=True)
    run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
    panel.ask("watch", run=run)
    panel.told("run")
    panel.ask("unwatch", run=run)
    panel.kernel.inbox[panel.comm].clear()
    (folder / "go").touch()
    deadline = time.monotonic() + 60
    while panel.ask("show", run=run)["status"] != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    panel.ask("explain", id="missing-prev")
    assert panel.kernel.inbox[panel.comm] == []


def test_logs_come_in_parts(panel):
    lines = text(cell("for n in range(300_000): print('é', n)", "step:talk"))
    run = panel.ask("run", notebook="n.ipynb", text=lines)["run_id"]
    panel.ask("watch", run=run)
    panel.follow(run)
    whole, offset = "", 0
    while True:
        [part] = panel.ask("logs", run=run, step="talk", offset=offset)["logs"]
        if not part["text"]:
            break
        assert len(part["text"].encode()) <= 1 << 20
        whole, offset = whole + part["text"], part["next"]
    assert whole == "".join(f"é {n}\n" for n in range(300_000))


def test_a_restarted_kernel_goes_on_from_the_number(folder):
    (folder / "go").unlink(missing_ok=True)
    with kernel(folder) as running:
        running.run("import kale_rs")
        panel = Panel(running)
        run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
        panel.ask("watch", run=run)
        seen = panel.told("run")["sequence"]
        running.manager.restart_kernel(now=True)
        running.client.wait_for_ready(timeout=60)
        running.run("import kale_rs")
        again = Panel(running)
        again.ask("watch", run=run, after=seen)
        (folder / "go").touch()
        told = again.follow(run)
        assert told[0]["sequence"] > seen and told[-1]["detail"]["status"] == "succeeded"


def test_two_panels_of_one_kernel(shared, panel, folder):
    (folder / "go").unlink(missing_ok=True)
    other = Panel(shared, "sub/other.ipynb")
    run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
    panel.ask("watch", run=run)
    other.ask("watch", run=run)
    # One goes; the other is told on.
    shared.send("comm_close", {"comm_id": other.comm, "data": {}}, other.subshell)
    (folder / "go").touch()
    assert panel.follow(run)[-1]["detail"]["status"] == "succeeded"


def test_a_step_its_values_and_its_state(panel, folder):
    """What the run view asks for."""
    run = panel.ask("run", notebook="n.ipynb", text=text(*STEPS))["run_id"]
    panel.ask("watch", run=run)
    panel.follow(run)
    page = panel.ask("show", run=run, step="add")
    assert page["cells"][0]["outputs"][0]["text"] == "total is 3\n"
    assert page["log_bytes"] == len(panel.ask("logs", run=run, step="add", offset=0)["logs"][0]["text"])
    [numbers] = page["inputs"]
    assert numbers["names"] == ["numbers"]
    value = panel.ask("artifact", id=numbers["id"])
    assert (value["preview"], value["type"]) == ({"text": "[0, 1, 2]"}, "list")
    assert panel.ask("artifact", id=numbers["id"], output="numbers.json")["output"] == str(folder / "numbers.json")
    restored = [panel.ask("restore", run=run, step="add", before=True)["notebook"] for _ in range(2)]
    assert restored == [str(folder / "n-before-add.ipynb"), str(folder / "n-before-add-2.ipynb")]
    assert panel.ask("lineage", id=numbers["id"])["kind"] == "artifact"


def test_runs_of_one_notebook(panel):
    # Both notebooks' runs are in the one store of the folder.
    run = panel.ask("run", notebook="sub/other.ipynb", text=text(*STEPS))["run_id"]
    listed = [each["run_id"] for each in panel.ask("runs", notebook="sub/other.ipynb")["runs"]]
    assert listed == [run]
    assert run not in [each["run_id"] for each in panel.ask("runs", notebook="n.ipynb")["runs"]]
    panel.ask("watch", run=run)
    panel.follow(run)


def test_an_interrupt_leaves_the_channel_alone(shared, panel, folder):
    (folder / "go").unlink(missing_ok=True)
    run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
    panel.ask("watch", run=run)
    with shared.busy():
        panel.ask("runs", limit=1)
    (folder / "go").touch()
    assert panel.follow(run)[-1]["detail"]["status"] == "succeeded"


def test_a_run_can_be_cancelled_and_resumed(panel, folder):
    (folder / "go").unlink(missing_ok=True)
    run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
    panel.ask("watch", run=run)
    panel.told("run")
    assert panel.ask("cancel", run=run)["status"] == "cancelled"
    assert panel.follow(run)[-1]["detail"]["status"] == "cancelled"
    (folder / "go").touch()
    assert panel.ask("resume", run=run)["run_id"] == run
    panel.ask("watch", run=run)
    assert panel.follow(run)[-1]["detail"]["status"] == "succeeded"


def test_the_kernel_ends_at_once_while_it_watches(folder):
    (folder / "go").unlink(missing_ok=True)
    with kernel(folder) as running:
        running.run("import kale_rs")
        panel = Panel(running)
        run = panel.ask("run", notebook="n.ipynb", text=text(*SLOW), no_cache=True)["run_id"]
        panel.ask("watch", run=run, log="first")
        process = running.manager.provisioner.process
        running.manager.shutdown_wait_time = PATIENCE
        running.manager.shutdown_kernel()
        # By itself, and not by a signal.
        assert process.returncode == 0
    (folder / "go").touch()
