"""The tag editor: by keyboard alone, with undo, and what it leaves in the saved notebook."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.ui import notebooks
from tests.ui.page import LabPage

CELLS: tuple[notebooks.Cell, ...] = (
    ("import math", ["imports"]),
    ("numbers = [1, 2, 3]", ["hide-input", "step:load", "label:team:vision"]),
    ("extra = 4", []),
    ("total = sum(numbers)", ["step:add"]),
    ("%%pipeline step show --after add\nprint(total)", []),
)


def open_notebook(lab: LabPage, folder: Path, cells: tuple[notebooks.Cell, ...] = CELLS) -> Path:
    """Without the panel: tags are edited also where there is no connection yet."""
    path = folder / "tags.ipynb"
    notebooks.write(path, cells)
    lab.open(f"{folder.name}/tags.ipynb")
    lab.cell(0).locator(".kale-Badge-step").wait_for()
    # A notebook that has just been opened takes the focus when its spinner goes.
    expect(lab.page.locator(".jp-NotebookPanel .jp-Spinner")).to_have_count(0)
    return path


def choose(lab: LabPage, cell: int) -> None:
    """Choose a cell in command mode, by the keyboard."""
    lab.page.evaluate(
        """index => {
            const { content } = window.jupyterapp.shell.currentWidget;
            content.mode = 'command';
            content.activeCellIndex = 0;
            content.activeCell.node.focus();
        }""",
        cell,
    )
    for _ in range(cell):
        lab.page.keyboard.press("ArrowDown")
    expect(lab.cell(cell)).to_be_focused()


def edit(lab: LabPage, cell: int) -> Locator:
    """Open the editor of a cell with the keyboard."""
    choose(lab, cell)
    lab.page.keyboard.press("Alt+k")
    editor = lab.page.locator(".kale-TagPopover")
    expect(editor.locator(":focus")).to_have_count(1)
    return editor


def tags(path: Path, cell: int) -> list[str]:
    return list(notebooks.read(path).cells[cell].metadata.get("tags", []))


def test_a_step_is_renamed_saved_undone_and_found_again(lab: LabPage, folder: Path) -> None:
    path = open_notebook(lab, folder)
    edit(lab, 1)
    lab.page.keyboard.type("read")
    lab.page.keyboard.press("Enter")
    expect(lab.cell(1).locator(".kale-Badge-step")).to_have_text("read")
    expect(lab.cell(1)).to_be_focused()
    lab.save()
    assert tags(path, 1) == ["step:read", "hide-input", "label:team:vision"]
    lab.page.keyboard.press("z")
    expect(lab.cell(1).locator(".kale-Badge-step")).to_have_text("load")
    lab.save()
    assert tags(path, 1) == ["hide-input", "step:load", "label:team:vision"]
    lab.page.keyboard.press("Shift+Z")
    expect(lab.cell(1).locator(".kale-Badge-step")).to_have_text("read")
    lab.save()
    lab.page.reload()
    expect(lab.cell(1).locator(".kale-Badge-step")).to_have_text("read")
    assert tags(path, 1) == ["step:read", "hide-input", "label:team:vision"]


def test_every_save_is_one_step_to_undo(lab: LabPage, folder: Path) -> None:
    """Also when they follow each other at once."""
    path = open_notebook(lab, folder)
    for name in ("one", "two"):
        edit(lab, 3)
        lab.page.keyboard.type(name)
        lab.page.keyboard.press("Enter")
        expect(lab.cell(3).locator(".kale-Badge-step")).to_have_text(name)
    lab.page.keyboard.press("z")
    expect(lab.cell(3).locator(".kale-Badge-step")).to_have_text("one")
    lab.page.keyboard.press("z")
    expect(lab.cell(3).locator(".kale-Badge-step")).to_have_text("add")
    lab.save()
    assert tags(path, 3) == ["step:add"]


def test_everything_by_keyboard(lab: LabPage, folder: Path) -> None:
    """Completion, order, resources; the focus stays inside until the editor is closed."""
    path = open_notebook(lab, folder)
    editor = edit(lab, 3)
    name = editor.get_by_role("combobox", name="Name")
    options = editor.locator(".kale-Combobox [role=option]:visible")
    expect(name).to_be_focused()
    lab.page.keyboard.type("lo")
    expect(options).to_have_text(["load"])
    lab.page.keyboard.press("ArrowDown")
    expect(editor.locator(".kale-Combobox [aria-selected=true]")).to_have_text("load")
    lab.screenshot("tag-editor-completion")
    # Escape closes the list first, then the editor.
    lab.page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    expect(editor).to_have_count(1)
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Enter")
    expect(name).to_have_value("load")
    name.fill("add_all")
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Space")
    expect(editor.get_by_role("checkbox", name="load")).to_be_checked()
    while not editor.locator("summary:focus").count():
        lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Enter")
    for value in ("2", "1Gi", "", "3", "1h30m", "python:3.12-slim"):
        lab.page.keyboard.press("Tab")
        lab.page.keyboard.type(value)
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("n")
    # The focus goes round.
    for _ in range(4):
        lab.page.keyboard.press("Tab")
    expect(editor.get_by_label("This cell is")).to_be_focused()
    lab.screenshot("tag-editor")
    lab.page.keyboard.press("Enter")
    expect(editor).to_have_count(0)
    lab.save()
    assert tags(path, 3) == [
        "step:add_all",
        "prev:load",
        "image:python:3.12-slim",
        "cache:disabled",
        "cpu:2",
        "memory:1Gi",
        "retries:3",
        "timeout:1h30m",
    ]


def test_a_cell_that_only_goes_on_with_a_step(lab: LabPage, folder: Path) -> None:
    """It shows that step; saving without a change writes nothing, and a change makes a tag."""
    path = open_notebook(lab, folder)
    editor = edit(lab, 2)
    expect(editor.get_by_role("combobox", name="Name")).to_have_value("load")
    lab.page.keyboard.press("Enter")
    expect(editor).to_have_count(0)
    lab.save()
    assert tags(path, 2) == []
    editor = edit(lab, 2)
    lab.page.keyboard.press("Shift+Tab")
    lab.page.keyboard.type("no part")
    lab.page.keyboard.press("Enter")
    expect(lab.cell(2).locator(".kale-Badge-step")).to_have_text("skipped")
    lab.save()
    assert tags(path, 2) == ["skip"]
    # And back, with the pointer.
    lab.cell(2).locator(".kale-Badge-step").click()
    editor.get_by_label("This cell is").select_option("none")
    editor.get_by_role("button", name="Save").click()
    expect(lab.cell(2)).to_have_attribute("data-kale-step", "load")
    lab.save()
    assert "tags" not in notebooks.read(path).cells[2].metadata


def test_what_is_shown_and_what_is_refused(lab: LabPage, folder: Path) -> None:
    path = open_notebook(lab, folder)
    # What flows into the step, as the compiler has found.
    expect(lab.cell(3).locator(".kale-Badge-source")).to_have_text("load")
    editor = edit(lab, 3)
    expect(editor.get_by_role("group", name="Needs (inferred)")).to_contain_text("load numbers")
    lab.page.keyboard.press("Escape")
    # What the compiler would refuse is not saved.
    editor = edit(lab, 1)
    lab.page.keyboard.type("my step")
    lab.page.keyboard.press("Enter")
    name = editor.get_by_role("combobox", name="Name")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(editor).to_contain_text("For example: my_step")
    lab.screenshot("tag-editor-refused")
    lab.page.keyboard.press("Escape")
    expect(editor).to_have_count(0)
    expect(lab.cell(1)).to_be_focused()
    lab.save()
    assert tags(path, 1) == ["hide-input", "step:load", "label:team:vision"]
    # A magic decides.
    expect(lab.cell(4).locator(".kale-Badge-step")).to_have_text("show")
    editor = edit(lab, 4)
    expect(editor).to_contain_text("%%pipeline")
    expect(editor.get_by_role("button", name="Save")).to_have_count(0)
    expect(editor.get_by_role("combobox", name="Name")).to_be_disabled()
    lab.page.keyboard.press("Enter")
    expect(editor).to_have_count(0)
    # What has been typed is not lost by a click beside it.
    lab.cell(1).locator(".kale-Badge-step").click()
    editor = lab.page.locator(".kale-TagPopover")
    lab.cell(3).locator(".cm-content").click()
    expect(editor).to_have_count(0)
    lab.cell(1).locator(".kale-Badge-step").click()
    editor.get_by_role("combobox", name="Name").fill("other")
    lab.cell(3).locator(".cm-content").click()
    expect(editor).to_have_count(1)
    editor.get_by_role("button", name="Cancel").click()
    expect(lab.cell(1).locator(".kale-Badge-step")).to_have_text("load")
