"""The report of a step in a container, as `report:enabled` asks for it."""

import pytest
from conftest import RUNTIME, compressed, shortened

RUN = ["run", 3, 1, "print('a < b')\nclass Page:\n    def _repr_html_(self): return '<b>bold</b>'\nPage()", [], []]
PLAIN = ["run", 4, 1, "display(1, 'two')\n[3]", [], []]


def test_it_is_small():
    assert len(compressed(shortened((RUNTIME / "report.py").read_text()))) <= 2048


@pytest.mark.parametrize("ipython", [False, True])
def test_what_cells_put_out_is_on_the_page_and_in_the_log(bench, ipython):
    output = bench.embedded([RUN, PLAIN], report=True, ipython=ipython)
    assert bench.returncode == 0, bench.stderr
    assert {"kale_report"} <= set(output["artifacts"])
    page = (bench.scratch / "kale_report").read_text()
    assert "<title>s</title>" in page and "<h3>Cell 3</h3>" in page and "<h3>Cell 4</h3>" in page
    assert "a &lt; b" in page and "<b>bold</b>" in page
    for text in ("1", "two", "[3]"):
        assert text in page.split("<h3>Cell 4</h3>")[1]
        assert text in bench.stdout
    assert "a < b" in bench.stdout and "Page at 0x" in bench.stdout


def test_nobody_asked(bench):
    bench.embedded([RUN])
    assert not (bench.scratch / "kale_report").exists()
