"""What a step touched is noted, and what Python and its packages touch is not."""

import pytest


def test_files_read_and_written(bench):
    (bench.folder / "in.csv").write_text("a\n1\n")
    (bench.folder / "sub").mkdir()
    (bench.folder / "sub" / "old.txt").write_text("old")
    (bench.folder / "helper.py").write_text("answer = 42\n")
    cells = [
        "import helper\nopen('in.csv').read()",
        "import os\nos.chdir('sub')\nopen('old.txt', 'a').write('more')\nos.chdir('..')",
        "open('new.txt', 'w').write('x')\nopen('new.txt').read()",
        "import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')",
        "import json, decimal, xml.dom.minidom",
        "try: open('absent.txt')\nexcept OSError: pass",
    ]
    result = bench.cells(*cells)
    assert result["error"] is None
    assert result["reads"] == ["helper.py", "in.csv", "sub/old.txt"]
    assert result["writes"] == ["new.txt", "sub/old.txt"]


def test_paths_elsewhere_are_absolute(bench):
    result = bench.cells("open('/opt/kale_rs_probe', 'w').close()", "import os\nos.remove('/opt/kale_rs_probe')")
    if result["error"]:
        pytest.skip("/opt cannot be written here")
    assert result["writes"] == ["/opt/kale_rs_probe"]
    assert result["observed"]["changes"] == ["/opt/kale_rs_probe"]


def test_libraries_leave_no_trace(bench):
    pandas = pytest.importorskip("pandas")
    assert pandas
    (bench.folder / "d.csv").write_text("a,b\n1,2\n")
    source = "import pandas as pd\nimport matplotlib.pyplot as plt\ndf = pd.read_csv('d.csv')\ndf.plot()\ndf"
    result = bench.cells(source)
    assert (result["reads"], result["writes"], result["environment_reads"]) == (["d.csv"], [], [])
    assert result["observed"]["network"] == [] and result["observed"]["databases"] == []


def test_environment_variables(bench):
    (bench.folder / "conf.py").write_text("import os\nvalue = os.environ.get('FROM_MODULE')\n")
    cells = [
        "import os, conf\nos.environ['HOME']; os.getenv('ABSENT', 'x'); 'TESTED' in os.environ",
        "os.environ['SET_BY_US'] = '1'\nimport subprocess\nsubprocess.run(['true'], env=dict(A='1'))",
        "type(os.environ).__name__, os.environ.get('SET_BY_US'), isinstance(os.environ.copy(), dict)",
    ]
    result = bench.cells(*cells)
    assert result["error"] is None
    assert result["environment_reads"] == ["ABSENT", "FROM_MODULE", "HOME", "SET_BY_US", "TESTED"]
    assert result["observed"]["whole_environment"]
    assert result["observed"]["processes"] == ["true"]


def test_the_world_beyond(bench):
    cells = [
        "import socket\ns = socket.socket()\ns.settimeout(0.2)\ntry: s.connect(('127.0.0.1', 9))\nexcept OSError: pass",
        "import sqlite3\nsqlite3.connect('a.db').execute('create table t (x)')",
        "import os\nos.system('true')\nos.listdir('.')\nos.mkdir('made')",
    ]
    observed = bench.cells(*cells)["observed"]
    assert observed["network"] == ["('127.0.0.1', 9)"]
    assert observed["databases"] == ["a.db"]
    assert observed["processes"] == ["true"]
    assert observed["listings"] == ["."]
    assert observed["changes"] == ["made"]
