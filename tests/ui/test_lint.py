"""What the compiler and the last run say, in the editors of the cells: marks, boxes, remedies, and the way round."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.ui import notebooks
from tests.ui.page import LabPage

STAR = "s = '🎉日本'; from nowhere import *"
STARS: tuple[notebooks.Cell, ...] = ((STAR, ["step:load"]), ("root = fancy(s)", ["step:use"]))
CELLS: tuple[notebooks.Cell, ...] = (
    ("s = '🎉日本'; print(missing_two)", ["step:load"]),
    ("root = len(s)", ["step:use"]),
    ("# 日本語 🎉\nt = '🎉'; print(undefined_name, t)", ["step:bad"]),
    ("other = (1 +\n  missing_one)\n", ["step:more"]),
)


def open_notebook(lab: LabPage, folder: Path, cells: tuple[notebooks.Cell, ...] = CELLS) -> Path:
    path = folder / "lint.ipynb"
    notebooks.write(path, cells)
    lab.open_pipeline(f"{folder.name}/lint.ipynb")
    return path


def marks(lab: LabPage, cell: int) -> Locator:
    return lab.cell(cell).locator(".cm-lintRange")


def source(lab: LabPage, cell: int) -> str:
    text: str = lab.page.evaluate(
        "index => window.jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.source", cell
    )
    return text


def cursor(lab: LabPage) -> tuple[int, int, int]:
    """Cell, line and column (from 0) of the cursor."""
    content = "window.jupyterapp.shell.currentWidget.content"
    script = f"""() => {{
        const {{ activeCellIndex, activeCell }} = {content};
        const {{ line, column }} = activeCell.editor.getCursorPosition();
        return [activeCellIndex, line, column];
    }}"""
    found = lab.page.evaluate(script)
    return found[0], found[1], found[2]


def test_marks_stand_under_what_is_meant_until_it_is_edited(lab: LabPage, folder: Path) -> None:
    """Columns are UTF-16 units, behind emoji and CJK as well; each mark has a sign beside its line, and words."""
    open_notebook(lab, folder)
    expect(marks(lab, 2)).to_have_text("undefined_name")
    expect(marks(lab, 3)).to_have_text("missing_one")
    expect(marks(lab, 0)).to_have_text("missing_two")
    expect(marks(lab, 1)).to_have_count(0)
    expect(lab.cell(2).locator(".cm-lint-marker-warning")).to_have_count(1)
    marks(lab, 2).hover()
    box = lab.page.locator(".cm-tooltip-lint")
    expect(box).to_contain_text("Nothing before this binds `undefined_name`")
    lab.screenshot("lint-hover")
    # Keys lead from one to the next, with the words at the cursor.
    expect(marks(lab, 3)).to_have_count(1)
    lab.cell(1).locator(".cm-content").click()
    places = []
    for key in ("F8", "F8", "F8", "Shift+F8"):
        before = cursor(lab)
        lab.page.keyboard.press(key)
        lab.page.locator(".kale-ProblemBox").wait_for()
        lab.page.wait_for_function(
            """before => {
                const { activeCellIndex, activeCell } = window.jupyterapp.shell.currentWidget.content;
                const { line, column } = activeCell.editor.getCursorPosition();
                return String([activeCellIndex, line, column]) !== before;
            }""",
            arg=",".join(map(str, before)),
        )
        places.append(cursor(lab))
    assert places == [(2, 1, 16), (3, 1, 2), (0, 0, 18), (3, 1, 2)]
    expect(lab.page.locator(".kale-ProblemBox")).to_contain_text("missing_one")
    lab.screenshot("lint-next-problem")
    # What was said of an edited text goes at once, and comes back with the text.
    expect(marks(lab, 2)).to_have_text("undefined_name")
    lab.cell(2).locator(".cm-content").click()
    lab.page.keyboard.press("Control+Home")
    # An edit elsewhere in the cell moves the mark.
    lab.page.keyboard.type("1\n")
    expect(marks(lab, 2)).to_have_text("undefined_name")
    marks(lab, 2).click()
    gone = lab.page.evaluate(
        """() => {
            const { activeCell } = window.jupyterapp.shell.currentWidget.content;
            const at = activeCell.editor.getOffsetAt(activeCell.editor.getCursorPosition());
            activeCell.model.sharedModel.updateSource(at, at, 'x');
            return activeCell.node.querySelectorAll('.cm-lintRange').length;
        }"""
    )
    assert gone == 0
    expect(marks(lab, 2)).to_contain_text("x")
    lab.page.keyboard.press("Control+z")
    expect(marks(lab, 2)).to_have_text("undefined_name")


def test_a_remedy_is_applied_and_undone(lab: LabPage, folder: Path) -> None:
    """From the box of the mark, from the keyboard, and back with Ctrl+Z in the editor."""
    open_notebook(lab, folder, STARS)
    expect(marks(lab, 0)).to_have_text("*")
    marks(lab, 0).hover()
    lab.page.locator(".cm-diagnosticAction").click()
    expect(lab.cell(0).locator(".cm-content")).to_have_text(STAR.replace("*", "fancy"))
    expect(marks(lab, 0)).to_have_count(0)
    lab.cell(0).locator(".cm-content").click()
    lab.page.keyboard.press("Control+z")
    expect(lab.cell(0).locator(".cm-content")).to_have_text(STAR)
    expect(marks(lab, 0)).to_have_count(1)
    lab.page.keyboard.press("Control+.")
    expect(lab.cell(0).locator(".cm-content")).to_have_text(STAR.replace("*", "fancy"))
    lab.page.keyboard.press("Control+z")
    assert source(lab, 0) == STAR


def test_the_error_of_a_run_is_marked_in_its_line(lab: LabPage, folder: Path) -> None:
    cells: tuple[notebooks.Cell, ...] = (
        ("x = 0", ["step:load"]),
        ("y = 1", ["step:fail"]),
        ("z = 2\nprint(y / x)\n", []),
    )
    open_notebook(lab, folder, cells)
    lab.panel.locator("[data-action=run]").click()
    expect(marks(lab, 2)).to_have_text("print(y / x)")
    expect(lab.cell(2)).to_have_attribute("data-kale-at", "failed")
    expect(lab.cell(1)).not_to_have_attribute("data-kale-at", "failed")
    marks(lab, 2).first.hover()
    expect(lab.page.locator(".cm-tooltip-lint")).to_contain_text("ZeroDivisionError")
    lab.screenshot("lint-failed-run")
    # What failed is not what stands there now.
    lab.type_in_cell(2, "# corrected")
    expect(marks(lab, 2)).to_have_count(1)
    lab.panel.locator("[data-action=run]").click()
    expect(marks(lab, 2)).to_have_text("print(y / x)")


def test_the_error_is_marked_also_when_the_page_was_loaded_again(lab: LabPage, folder: Path) -> None:
    """The kernel is asked what was run, since the page does not know any more."""
    cells: tuple[notebooks.Cell, ...] = (("import time", ["imports"]), ("time.sleep(6)\nprint(1 / 0)", ["step:fail"]))
    open_notebook(lab, folder, cells)
    lab.panel.locator("[data-action=run]").click()
    expect(lab.cell(1)).to_have_attribute("data-kale-at", "running")
    lab.save()
    lab.page.reload()
    expect(lab.cell(1)).to_have_attribute("data-kale-at", "failed")
    expect(marks(lab, 1)).to_have_text("print(1 / 0)")


def test_what_is_about_a_cell_as_a_whole_stands_on_its_badge(lab: LabPage, folder: Path) -> None:
    cells: tuple[notebooks.Cell, ...] = (("a = 1", ["step:load", "cpu:much"]), ("b = a", ["step:use", "setp:use"]))
    open_notebook(lab, folder, cells)
    box = lab.page.get_by_role("dialog")
    for cell, tag in enumerate(("cpu:much", "setp:use")):
        problems = lab.cell(cell).locator(".kale-Badge-problems")
        problems.click()
        expect(box).to_contain_text(tag)
        expect(marks(lab, cell)).to_have_count(0)
        lab.page.keyboard.press("Escape")
        expect(box).to_have_count(0)
        expect(problems).to_be_focused()
    lab.cell(1).locator(".kale-Badge-problems").click()
    lab.screenshot("lint-cell")
    box.get_by_role("button").click()
    expect(lab.cell(1).locator(".kale-Badge-problems")).to_be_hidden()
    lab.save()
    assert notebooks.read(folder / "lint.ipynb").cells[1].metadata["tags"] == ["step:use"]


def test_a_remedy_of_several_cells_is_one_step_to_undo(lab: LabPage, folder: Path) -> None:
    """What changes cells and tags is taken back as a whole, in command mode."""
    definitions = "def f():\n    return 1\nprint('hello')\n"
    open_notebook(lab, folder, ((definitions, ["functions"]), ("x = f()", ["step:use"])))
    lab.panel.locator(".kale-Section").filter(has_text="Problems").locator("summary").click()
    lab.panel.locator(".kale-Problem-fix").click()
    expect(lab.page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    expect(lab.cell(1).locator(".kale-Badge-step")).to_have_text("setup")
    assert source(lab, 1) == "print('hello')"
    expect(lab.cell(0).locator(".cm-content")).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(lab.cell(0)).to_be_focused()
    lab.page.keyboard.press("z")
    expect(lab.page.locator(".jp-Notebook .jp-Cell")).to_have_count(2)
    assert source(lab, 0) == definitions
