"""The magics in a real kernel."""

import json

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from .support import cell, notebook


def execute(tmp_path, *cells):
    """Runs cells in a kernel; gives their outputs as text."""
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(document, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    return ["".join(map(text, one.outputs)) for one in document.cells]


def text(output):
    if output.output_type == "stream":
        return output.text
    return output.data.get("text/plain", "") + ("\n" if output.data else "")


def test_a_marked_cell_runs_as_usual(tmp_path):
    outputs = execute(
        tmp_path,
        "import kale_rs",
        "%%pipeline step train --after load --gpu 1\nx = 2\nx + 1",
        "%%pipeline step slow\nimport asyncio\nawait asyncio.sleep(0)\nx",
        "%%pipeline step timed\n%%capture out\nprint('captured')",
        "out.stdout",
    )
    assert outputs[1:] == ["3\n", "2\n", "", "'captured\\n'\n"]


def test_a_traceback_names_the_line_as_the_user_sees_it(tmp_path):
    with pytest.raises(CellExecutionError) as caught:
        execute(tmp_path, "%load_ext kale_rs", "%%pipeline step bad\nx = 1\n1 / 0")
    assert "line 3" in str(caught.value) or "----> 3" in str(caught.value)


def test_the_line_magic_says_what_a_verb_takes(tmp_path):
    assert "from_step" in execute(tmp_path, "import kale_rs", "%pipeline run --help")[1]


def test_the_line_magic_is_the_api(tmp_path):
    notebook(tmp_path / "n.ipynb", cell("count = 3", "pipeline-parameters"), cell("print(count)", "step:one"))
    outputs = execute(
        tmp_path,
        "%load_ext kale_rs",
        "%pipeline graph n.ipynb",
        "run = %pipeline run n.ipynb -p count=5 --no-cache",
        "run.parameters, run.status",
        "%pipeline logs last",
        "import kale_rs\nkale_rs.metric('loss', 0.5)",
    )
    assert "● one" in outputs[1]
    assert outputs[3] == "({'count': 5}, 'succeeded')\n"
    assert outputs[4] == "5\n"
    assert outputs[5] == "0.5\n"


def test_wrong_lines_say_what_there_is(tmp_path):
    for line, told in {
        "%pipeline nonsense": "`%pipeline` knows `check`",
        "%pipeline run n.ipynb -p": "`-p` needs a value",
        "%pipeline runs --jobs 2": "unexpected keyword argument",
        "%pipeline check": "no notebook given",
    }.items():
        with pytest.raises(CellExecutionError) as caught:
            execute(tmp_path, "%load_ext kale_rs", line)
        assert told in str(caught.value)


def test_interrupting_the_kernel_leaves_the_run_alone(tmp_path):
    """The run is a process of its own: the cell stops, the run goes on."""
    import kale_rs
    from jupyter_client.manager import start_new_kernel

    from .support import wait_for

    path = notebook(tmp_path / "n.ipynb", cell("import time\ntime.sleep(4)\na = 1", "step:one"))
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        client.execute(f"import kale_rs; kale_rs.run({str(path)!r})")
        wait_for(lambda: any(s.status == "running" for r in kale_rs.runs(store=path) for s in r.steps), "the start")
        manager.interrupt_kernel()
        reply = wait_for(lambda: _reply(client), "the cell's end", 20)
        assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
        assert kale_rs.show(store=path).status == "running"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    wait_for(lambda: kale_rs.show(store=path).status == "succeeded", "the run's end")
    assert json.loads(path.read_text())["cells"][0]["source"].endswith("a = 1")


def _reply(client):
    from queue import Empty

    try:
        message = client.get_shell_msg(timeout=1)
    except Empty:
        return None
    return message["content"] if message["msg_type"] == "execute_reply" else None
