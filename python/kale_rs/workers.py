"""Threads that work for the panel, and that the end of the kernel waits for, but not for long.

A thread that is inside the Rust core when Python takes itself down would take the process down the hard way.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable

#: Threads that carry out requests.
LIMIT = 8
#: Seconds that the end of the kernel waits.
PATIENCE = 2.0

#: Whether the kernel ends.
ending = threading.Event()
_threads: list[threading.Thread] = []
_tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
_workers: list[threading.Thread] = []
_idle = threading.Semaphore(0)
_starting = threading.Lock()


def add(task: Callable[[], None]) -> None:
    """Have a task carried out soon. Tasks see to their own exceptions."""
    _tasks.put(task)
    with _starting:
        if not _idle.acquire(blocking=False) and len(_workers) < LIMIT:
            _workers.append(start(_work, f"kale_rs-{len(_workers)}"))


def start(function: Callable[[], None], name: str) -> threading.Thread:
    """Start a thread of its own, for what takes long and mostly waits."""
    thread = threading.Thread(target=function, name=name, daemon=True)
    _threads[:] = [*(each for each in _threads if each.is_alive()), thread]
    thread.start()
    return thread


def _work() -> None:
    while True:
        try:
            task = _tasks.get_nowait()
        except queue.Empty:
            _idle.release()
            task = _tasks.get()
        if task is None:
            return
        task()


@atexit.register
def _finish() -> None:
    ending.set()
    for _ in _workers:
        _tasks.put(None)
    deadline = time.monotonic() + PATIENCE
    for thread in list(_threads):
        thread.join(max(0.0, deadline - time.monotonic()))
