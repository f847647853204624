import pytest

from . import support


@pytest.fixture(scope="session")
def iris():
    """A model, and rows for it."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    rows, kinds = load_iris(return_X_y=True)
    return LogisticRegression(max_iter=500).fit(rows, kinds), rows


@pytest.fixture(scope="module")
def server(iris, tmp_path_factory):
    """One for all tests of a module that leave it as it was."""
    with support.Server(support.bundle(tmp_path_factory.mktemp("serving") / "iris", iris[0])) as server:
        yield server
