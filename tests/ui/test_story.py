"""The story of `examples/story` by clicks: from a draft without tags to a question in plain English that is answered.

Its pictures are those of the tutorial: `KALE_BLESS=1` puts new ones in their place.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.ui import notebooks
from tests.ui.conftest import EXAMPLES
from tests.ui.page import LabPage

STORY = EXAMPLES / "story"
#: A run of all steps, with imports of large libraries.
RUN_MS = 180_000
SERVE = """\
import kale_rs

service = kale_rs.serve(
    model, name="helpdesk", preprocess=features, assets={"tokenizer": tokenizer}, example=["How do I fit a model?"]
)
service"""
QUESTIONS = {
    "How do I draw two curves with a common axis and a legend?": "matplotlib",
    "Which function merges two dataframes on a column?": "pandas",
}


def picture(lab: LabPage, name: str, part: Locator | None = None) -> None:
    taken = lab.screenshot(f"story-{name}")
    if part is not None:
        part.screenshot(path=str(taken))
    if os.environ.get("KALE_BLESS"):
        shutil.copyfile(taken, STORY / f"{name}.png")


def test_from_a_draft_to_an_answer(lab: LabPage, folder: Path) -> None:
    lab.page.set_viewport_size({"width": 1500, "height": 950})
    shutil.copy(STORY / "draft.ipynb", folder)
    lab.open(f"{folder.name}/draft.ipynb")
    lab.show_panel()
    lab.command("filebrowser:hide-main")
    lab.panel.get_by_role("switch", name="Pipeline").click()
    lab.await_ready()
    tag(lab, folder / "draft.ipynb")
    run(lab)
    serve(lab, sweep(lab))


def tag(lab: LabPage, draft: Path) -> None:
    """Each cell's role is chosen, until the draft has the tags of the notebook that is beside it."""
    expect(lab.panel.locator(".kale-Steps > li")).to_have_count(5)
    wanted = [cell.metadata.get("tags", []) for cell in notebooks.read(STORY / "notebook.ipynb").cells]
    for index, tags in enumerate(wanted):
        for role in tags:
            tag_cell(lab, index, *role.split(":"))
    lab.save()
    assert [cell.metadata.get("tags", []) for cell in notebooks.read(draft).cells] == wanted
    names = ["collect", "split", "tokenize", "train", "judge"]
    expect(lab.panel.locator(".kale-Steps > li")).to_have_count(len(names))
    for name in names:
        expect(lab.page.locator(f".jp-Cell[data-kale-step={name}]").first).to_be_attached()


def tag_cell(lab: LabPage, index: int, kind: str, name: str = "") -> None:
    lab.evaluate(f"app => app.shell.currentWidget.content.scrollToItem({index}, 'smart')")
    cell = lab.cell(index)
    cell.hover()
    cell.locator(".kale-Badge-step").click()
    editor = lab.page.locator(".kale-TagPopover")
    editor.get_by_label("This cell is").select_option(kind)
    if name:
        editor.get_by_role("combobox", name="Name").fill(name)
    if name == "tokenize":
        picture(lab, "tag")
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_have_count(0)


def run(lab: LabPage) -> None:
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-RunStrip[data-status=succeeded]").wait_for(timeout=RUN_MS)
    expect(lab.panel.locator(".kale-Runs-metrics")).to_have_text(re.compile(r"accuracy 0\.8\d"))
    picture(lab, "run")


def sweep(lab: LabPage) -> Locator:
    """How strong, and one word at a time or two: the split is made once, the words are counted twice."""
    lab.panel.locator("[data-action=sweep]").click()
    form = lab.page.locator(".kale-SweepForm")
    form.locator("[name=words_at_once-low]").fill("1")
    form.locator("[name=words_at_once-high]").fill("2")
    form.locator("[name=strength-low]").fill("0.01")
    form.locator("[name=strength-high]").fill("10")
    form.locator("[name=algorithm]").select_option("sobol")
    form.locator("[name=trials]").fill("8")
    expect(form.locator("[name=direction]")).to_have_value("maximize")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("8 trials: 20 step runs, not 40")
    form.locator("[data-action=begin-sweep]").click()
    view = lab.page.locator(".kale-SweepView:visible")
    expect(view).to_have_attribute("data-status", "succeeded", timeout=RUN_MS)
    picture(lab, "sweep")
    view.locator("[data-action=restore-best]").click()
    opened = lab.page.locator(".jp-NotebookPanel", has_text="kale_rs.restore")
    expect(opened.locator(".jp-InputPrompt").first).to_have_text("[1]:")
    return opened


def serve(lab: LabPage, best: Locator) -> None:
    """In the restored notebook: what was trained there is in memory."""
    card = execute(lab, best, SERVE)
    expect(card).to_contain_text("answers in a fresh process as here", timeout=RUN_MS)
    answer = execute(lab, best, f"service.predict({list(QUESTIONS)!r})")
    expect(answer).to_contain_text(str(list(QUESTIONS.values())))
    lab.panel.locator("[data-service=helpdesk] button").click()
    view = lab.page.locator(".kale-ServiceView[data-service=helpdesk]:visible")
    expect(view).to_have_attribute("data-state", "ready")
    view.locator("[name=json]").fill(json.dumps({"instances": list(QUESTIONS)}, indent=1))
    view.locator("[data-action=predict]").click()
    expect(view.locator(".kale-TestBox-predictions")).to_contain_text("matplotlib")
    expect(view.locator("[data-figure=requests] dd")).to_have_text("2")
    # Beside it is the card, with a path of this machine.
    picture(lab, "serve", view)
    view.locator("[data-action=stop]").click()
    expect(lab.panel.locator("[data-service=helpdesk]")).to_have_count(0)


def execute(lab: LabPage, notebook: Locator, code: str) -> Locator:
    """Type code into a new cell at the notebook's end and run it; gives the cell's outputs."""
    notebook.locator(".jp-Notebook-footer").click()
    made = notebook.locator(".jp-Cell.jp-mod-active")
    expect(made.locator(".cm-content")).to_have_text("")
    made.locator(".cm-content").click()
    lab.page.keyboard.insert_text(code)
    lab.page.keyboard.press("Control+Enter")
    return made.locator(".jp-OutputArea")
