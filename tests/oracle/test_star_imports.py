"""What a star import binds, as the compiler reads it from the module's source, against Python itself.

A notebook star-imports a module and mentions every name that the module could give it. A name that the import does not
bind is one that the compiler must call undefined, and the other way round.
"""

import builtins
import json
import subprocess
import sys

import kale_rs
import pytest

QUESTION = """
import importlib, json, sys
names = {}
exec(f"from {sys.argv[1]} import *", names)
module = importlib.import_module(sys.argv[1])
print(json.dumps([sorted(names), sorted(vars(module))]))
"""

#: Read from source: literal `__all__`, sums of lists, other modules' lists, none at all, stubs; and asked for.
MODULES = """
    math time itertools random os os.path json collections collections.abc decimal typing socket pathlib re string
    functools asyncio concurrent.futures dataclasses statistics logging unittest ctypes tokenize token opcode dis
    xml.etree.ElementTree xml.dom.minidom email.message http.client urllib.request turtle threading subprocess shutil
    datetime calendar heapq operator types inspect ast signal ssl sqlite3 hashlib copy pickle
    numpy numpy.linalg numpy.random pandas matplotlib.pyplot pylab sklearn.metrics sklearn.linear_model
""".split()


def names_of(module):
    done = subprocess.run([sys.executable, "-c", QUESTION, module], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{module} cannot be imported here")
    bound, all_names = json.loads(done.stdout.splitlines()[-1])
    return set(bound), set(all_names)


def write_notebook(path, *sources):
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**code, "id": f"c{number}", "source": source} for number, source in enumerate(sources)]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def undefined_names(path, module, names):
    told = kale_rs.check(write_notebook(path, f"from {module} import *", "\n".join(sorted(names))))
    assert [one.message for one in told.errors] == []
    return {one.message.split("`")[1] for one in told if one.id == "undefined-name"}


@pytest.mark.parametrize("module", MODULES)
def test_the_names_are_those_that_python_binds(module, tmp_path):
    bound, all_names = names_of(module)
    names = {name for name in bound | all_names if name.isidentifier() and not name.startswith("_")}
    names -= set(dir(builtins))
    assert undefined_names(tmp_path / "n.ipynb", module, names) == names - bound


def test_computed_names_are_refused_and_never_guessed(tmp_path):
    """`scipy.stats` lists the distributions that it finds among its globals."""
    pytest.importorskip("scipy.stats")
    source = "from scipy.stats import *\nprint(norm.cdf(0), len([uniform]))"
    path = write_notebook(tmp_path / "n.ipynb", source)
    assert [one.id for one in kale_rs.check(path).errors] == ["unreadable-star"]
    left = kale_rs.check(path, fix=True)
    assert not left.errors and left.fixed[0].title == "Write `from scipy.stats import norm, uniform`"
    (row,) = json.loads(path.read_text())["cells"]
    assert "".join(row["source"]).startswith("from scipy.stats import norm, uniform\n")
