"""What a model takes and gives: from what it remembers of its training, from an example, or from the data it was
trained with, where that is still there.
"""

import math
import random
import sys

#: Rows that are kept as an example, and rows that a model is tried with.
ROWS, SAMPLE = 2, 32
#: Names that training data usually has come first.
USUAL = ("X_train", "train_X", "x_train", "X", "x", "features", "train", "df")
#: By kind and size of numpy's types; what is not here travels as text.
DATATYPES = {
    **{f"f{size}": f"FP{8 * size}" for size in (2, 4, 8)},
    **{f"i{size}": f"INT{8 * size}" for size in (1, 2, 4, 8)},
    **{f"u{size}": f"UINT{8 * size}" for size in (1, 2, 4, 8)},
    "b1": "BOOL",
}


def sample(length):
    """Places of rows: the first, and some from everywhere."""
    if length <= SAMPLE:
        return list(range(length))
    return [*range(ROWS), *(ROWS + number * (length - ROWS) // (SAMPLE - ROWS) for number in range(SAMPLE - ROWS))]


class Data:
    """Rows that a service could be asked about: a table, an array or a list."""

    def __init__(self, container, rows, columns=None, shape=None, dtype=None):
        self.container, self.rows, self.columns, self.shape, self.dtype = container, rows, columns, shape, dtype

    @staticmethod
    def of(value):
        """Rows of what people give as an example, or have trained with; those that are kept come first."""
        if is_frame(value):
            head = value.iloc[sample(len(value))]
            columns = [{"name": str(name), "dtype": str(value[name].dtype)} for name in value.columns]
            rows = [
                dict(zip(map(str, head.columns), map(plain, row), strict=True)) for row in head.itertuples(index=False)
            ]
            return Data("dataframe", rows, columns)
        if isinstance(value, dict):
            return Data.of_dict(value)
        if hasattr(value, "to_numpy"):
            value = value.to_numpy()
        if hasattr(value, "toarray"):
            value = value[sample(value.shape[0])].toarray()
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        if hasattr(value, "dtype") and getattr(value, "ndim", 0):
            rows = plain(value[sample(len(value))])
            return Data("array", rows, shape=[-1, *value.shape[1:]], dtype=value.dtype)
        rows = [value[place] for place in sample(len(value))] if isinstance(value, (list, tuple)) else [value]
        return Data(None, [plain(row) for row in rows])

    @staticmethod
    def of_dict(value):
        """Columns by name, or one row by name."""
        columns = {name: column for name, column in value.items() if hasattr(column, "__len__")}
        if len(columns) == len(value) and not any(isinstance(each, (str, bytes)) for each in value.values()):
            rows = [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=False)]
            return Data(None, [plain(rows[place]) for place in sample(len(rows))])
        return Data(None, [plain(value)])


def plain(value):
    """As JSON has it: what is no number is null."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None  # what pandas has in place of anything, or of a time
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def is_frame(value):
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_array(value, axes=None):
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray) and axes in (None, value.ndim)


class Known:
    """What a model remembers of what it was trained with."""

    def __init__(self, model, flavour):
        self.names = self.width = self.inputs = self.frame = None
        #: Whether it looks at places alone, and not at names.
        self.by_place = False
        #: How the model spells the names of columns.
        self.spelled = str
        getattr(self, flavour, self.any)(model)

    def any(self, model):
        names = getattr(model, "feature_names_in_", None)
        self.names = None if names is None else [str(name) for name in names]
        width = getattr(model, "n_features_in_", None)
        self.width = width if isinstance(width, int) else None

    def xgboost(self, model):
        if hasattr(model, "get_booster"):
            model = model.get_booster()
        self.names, self.width = model.feature_names, model.num_features()

    def lightgbm(self, model):
        booster = getattr(model, "booster_", model)
        names = booster.feature_name()
        self.width = len(names)
        if names != [f"Column_{number}" for number in range(len(names))]:
            self.names, self.spelled = names, lambda name: name.replace(" ", "_")
            self.by_place = not getattr(booster, "pandas_categorical", None)

    def statsmodels(self, model):
        data = model.model.data
        if getattr(model.model, "formula", None) is not None:
            self.frame = getattr(data, "frame", None)
            used = set(names_in(model.model.formula.partition("~")[2]))
            self.names = None if self.frame is None else [name for name in self.frame.columns if name in used]
        elif getattr(model.model, "exog", None) is not None:
            self.frame = getattr(data, "orig_exog", None)
            self.width = model.model.exog.shape[1]
            if is_frame(self.frame):
                self.names = list(map(str, self.frame.columns))

    def keras(self, model):
        try:
            shape = model.input_shape
        except (AttributeError, ValueError):  # it has several, or was never called
            shape = None
        if isinstance(shape, tuple):
            dtype = str(getattr(model.inputs[0], "dtype", "float32")) if getattr(model, "inputs", None) else "float32"
            self.inputs = [tensor("input-0", dtype, [-1, *(-1 if size is None else size for size in shape[1:])])]

    def onnx(self, model):
        kinds = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 8: "str", 9: "bool", 10: "float16"}
        if hasattr(model, "graph"):
            constants = {each.name for each in model.graph.initializer}
            given = [each for each in model.graph.input if each.name not in constants]
            shapes = [[each.dim_value or -1 for each in one.type.tensor_type.shape.dim] for one in given]
            dtypes = [kinds.get(one.type.tensor_type.elem_type, "float64") for one in given]
        else:
            given = model.get_inputs()
            shapes = [[size if isinstance(size, int) else -1 for size in one.shape] for one in given]
            words = {"float": "float32", "double": "float64", "string": "str"}
            dtypes = [words.get(word := one.type[7:-1], word) for one in given]
        rows = zip(given, dtypes, shapes, strict=True)
        self.inputs = [tensor(one.name, dtype, [-1, *shape[1:]]) for one, dtype, shape in rows]

    def torch(self, model):
        """A module takes whatever its `forward` does."""


def is_known(model, flavour):
    """Whether a model says itself what it takes."""
    known = Known(model, flavour)
    return bool(known.names or known.width or known.inputs)


def names_in(text):
    import ast

    try:
        return [node.id for node in ast.walk(ast.parse(text.strip(), mode="eval")) if isinstance(node, ast.Name)]
    except SyntaxError:
        return text.replace(":", " ").replace("*", " ").replace("+", " ").split()


def infer(model, flavour, namespace, example=None, preprocessed=False):
    """The signature (without outputs), rows for the bundle's example, and more to try it with, as far as known."""
    known = Known(model, flavour)
    data = Data.of(example) if example is not None else None
    if preprocessed:
        # What comes in is raw: only an example tells of it.
        return (of_data(data) if data and data.container else {}), *rows_of(data)
    if data is None or (data.container is None and known.names):
        data = trained_with(known, namespace, data)
    if known.inputs:
        return {"container": "array", "inputs": known.inputs}, *rows_of(data, known.inputs)
    if data is not None and data.container:
        return of_data(data), *rows_of(data)
    if known.names and not known.by_place:
        columns = [{"name": name} for name in known.names]
        return {"container": "dataframe", "columns": columns}, *rows_of(data)
    if known.width:
        inputs = [tensor("input-0", "float64", [-1, known.width])]
        return {"container": "array", "inputs": inputs}, *rows_of(data, inputs)
    return {}, *rows_of(data)


def rows_of(data, inputs=()):
    """For the example, and to try: made up where there are none."""
    if data is not None:
        return data.rows[:ROWS], data.rows
    rows = made_up(inputs) if len(inputs) == 1 else None
    return (rows[:1], rows) if rows else (None, None)


def made_up(inputs):
    """Zeros, and numbers of any size, where nothing better is known."""
    shape, datatype = inputs[0]["shape"][1:], inputs[0]["datatype"]
    if -1 in shape or datatype == "BYTES":
        return None
    chance = random.Random(0)

    def row(shape, number):
        return [row(shape[1:], number) for _ in range(shape[0])] if shape else number()

    others = SAMPLE - 1 if datatype in ("FP32", "FP64") else 0
    return [
        row(shape, lambda: 0),
        *(row(shape, lambda: chance.gauss(0, 10 ** chance.randint(-2, 2))) for _ in range(others)),
    ]


def trained_with(known, namespace, data=None):
    """The data that a model was trained with, by its columns: rows and types that a service can be tried with."""
    if known.frame is not None:
        return Data.of(known.frame[known.names] if known.names and is_frame(known.frame) else known.frame)
    order = [*(name for name in USUAL if name in namespace), *namespace]
    values = [namespace[name] for name in order if name[:1] != "_"]
    if known.names:
        wanted = set(known.names)
        for value in values:
            if is_frame(value) and len(value) and all(isinstance(name, str) for name in value.columns):
                columns = {known.spelled(name): name for name in value.columns}
                if wanted <= set(columns):
                    return Data.of(value[[columns[name] for name in known.names]])
    elif known.width:
        for name, value in zip([each for each in order if each[:1] != "_"], values, strict=True):
            if name[:1] in "xXft" and is_array(value, 2) and value.shape[1] == known.width and len(value):
                return Data.of(value)
    elif not known.inputs and data is None:
        # It remembers nothing: whether these are its data is shown when it is asked.
        usual = (namespace.get(name) for name in USUAL)
        return next((Data.of(each) for each in usual if (is_frame(each) or is_array(each)) and len(each)), None)
    return data


def of_data(data):
    signature = {"container": data.container}
    if data.container == "dataframe":
        signature["columns"] = data.columns
        signature["inputs"] = [tensor(column["name"], column["dtype"], [-1]) for column in data.columns]
    else:
        signature["inputs"] = [tensor("input-0", data.dtype, data.shape)]
    return signature


def outputs(answer):
    """What came out for the example, as tensors; nothing where it has no such form."""
    if is_frame(answer):
        return [tensor(str(name), answer[name].dtype, [-1]) for name in answer.columns]
    if hasattr(answer, "to_numpy"):
        answer = answer.to_numpy()
    if isinstance(answer, dict) and all(is_array(each) for each in answer.values()):
        return [tensor(str(name), each.dtype, [-1, *each.shape[1:]]) for name, each in answer.items()]
    if is_array(answer) and answer.ndim:
        return [tensor("output-0", answer.dtype, [-1, *answer.shape[1:]])]
    return None


def tensor(name, dtype, shape):
    return {"name": name, "datatype": datatype(dtype), "shape": [int(size) for size in shape]}


def datatype(dtype):
    """The protocol's word for a type of numpy's or pandas'."""
    numpy = sys.modules.get("numpy")
    try:
        found = numpy.dtype(dtype)
        return DATATYPES.get(f"{found.kind}{found.itemsize}", "BYTES")
    except (TypeError, AttributeError):
        text = str(dtype).lower()
        return {"int64": "INT64", "float64": "FP64", "boolean": "BOOL", "float32": "FP32"}.get(text, "BYTES")
