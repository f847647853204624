"""A look at one stored value, in a short-lived process of its own: values are pickles, which may be large, or hang.

The request comes on standard input, the answer goes to a file, since the value's own code may print:

    {"path": ".../blobs/3f/3f9a", "kind": "value", "names": ["df"], "definitions": [{"do": "define", ...}],
     "directory": "/home/me/project", "output": "/home/me/project/df.csv", "answer": ".../answer.json"}

    {"type": "pandas.DataFrame", "summary": "1000 rows × 3 columns", "preview": {"html": "<table ...>"}, "error": null}

A preview is a table (`html`, and `text` for terminals), an image (`png`, base64) or text (`text`). `definitions` are
carried out only if the value cannot be read without the notebook's classes. With `output`, the value is also written
there, as its suffix says.
"""

import base64
import csv
import html
import io
import json
import os
import pickle
import reprlib
import sys
import types

from kale_runtime import mapped

ROWS = COLUMNS = 20
#: Characters of a text, pixels of an image's side, bytes of an image that is shown as it is.
TEXT, PIXELS, IMAGE = 20_000, 1200, 4 << 20
#: Bytes of memory that a look may take beside the value itself.
MEMORY = 4 << 30
PNG = b"\x89PNG\r\n\x1a\n"
IMAGES = (PNG, b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")


class Impossible(Exception):
    """The value has no such form."""


def main():
    request = json.load(sys.stdin)
    limit_memory(os.path.getsize(request["path"]))
    sys.path.insert(0, request["directory"])
    answer = {"type": None, "summary": "", "preview": {"text": ""}, "error": None}
    try:
        value = read(request)
        answer["type"], answer["summary"] = type_name(value), summary(value)
        answer["preview"] = preview(value)
        if request["output"]:
            answer["error"] = written(value, request["output"])
    except MemoryError:
        answer["error"] = "it needs more memory than a preview may take"
    except BaseException as error:
        answer["error"] = f"{type(error).__name__}: {error}"
    with open(request["answer"], "w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(answer, file)
    # What user code has registered for the end of the process is of no interest.
    os._exit(0)


def limit_memory(size):
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY + 4 * size,) * 2)
    except (ImportError, ValueError, OSError):
        pass


class File:
    """The content of a file that a step wrote."""

    def __init__(self, name, path):
        self.name, self.path = name, path


class Group:
    """Variables that were stored together, since they share objects."""

    def __init__(self, values):
        self.values = values


def read(request):
    kind, path = request["kind"], request["path"]
    if kind.startswith("file:"):
        return File(kind.removeprefix("file:"), path)
    # The notebook's classes are found in `__main__`.
    names = types.ModuleType("__main__")
    sys.modules["__main__"] = names
    try:
        values = load(path, kind)
    except Exception:
        define(names.__dict__, request["definitions"])
        values = load(path, kind)
    if kind.startswith("rng:"):
        return values
    found = {name: values[name] for name in request["names"] if name in values} or values
    first = next(iter(found.values()), None)
    return first if all(each is first for each in found.values()) else Group(found)


def load(path, kind):
    with open(path, "rb") as file:
        return mapped.load(file, kind)


def define(names, actions):
    for action in actions:
        try:
            if action["do"] == "parameter":
                names[action["name"]] = action["value"]
            elif not action["source"].lstrip().startswith(("%", "!")):
                exec(compile(action["source"], "<notebook>", "exec"), names)
        except Exception:
            # Whatever is not there will be missed by the value, if it matters.
            pass


def type_name(value):
    if isinstance(value, (File, Group)):
        return "file" if isinstance(value, File) else ", ".join(map(type_name, value.values.values()))
    kind = type(value)
    module = (kind.__module__ or "").split(".")[0]
    return kind.__qualname__ if module in ("builtins", "__main__", "") else f"{module}.{kind.__qualname__}"


def summary(value):
    if isinstance(value, File):
        return value.name
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        sizes = " × ".join(str(size) for size in shape)
        return f"{sizes}, {value.dtype}" if hasattr(value, "dtype") else f"{sizes}"
    if isinstance(value, (list, tuple, dict, set, frozenset, str, bytes)):
        return f"length {len(value)}"
    return ""


def is_of(value, library, *names):
    """Whether a value is an instance of a class of a library, which its pickle has imported then."""
    module = sys.modules.get(library)
    classes = [getattr(module, name) for name in names if hasattr(module, name)]
    return any(isinstance(value, each) for each in classes)


