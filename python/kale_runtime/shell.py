"""IPython for a step, so that its cells put out what a kernel would have sent.

The recipe beyond the core's: displays, results and errors go to the capture; the environment variables are a kernel's;
pagers show nothing; code below `%%time`, `%%capture` and the like keeps its cell's name and lines.
"""

import base64
import math
import os
import sys

#: What ipykernel sets.
ENVIRONMENT = {
    "TERM": "xterm-color",
    "CLICOLOR": "1",
    "FORCE_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
}


#: In which a figure may be shown.
FIGURE_KINDS = ("image/png", "image/svg+xml", "image/jpeg", "application/pdf")


def prepare(shell):
    shell.set_hook("show_in_pager", lambda *_, **__: None, 0)
    for kind in FIGURE_KINDS:
        formatter = shell.display_formatter.formatters[kind]
        formatter.for_type_by_name("matplotlib.figure", "Figure", lambda figure, by=formatter: show_figure(figure, by))


def show_figure(figure, formatter):
    """A figure that another step has made: pyplot chooses its backend, which says how figures are shown, when it makes
    the first one."""
    if "matplotlib.pyplot" not in sys.modules and getattr(figure, "number", None) is None:
        return None
    from matplotlib import figure as figures
    from matplotlib import pyplot

    formatter.type_printers.pop(figures.Figure, None)
    if getattr(pyplot, "_backend_mod", None) is None:
        pyplot.switch_backend(pyplot.rcParams["backend"])
    shown = formatter.type_printers.get(figures.Figure)
    return shown and shown(figure)


def members(step, capture, outputs_so_far):
    """Members of the step's shell class. `outputs_so_far` lists the outputs that an update may change."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from traitlets import Type

    os.environ.update(ENVIRONMENT)

    class Publisher(DisplayPublisher):
        def publish(self, data, metadata=None, *_, transient=None, update=False, **__):
            metadata = metadata or {}
            self._validate_data(data, metadata)
            output = {"output_type": "display_data", "data": clean(data), "metadata": clean(metadata)}
            display_id = (transient or {}).get("display_id")
            if display_id:
                change(outputs_so_far(), display_id, output)
                output["display_id"] = display_id
            if not update:
                capture.publish(output)

        def clear_output(self, wait=False):
            capture.clear_output(wait)

    class Hook(DisplayHook):
        output = None

        def start_displayhook(self):
            self.output = {"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": None}

        def write_output_prompt(self):
            self.output["execution_count"] = self.prompt_count

        def write_format_data(self, format_dict, md_dict=None):
            self.output["data"] = clean(format_dict)
            self.output["metadata"] = clean(md_dict or {})

        def finish_displayhook(self):
            output, self.output = self.output, None
            if output and output["data"]:
                capture.publish(output)

    def show_error(self, etype, value, lines):
        """An error while a result is displayed fails the cell, as in a kernel."""
        if self.displayhook.output is not None:
            step.display_error = value
        capture.publish(error_output(etype.__name__, message_of(value), lines))

    return {
        "display_pub_class": Type(Publisher),
        "displayhook_class": Type(Hook),
        "compiler_class": compiler(step),
        "_showtraceback": show_error,
        "init_virtualenv": lambda self: None,
        "set_next_input": lambda self, text, replace=False: None,
        "autoindent": False,
        "colors_force": True,
        # Its presence tells pandas that tables are shown in a notebook, not in a terminal.
        "kernel": None,
    }


def compiler(step):
    from IPython.core.compilerop import CachingCompiler

    class Compiler(CachingCompiler):
        """Finds code in the cell that runs, also when a magic hands it over."""

        above = 0

        def find(self, text):
            text = text.strip("\n")
            at = step.source.find(text) if text else -1
            return None if at < 0 else step.first_line + step.source.count("\n", 0, at)

        def note(self, line, text):
            self.above = line - 1
            step.line = line
            step.remember(text.rstrip("\n"))

        def cache(self, code, number=0, raw_code=None):
            raw_code = raw_code or code
            line = step.line if raw_code == step.source else self.find(raw_code)
            if line is None:
                return super().cache(code, number, raw_code)
            self._filename_map[step.file] = number
            self.note(line, code)
            return step.file

        def ast_parse(self, source, filename="<unknown>", symbol="exec"):
            if filename != step.file:
                line = self.find(source)
                if line is None:
                    return super().ast_parse(source, filename, symbol)
                self.note(line, source)
            return super().ast_parse("\n" * self.above + source, filename, symbol)

        def __call__(self, source, filename, symbol, *rest, **options):
            if filename.startswith("<timed "):
                filename = step.file
            return super().__call__(source, filename, symbol, *rest, **options)

    return Compiler


def message_of(error):
    try:
        return str(error)
    except Exception as broken:
        return f"its message cannot be had: {type(broken).__name__}"


def error_output(name, value, lines):
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": list(lines)}


def change(outputs, display_id, new):
    for output in outputs:
        if output.get("display_id") == display_id:
            output["data"], output["metadata"] = new["data"], new["metadata"]


def clean(value):
    """What a notebook file can hold, the way ipykernel converts it."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) or hasattr(value, "__next__"):
        return [clean(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return repr(value)
