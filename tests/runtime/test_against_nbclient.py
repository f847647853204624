# ruff: noqa: E501 (cells are easier to read on one line)
"""A step's cells put out what nbclient records of the same cells in a kernel.

Compared: each stream's whole text, displayed data, and errors. Left out: where a stream is split, and what differs
between two runs of one kernel (addresses, timings, temporary file names).
"""

import re
import sys

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

# Each entry is a notebook of its own: a list of cells.
NOTEBOOKS = {
    "prints": ["print('a')\nprint('b', end='')", "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out 2')"],
    "last expression": ["1 + 1", "'text'", "None", "x = 3", "x;", "x\n# a comment", "[1, {'a': (2, 3)}, {4}]"],
    "long pretty print": ["list(range(300))", "{str(i): list(range(i)) for i in range(25)}"],
    "display": ["display(1, 'two')", "from IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))\nHTML('<i>y</i>')"],
    "mixed order": ["print('a')\ndisplay(1)\nprint('b')\n2"],
    "display ids": ["h = display('one', display_id='d')", "h.update('two')", "display('three', display_id='d')"],
    "clear output": [
        "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('stays')",
        "print('gone')\nclear_output(wait=True)\nprint('stays')",
        "print('stays')\nclear_output(wait=True)",
    ],
    "rich representations": [
        "class R:\n    def _repr_html_(self): return '<p>'\n    def _repr_latex_(self): return '$x$'\n"
        "    def __repr__(self): return 'R'\nR()",
        "class M:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n        return {'text/plain': 'm', 'application/json': {'a': [1, 2.5, None]}}\nM()",
        "class P:\n    def _repr_png_(self): return b'\\x89PNG\\r\\n\\x1a\\n0000'\n    def __repr__(self): return 'P'\nP()",
        "from IPython.display import JSON, Markdown, SVG, Latex\ndisplay(JSON({'a': 1}), Markdown('*a*'), Latex('$a$'))\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>')",
    ],
    "pandas": ["import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', None]})", "pd.Series([1.5, 2])", "display(pd.DataFrame({'a': [1]}))"],
    "numpy": ["import numpy as np\nnp.arange(6).reshape(2, 3)", "np.float64(1.5)", "np.random.seed(0)\nnp.random.rand(3)"],
    "figures": [
        "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])",
        "fig, axes = plt.subplots(1, 2)\naxes[0].plot([1])\nplt.show()\nprint('after')",
        "fig",
        "plt.figure()\nplt.close()",
        "len(plt.get_fignums())",
    ],
    "matplotlib magic": ["%matplotlib inline\nimport matplotlib.pyplot as plt", "plt.hist([1, 2, 2]);", "%config InlineBackend.figure_formats = ['svg']"],
    "top-level await": ["import asyncio\nawait asyncio.sleep(0.01)\nprint('slept')", "async def f(): return 5\nawait f()", "async for x in (i async for i in (await f() for _ in [1])): pass"],
    "running loop": ["import asyncio\ntask = asyncio.get_running_loop().create_task(asyncio.sleep(0, 'done'))", "await task", "asyncio.run(asyncio.sleep(0))"],
    "magics": ["%time x = 1", "%%capture caught\nprint('hidden')\ndisplay(1)", "caught.stdout", "%who_ls", "%env KALE_X=1", "import os\nos.environ['KALE_X']", "x = %pwd\nlen(x) > 0"],
    "cell magics": ["%%bash\necho hello\necho oops >&2", "%%writefile made.txt\nsome text", "print(open('made.txt').read())", "%%time\ny = 5\ny"],
    "shell": ["!echo from the shell", "lines = !echo one; echo two\nlines", "!exit 3\n_exit_code"],
    "help": ["x = 1", "x?", "print('after')"],
    "automagic": ["pwd = 5\npwd", "cd .\n"],
    "indented": ["    x = 1\n    y = x + 1\n    y", "\n\n  z = 5\n  z"],
    "prompts": [">>> x = 1\n>>> x + 1\n"],
    "future": ["from __future__ import annotations\nclass A: pass", "def f(x: NotThere) -> AlsoNot: pass\nf.__annotations__"],
    "warnings": ["import warnings\nwarnings.simplefilter('always')\nwarnings.warn('careful')"],
    "logging": ["import logging\nlogging.basicConfig(level=logging.INFO)\nlogging.info('told')", "logging.getLogger('a').warning('b')"],
    "c level": ["import os\nos.write(1, b'by descriptor\\n')", "import subprocess\nsubprocess.run(['echo', 'sub'])", "os.system('echo system 1>&2')"],
    "threads": ["import threading\nt = threading.Thread(target=lambda: print('thread'))\nt.start(); t.join()"],
    "multiprocessing": ["import multiprocessing as mp\ndef f(x): print('child', x); return x * x\np = mp.get_context('fork').Process(target=f, args=(3,))\np.start(); p.join()\np.exitcode"],
    "pool": ["import multiprocessing as mp\ndef f(x): return x * x\nwith mp.get_context('fork').Pool(2) as p:\n    print(p.map(f, range(4)))"],
    "classes and modules": ["class A:\n    pass\nA.__module__, __name__", "import sys\nsys.modules['__main__'].A is A", "import pickle\ntype(pickle.loads(pickle.dumps(A()))) is A", "import inspect\nprint(inspect.getsource(A))"],
    "carriage return": ["print('10%\\r20%\\r30%')", "print('caf\\u00e9 \\U0001f600')"],
    "history": ["5", "_ + 1", "Out[1]", "In[1]"],
    "globals": ["sorted(n for n in globals() if not n.startswith('_'))"],
    "io objects": ["import sys\nsys.stdout.isatty(), sys.stderr.isatty(), sys.stdout.encoding.lower()"],
    "kind of shell": ["type(get_ipython()).__name__", "from IPython import get_ipython as g\ng() is get_ipython()"],
    "argv and path": ["import sys\nsys.path.index('') < min(i for i, p in enumerate(sys.path) if p.endswith('site-packages'))"],
    "error": ["def f(x):\n    return 1 / x", "print('before')\nf(0)"],
    "error with cause": ["try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('bad') from e"],
    "syntax error": ["x = 1", "def f(:\n    pass"],
    "indentation error": ["if True:\nx = 1"],
    "name error": ["undefined_name"],
    "error in repr": ["class B:\n    def __repr__(self): raise ValueError('no repr')\nB()"],
    "assertion": ["assert 1 == 2, 'not equal'"],
    "group": ["raise ExceptionGroup('several', [ValueError(1), TypeError(2)])"] if sys.version_info >= (3, 11) else ["1"],
    "usage error": ["%no_such_magic"],
    "failing bash": ["%%bash\nexit 3"],
    "input": ["input('name? ')"],
    "error in time": ["%%time\nz = 1\n1 / 0"],
}  # fmt: skip