def preview(value):
    if isinstance(value, Group):
        return preview_group(value.values)
    if isinstance(value, File):
        return preview_file(value)
    image = as_png(value)
    if image is not None:
        return {"png": base64.b64encode(image).decode()}
    table = as_table(value)
    return {"text": as_text(value)} if table is None else {"html": table, "text": as_text(value)}


def preview_group(values):
    found = {name: preview(value) for name, value in values.items()}
    image = next((each for each in found.values() if "png" in each), None)
    if image is not None:
        return image
    text = "\n".join(f"{name} = {each['text']}" for name, each in found.items())[:TEXT]
    if not any("html" in each for each in found.values()):
        return {"text": text}
    part = "<p><b>{}</b></p>{}".format
    parts = (
        part(html.escape(name), each.get("html") or f"<pre>{html.escape(each['text'])}</pre>")
        for name, each in found.items()
    )
    return {"html": "".join(parts), "text": text}


def preview_file(file):
    with open(file.path, "rb") as content:
        head = content.read(IMAGE + 1)
    if head.startswith(IMAGES):
        image = png_of_bytes(head) if len(head) <= IMAGE else None
        return {"text": f"an image of {os.path.getsize(file.path):,} bytes"} if image is None else {"png": image}
    try:
        # The last character may be cut.
        text = head[:-4].decode() if len(head) > IMAGE else head.decode()
    except UnicodeDecodeError:
        return {"text": f"no text: {os.path.getsize(file.path):,} bytes"}
    if file.name.lower().endswith((".csv", ".tsv")):
        lines = text.splitlines()[: ROWS + 1]
        rows = list(csv.reader(lines, delimiter="\t" if file.name.lower().endswith("tsv") else ","))
        if rows:
            return {"html": table(rows[0][:COLUMNS], [row[:COLUMNS] for row in rows[1:]]), "text": "\n".join(lines)}
    return {"text": text[:TEXT]}


def png_of_bytes(data):
    """Base64; None for what cannot be shown."""
    if data.startswith(PNG):
        return base64.b64encode(data).decode()
    try:
        from PIL import Image

        with Image.open(io.BytesIO(data)) as image:
            return base64.b64encode(as_png(image)).decode()
    except Exception:
        return None


def as_png(value):
    figure = as_figure(value)
    if figure is not None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
        return buffer.getvalue()
    if is_of(value, "PIL.Image", "Image"):
        image = value.copy()
        image.thumbnail((PIXELS, PIXELS))
        buffer = io.BytesIO()
        (image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else image.convert("RGB")).save(buffer, "PNG")
        return buffer.getvalue()
    is_png = isinstance(value, bytes) and value.startswith(PNG) and len(value) <= IMAGE
    return value if is_png else None


def as_figure(value):
    if is_of(value, "matplotlib.figure", "Figure"):
        return value
    return value.figure if is_of(value, "matplotlib.axes", "Axes") else None


def as_table(value):
    """HTML of the head of what has rows; all that comes from the value is escaped."""
    if is_of(value, "pandas", "DataFrame", "Series"):
        frame = value.to_frame() if is_of(value, "pandas", "Series") else value
        return frame.to_html(max_rows=ROWS, max_cols=COLUMNS, show_dimensions=True, notebook=False)
    if is_of(value, "polars", "DataFrame", "Series"):
        frame = value.to_frame() if is_of(value, "polars", "Series") else value
        head = frame.head(ROWS)
        return table(head.columns[:COLUMNS], [row[:COLUMNS] for row in head.rows()])
    if is_of(value, "pyarrow", "Table"):
        head = value.slice(0, ROWS)
        columns = [column.to_pylist() for column in head.columns[:COLUMNS]]
        return table(head.column_names[:COLUMNS], zip(*columns, strict=True))
    if is_of(value, "numpy", "ndarray") and value.ndim in (1, 2) and value.dtype.names is None and value.size:
        head = value[:ROWS, :COLUMNS] if value.ndim == 2 else value[:ROWS].reshape(-1, 1)
        rows = ([number, *row] for number, row in enumerate(head.tolist()))
        return table(["", *range(head.shape[1])], rows)
    return None


def table(heading, rows):
    def cells(tag, row):
        return "".join(f"<{tag}>{html.escape(shown(each))}</{tag}>" for each in row)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', heading)}</tr></thead><tbody>{body}</tbody></table>"


def shown(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:200]


def as_text(value):
    if isinstance(value, str):
        return value[:TEXT]
    if isinstance(value, (list, tuple, dict, set, frozenset, bytes, int)):
        short = reprlib.Repr()
        short.maxlevel = 4
        short.maxlist = short.maxtuple = short.maxdict = short.maxset = short.maxfrozenset = 100
        short.maxstring = short.maxother = short.maxlong = 2000
        return short.repr(value)[:TEXT]
    return repr(value)[:TEXT]


