"""The report of a step in a container: one HTML page with what each cell put out.

Travels behind `step.py`, in the same namespace and by the same rule, in steps tagged `report:enabled` only. (On this
machine the executed notebook is the report.)
"""

import base64
import contextlib
import html
import io
import sys

HEAD = "<!doctype html><meta charset=utf-8><style>body{font:14px sans-serif;max-width:60em;margin:2em auto}"
STYLE = "pre{white-space:pre-wrap}pre.c{background:#f4f4f4;padding:.5em}img{max-width:100%}</style>"


class Tee(io.TextIOBase):
    """Standard output, with a copy for the report."""

    def __init__(self, stream, add):
        self.stream, self.add = stream, add

    def write(self, text):
        self.add(f"<pre>{html.escape(text)}</pre>")
        return self.stream.write(text)

    def flush(self):
        self.stream.flush()

    def fileno(self):
        return self.stream.fileno()


def rich(value):
    """What a value shows of itself where there is no IPython to ask it."""
    data = {"text/plain": repr(value)}
    for kind, method in (("text/html", "_repr_html_"), ("image/svg+xml", "_repr_svg_"), ("image/png", "_repr_png_")):
        with contextlib.suppress(Exception):
            data[kind] = getattr(value, method)()
    return {kind: shown for kind, shown in data.items() if shown is not None}


def page_part(data):
    """The richest form of an output as HTML."""
    for kind in ("text/html", "image/svg+xml"):
        if kind in data:
            return data[kind]
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            image = data[kind]
            text = image if isinstance(image, str) else base64.b64encode(image).decode()
            return f'<img src="data:{kind};base64,{text.strip()}">'
    return f"<pre>{html.escape(data.get('text/plain', ''))}</pre>"


class ReportingStep(Step):  # noqa: F821 (of step.py, which comes before)
    def __init__(self, *arguments):
        self.parts = []
        super().__init__(*arguments)

    async def run_cell(self, cell, line, source, parameters, sites):
        self.parts.append(f"<h3>Cell {cell}</h3><pre class=c>{html.escape(source)}</pre>")
        plain = sys.stdout
        sys.stdout = Tee(plain, self.parts.append)
        try:
            await super().run_cell(cell, line, source, parameters, sites)
        finally:
            if isinstance(sys.stdout, Tee):
                sys.stdout = plain

    def add(self, data):
        """An output: richly in the report, as text in the log."""
        self.parts.append(page_part(data))
        stream = getattr(sys.stdout, "stream", sys.stdout)
        print(data.get("text/plain", ""), file=stream)

    def show(self, value):
        self.add(rich(value))

    def display(self, *values, **_):
        for value in values:
            self.show(value)

    def shell_members(self):
        from IPython.core.displayhook import DisplayHook
        from IPython.core.displaypub import DisplayPublisher

        step = self

        class Publisher(DisplayPublisher):
            def publish(self, data, metadata=None, **_):
                step.add(data)

        class Hook(DisplayHook):
            def write_output_prompt(self):
                pass

            def write_format_data(self, format_dict, md_dict=None):
                step.add(format_dict)

        return {"display_pub_class": Publisher, "displayhook_class": Hook}

    def report(self):
        artifact = self.outputs.get("artifacts", {}).get("kale_report")
        if artifact:
            path = local_path(artifact["artifacts"][0])  # noqa: F821
            make_parent(path)  # noqa: F821
            title = f"<title>{html.escape(self.plan['step'])}</title>"
            with open(path, "w", encoding="utf-8") as file:
                file.write(HEAD + STYLE + title + "".join(self.parts))
        super().report()


Step = ReportingStep
