"""Reads what a pipeline stored for an artifact, in the process (and `__main__`) of the linear run."""

from __future__ import annotations


def load(artifact: dict) -> dict:
    """The values of an artifact `{"key", "path", "kind"}` by name."""
    return {}