def written(value, path):
    """Write the value as the file's suffix says; why not, if it cannot be."""
    part = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.part{os.path.splitext(path)[1]}")
    try:
        write(value, part, os.path.splitext(path)[1].lower())
        os.replace(part, path)
        return None
    except Impossible as reason:
        return str(reason)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def write(value, path, suffix):
    if isinstance(value, Group):
        figure = next((each for each in value.values.values() if as_figure(each) is not None), None)
        value = value.values if figure is None or suffix in (".pkl", ".json", ".txt") else figure
    writer = WRITERS.get(suffix)
    if as_figure(value) is not None and suffix in (".png", ".svg", ".pdf", ".jpg"):
        writer = write_figure
    if writer is None:
        known = ", ".join(f"`{each}`" for each in sorted(WRITERS))
        raise Impossible(f"there is no way to write a `{suffix}` file of it; there are {known}")
    writer(value, path)


def write_figure(value, path):
    as_figure(value).savefig(path, bbox_inches="tight")


def write_image(value, path):
    if is_of(value, "PIL.Image", "Image"):
        value.save(path)
        return
    image = as_png(value)
    if image is None:
        raise Impossible(f"a `{type_name(value)}` is no image")
    with open(path, "wb") as file:
        file.write(image)


def frame_of(value):
    """The value as a table of some library; its method `to_csv` or the like is what counts."""
    if is_of(value, "pandas", "Series") or is_of(value, "polars", "Series"):
        return value.to_frame()
    if is_of(value, "pandas", "DataFrame") or is_of(value, "polars", "DataFrame"):
        return value
    if is_of(value, "pyarrow", "Table"):
        return value.to_pandas()
    if is_of(value, "numpy", "ndarray") and value.ndim in (1, 2):
        import pandas

        frame = pandas.DataFrame(value)
        frame.columns = [str(name) for name in frame.columns]
        return frame
    raise Impossible(f"a `{type_name(value)}` is no table")


def write_csv(value, path):
    if is_of(value, "numpy", "ndarray") and value.ndim in (1, 2):
        import numpy

        numpy.savetxt(path, value, delimiter=",", fmt="%s")
        return
    frame = frame_of(value)
    if hasattr(frame, "write_csv"):
        frame.write_csv(path)
    else:
        frame.to_csv(path, index=not is_counter(frame))


def is_counter(frame):
    """Whether the index only counts the rows."""
    return is_of(frame.index, "pandas", "RangeIndex")


def write_parquet(value, path):
    frame = frame_of(value)
    try:
        frame.write_parquet(path) if hasattr(frame, "write_parquet") else frame.to_parquet(path)
    except ImportError as error:
        raise Impossible(f"parquet files need pyarrow in the notebook's environment: {error}") from None


def write_npy(value, path):
    import numpy

    numpy.save(path, numpy.asarray(value), allow_pickle=False)


def write_json(value, path):
    with open(path, "w", encoding="utf-8") as file:
        if is_of(value, "pandas", "DataFrame", "Series"):
            value.to_json(file, orient="records" if is_of(value, "pandas", "DataFrame") else "index")
            return
        try:
            json.dump(value.tolist() if is_of(value, "numpy", "ndarray", "generic") else value, file, indent=1)
        except (TypeError, ValueError) as error:
            raise Impossible(f"a `{type_name(value)}` has no form in JSON: {error}") from None


def write_text(value, path):
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(value if isinstance(value, str) else repr(value))


def write_pickle(value, path):
    with open(path, "wb") as file:
        try:
            pickle.dump(value, file, protocol=5)
        except Exception:
            import dill

            file.seek(0)
            file.truncate()
            dill.dump(value, file, protocol=5)


def write_joblib(value, path):
    import joblib

    joblib.dump(value, path)


def write_torch(value, path):
    import torch

    torch.save(value, path)


def write_keras(value, path):
    if not hasattr(value, "save"):
        raise Impossible(f"a `{type_name(value)}` is no model of Keras")
    value.save(path)


WRITERS = {
    ".csv": write_csv,
    ".joblib": write_joblib,
    ".json": write_json,
    ".keras": write_keras,
    ".npy": write_npy,
    ".parquet": write_parquet,
    ".pkl": write_pickle,
    ".png": write_image,
    ".pt": write_torch,
    ".txt": write_text,
}
