"""What runs inside every step of a pipeline: pure standard library, Python 3.10 and newer.

One core, `step.py`, and two ways in.

In a container
--------------
`step.py` travels in the step's command line. The command and its arguments are

    python3 -c "$BOOTSTRAP" '{{$}}' '$PLAN'

where PLAN is base64(zlib level 9(StepPlan as JSON)), KFP puts its ExecutorInput in place of `{{$}}`, and BOOTSTRAP is
these lines (the first makes KFP's official local runner accept the command):

    # kfp.dsl.executor_main
    import base64, sys, zlib
    exec(zlib.decompress(base64.b64decode("$RUNTIME")))
    start(*sys.argv[1:3])

The runtime lives on in the module that python3 made for `-c`; the cells get a fresh `__main__` in its place.

RUNTIME is base64(zlib level 9(the shortened text of `step.py`)), at most 8,192 characters. To shorten, go line by
line: drop blank lines, lines that start with `#`, and docstrings (from a line that starts with three double quotes to
the line that ends with them); and indent by one space instead of four. `step.py` has no other
triple-quoted text, so this is the same program; `tests/runtime/test_embedded.py` holds the rule and the limit.

What only some steps need stands in further `exec` lines behind the first, shortened in the same way: `install.py` where
a step requires packages, `memory.py` where it stores values as well, `classes.py` where these hold functions or
classes, `report.py` where it is tagged `report:enabled`.

A plan that is too long for a command line goes ahead of the step, as artifacts of tasks that carry nothing else;
BOOTSTRAP then puts it together from these (`rust/kale_targets/src/kfp/carriers.rs`).

The plan's packages are installed with pip, or with uv where there is no pip, unless all are there at their versions or
`KALE_INSTALL=0`. A step that fails says why on standard error and exits with 1.

On this machine
---------------
The engine runs `PYTHON .../kale_runtime REQUEST.json`; `local.py` describes request, result and events. That way also
captures output per cell (`capture.py`), rich displays and figures (`shell.py`), and notes what the step touched
(`audit.py`).
"""
