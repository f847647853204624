"""Whether rows of several requests may go to a model together: tried when it is packed, told in its bundle."""

import random
import threading

import numpy as np
import pytest
from cli.support import call
from kale_runtime.packing import bundle
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

TABLE, TARGET = load_iris(return_X_y=True, as_frame=True)
ARRAY = TABLE.to_numpy()


def classifier():
    return LogisticRegression(max_iter=500).fit(ARRAY, TARGET)


def of_two_columns():
    return RandomForestClassifier(3, random_state=0).fit(ARRAY, np.c_[TARGET, TARGET])


def over_all(rows):
    return [sum(row) - max(map(sum, rows)) for row in rows]


def drawn(rows):
    return [random.random() for _ in rows]


def total(rows):
    return len(rows)


def lengths(texts):
    print("asked", len(texts))
    return [len(text) for text in texts]


TEXTS = ["a", "bbb", "cc"]


@pytest.mark.parametrize(
    "model, more, is_same, reason",
    [
        (classifier, {}, True, "tried with 32 rows, to the last bit"),
        (classifier, {"method": "predict_proba"}, False, "in the last digits"),
        (lambda: LogisticRegression(max_iter=500).fit(TABLE, TARGET), {"names": {"X": TABLE}}, True, "32 rows"),
        (of_two_columns, {"method": "predict_proba"}, False, "cannot be told from each other"),
        (lambda: over_all, {"example": ARRAY[:9].tolist()}, False, "in more than the last digits"),
        (lambda: drawn, {"example": TEXTS}, False, "the same rows twice with a difference"),
        (lambda: total, {"example": TEXTS}, False, "cannot be told from each other"),
        (lambda: lengths, {"example": TEXTS}, True, "tried with 3 rows"),
        (lambda: lengths, {"example": TEXTS[:1]}, False, "but one row"),
        (lambda: lengths, {"names": {}}, False, "no row"),
    ],
)
def test_it_is_tried(tmp_path, capsys, model, more, is_same, reason):
    random.seed(3)
    before = random.getstate()
    wanted = {"names": {"X": ARRAY}} | more if "example" not in more else more
    about = bundle.pack(bundle.Wanted(model=model(), **wanted), tmp_path)["about"]
    assert about["batchable"] == is_same and reason in about["batchable_because"]
    # The example is answered once, as before; what else is tried is nobody's to see.
    assert capsys.readouterr().out.count("asked") <= 1
    if model() is drawn:
        after = random.getstate()
        random.setstate(before)
        drawn(TEXTS[:2])
        assert random.getstate() == after


FUNCTIONS = """
import numpy as np
def doubled(rows):
    return [[2 * value for value in row] for row in rows]
def rounded(answers):
    return [round(float(answer)) for answer in answers]
def noted(rows):
    global most
    most = max(max(row) for row in rows)
    return rows
def of_most(answers):
    return [float(answer) / most for answer in answers]
def kept(rows):
    seen.append(len(rows))
    return rows
def of_kept(answers):
    return [float(answer) for answer in answers[: seen[-1]]]
class Both:
    def before(self, rows):
        self.rows = rows
        return rows
    def after(self, answers):
        return [float(answer) + len(self.rows) for answer in answers]
both, seen, most = Both(), [], 1
"""


@pytest.mark.parametrize(
    "before, after, told",
    [
        ("doubled", "rounded", "tried with 2 rows"),
        ("noted", "of_most", "`noted` changes `most`"),
        ("kept", "of_kept", "both use `seen`"),
        ("both.before", "both.after", "both belong to one `Both`"),
    ],
)
def test_functions_that_could_tell_each_other_of_a_request_are_asked_in_turn(
    tmp_path, notebook_names, before, after, told
):
    names = notebook_names(FUNCTIONS)
    functions = {kind: eval(text, names) for kind, text in (("preprocess", before), ("postprocess", after))}
    example = [[1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 5.0, 0.5]]
    about = bundle.pack(bundle.Wanted(model=classifier(), example=example, **functions), tmp_path)["about"]
    assert told in about["batchable_because"] and about["batchable"] == told.startswith("tried")


def test_a_service_says_it_and_does_it(serve):
    service = serve(classifier(), name="iris")
    assert service.status()["batch_rows"] == 32 and "up to 32" in repr(service)
    expected = classifier().predict(ARRAY).tolist()
    parts = [list(range(place, min(place + 1 + place % 3, 150))) for place in range(0, 150, 2)]
    found = {}

    def ask(mine):
        for part in mine:
            found[part[0]] = service.predict(ARRAY[part].tolist())

    threads = [threading.Thread(target=ask, args=(parts[number::8],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[part[0]] == [expected[place] for place in part] for part in parts)
    shown = call("services", "show", "iris").stdout
    assert "what waits goes together, up to 32 rows" in shown
    alone = serve(classifier(), name="iris", batch=1)
    assert alone.status()["batch_rows"] == 1
    differing = serve(LinearRegression().fit(ARRAY, TARGET), name="line")
    assert differing.status()["batch_rows"] == 1 and "in the last digits" in repr(differing)


def test_who_asks_for_it_is_told_what_it_means(serve, capsys):
    asked = serve(LinearRegression().fit(ARRAY, TARGET), name="line", batch=16)
    assert asked.status()["batch_rows"] == 16
    assert "differ from those to each request: in the last digits" in capsys.readouterr().err
