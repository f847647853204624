"""Tests that need the heavy libraries: run by `make test-all` in an environment of their own."""

import importlib.util
import os

# Before keras is imported, here and in the processes of steps.
os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# What several threads add up differs from run to run.
os.environ["OMP_NUM_THREADS"] = "1"

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["*.py"]