def reference(sources, folder):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}})
    failed = False
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError:
        failed = True
    return [comparable(cell["outputs"]) for cell in notebook.cells], failed


VOLATILE = [
    (r'File "[^"]*", line', "File, line"),
    (r"0x[0-9a-f]{6,}", "0x"),
    (r"(?m)^.*\.py:\d+: ", "FILE:"),
    (r"<ipython-input-\d+>:\d+: ", "FILE:"),
    (r"(CPU times|Wall time): .*\n", r"\1\n"),
    (r'id="T_\w+"|#T_\w+', "ID"),
    (r"<dc:date>.*</dc:date>|(id=\"|#|url\(#)\w+", ""),
]


def comparable(outputs):
    streams, rest = {}, []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
        elif kind == "error":
            value = output["evalue"]
            rest.append((kind, output["ename"], "" if output["ename"] == "StdinNotImplementedError" else stable(value)))
        else:
            data = {key: stable(value) for key, value in output["data"].items()}
            rest.append((kind, data, dict(output["metadata"]), output.get("execution_count")))
    return {name: stable(text) for name, text in streams.items() if text}, rest


def stable(value):
    if not isinstance(value, str):
        return value
    for pattern, replacement in VOLATILE:
        value = re.sub(pattern, replacement, value)
    return re.sub(r"\(<ipython-input-\d+>|\(\d+\.py", "(FILE", value).strip("\n")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_equal_to_nbclient(bench, name, monkeypatch):
    # A kernel that finds this variable does not capture descriptors.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    sources = NOTEBOOKS[name]
    expected, failed = reference(sources, bench.folder)
    (bench.folder / "made.txt").unlink(missing_ok=True)
    result = bench.cells(*sources)
    assert result is not None, bench.stderr
    got = [comparable(result["cells"].get(str(index), {"outputs": []})["outputs"]) for index in range(len(sources))]
    assert got == expected
    assert (result["status"] == "failed") == failed
