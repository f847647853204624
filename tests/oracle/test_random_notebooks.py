"""The promise, on notebooks that nobody wrote: see `random_notebooks`.

`KALE_RANDOM_NOTEBOOKS=2000` tries more of them, `KALE_RANDOM_SEED=17` other ones.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import product
from .equivalence import differences, run_linear
from .linear import LinearExecutor
from .random_notebooks import Writer

FIRST = int(os.environ.get("KALE_RANDOM_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("KALE_RANDOM_NOTEBOOKS", "30")))


@pytest.fixture(scope="module")
def executor():
    with LinearExecutor() as executor:
        yield executor


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    seeds = [item.callspec.params["seed"] for item in request.session.items if item.module is request.module]
    with ThreadPoolExecutor(4) as pool:
        yield {seed: pool.submit(run_subject, tmp_path_factory.mktemp("random"), seed) for seed in seeds}
        pool.shutdown(cancel_futures=True)


def run_subject(directory, seed):
    path = directory / "random.ipynb"
    writer = Writer(seed)
    path.write_text(json.dumps(writer.notebook()), encoding="utf-8")
    return product.run(path, options=writer.options)


@pytest.mark.parametrize("seed", SEEDS)
def test_pipeline_computes_what_the_notebook_computes(seed, runs, executor, tmp_path):
    run = runs[seed].result()
    notebook = Writer(seed).notebook()
    source = "\n\n".join(cell["source"] for cell in notebook["cells"])
    assert differences(run, run_linear(executor, notebook, tmp_path, {}, run)) == [], source
