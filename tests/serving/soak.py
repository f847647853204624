"""The server for as long as one wants, with all that it has to bear: part of `make soak`.

python -m serving.soak [MINUTES] [--rate N]     (in tests/; 60 minutes and all that goes without a number)

Good requests, requests of the corpus with changed bytes, clients that never finish theirs or never take their answer,
and a process of the model that is killed from time to time, while the other one lives all the while. Nobody gets a
wrong answer, good requests fail only where a process was killed, and memory stays flat: that of the server, and that
of the process that lives. With a rate it is so many requests per second, half of them good: for an hour beside other
work.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from .kserve import corpus
from .kserve.corpus import V2
from .support import SUM, Server, ask, bundle
from .test_robustness import PREDICT, changed

SLOW, LIMIT = 10_000, 4_000
KILL_EVERY = 15.0
#: What the rate is spent on.
GOOD, ODD, UNFINISHED, UNTAKEN = 0.5, 0.3, 0.197, 0.003
#: Their answer, of 8 MB, is more than the system keeps for a client.
LARGE_ROWS = 1_000_000
LOOK_EVERY = 5.0


class Pace:
    """So many times per second; without a rate, at once."""

    def __init__(self, rate: float | None) -> None:
        self.each = 1 / rate if rate else 0.0
        self.next = time.monotonic()

    def wait(self) -> None:
        if self.each:
            time.sleep(max(0.0, self.next - time.monotonic()))
            # Who is late does not catch up.
            self.next = max(self.next + self.each, time.monotonic() - self.each)


class Memory:
    """MiB of a process over time."""

    def __init__(self, name: str, pid: int) -> None:
        self.name, self.pid = name, pid
        self.seen: list[float] = []

    def look(self) -> None:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        self.seen.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    def quarters(self) -> list[float]:
        """The most in each quarter of the time."""
        length = max(1, len(self.seen) // 4)
        return [max(self.seen[start : start + length]) for start in range(0, 4 * length, length)]

    @property
    def grows(self) -> bool:
        """The first quarter is for what is made once."""
        _, settled, _, last = self.quarters()
        return last > settled * 1.1 + 4

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(f'{most:.1f}' for most in self.quarters())} MiB at most in each quarter"


class Soak:
    def __init__(self, server: Server, seconds: float, rate: float | None) -> None:
        self.server, self.rate = server, rate
        self.begun = time.monotonic()
        self.end = self.begun + seconds
        self.good = self.failed = self.odd = self.unfinished = self.untaken = self.kills = 0
        self.faults: list[str] = []
        lives = server.status()["replicas"][0]["pid"]
        self.memories = [Memory("server", server.process.pid), Memory("process of the model", lives)]

    def goes_on(self) -> bool:
        return time.monotonic() < self.end and not self.faults

    def pace(self, share: float) -> Pace:
        return Pace(self.rate and self.rate * share)

    def guarded(self, work) -> None:
        try:
            work()
        except Exception as error:
            self.faults.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def ask_well(self) -> None:
        chance, connection, pace = random.Random(1), self.server.connect(), self.pace(GOOD / 2)
        while self.goes_on():
            pace.wait()
            rows = [[chance.randrange(100), 0.5] for _ in range(chance.choice([1, 2, 50, 2000]))]
            answer = ask(connection, PREDICT, {"instances": rows})
            if answer.status == 200:
                assert answer.json["predictions"] == [row[0] + 0.5 for row in rows]
                self.good += 1
            else:
                assert b"process was lost" in answer.body or answer.status == 503, answer.body
                self.failed += 1

    def ask_oddly(self) -> None:
        chance, pace = random.Random(2), self.pace(ODD)
        cases = [case for case in corpus.cases() if case.body and case.path.endswith((":predict", "/infer"))]
        while self.goes_on():
            pace.wait()
            case = chance.choice(cases)
            body = changed(case.body, chance)
            headers = "".join(f"{name}: {value}\r\n" for name, value in case.headers.items())
            head = f"POST {case.path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
            with socket.create_connection((self.server.host, self.server.port), timeout=60) as client:
                client.sendall(head.encode() + body)
                client.shutdown(socket.SHUT_WR)
                # Whoever is closed in the middle of sending may find no answer.
                with contextlib.suppress(ConnectionResetError):
                    client.recv(65536)
            self.odd += 1

    def never_finish(self) -> None:
        slow: list[socket.socket] = []
        pace = self.pace(UNFINISHED)
        beginning = b"POST /v1/models/iris:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{"
        while self.goes_on():
            pace.wait()
            client = socket.create_connection((self.server.host, self.server.port), timeout=60)
            client.sendall(beginning[: len(slow) % len(beginning)])
            slow.append(client)
            self.unfinished += 1
            if len(slow) == SLOW:
                time.sleep(5)
                for client in slow:
                    client.close()
                slow.clear()

    def never_take(self) -> None:
        """Answers that nobody takes are held for a while, and then no more."""
        tensor = {"name": "input-0", "datatype": "UINT8", "shape": [LARGE_ROWS, 2]}
        tensor["parameters"] = {"binary_data_size": 2 * LARGE_ROWS}
        text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        body = text + bytes(2 * LARGE_ROWS)
        head = f"POST {V2} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
        head += f"Inference-Header-Content-Length: {len(text)}\r\nContent-Length: {len(body)}\r\n\r\n"
        held: list[socket.socket] = []
        pace = self.pace(UNTAKEN) if self.rate else Pace(1)
        while self.goes_on():
            pace.wait()
            client = socket.create_connection((self.server.host, self.server.port), timeout=60)
            # A lack of room is told before all of it has come.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(head.encode() + body)
            held.append(client)
            self.untaken += 1
            # Longer than the server waits.
            if len(held) > 20:
                held.pop(0).close()

    def kill(self) -> None:
        every = KILL_EVERY if self.rate is None else 4 * KILL_EVERY
        while self.goes_on():
            replica = self.server.status()["replicas"][1]
            if replica["state"] in ("ready", "busy"):
                os.kill(replica["pid"], signal.SIGKILL)
                self.kills += 1
            end = min(time.monotonic() + every, self.end)
            while time.monotonic() < end and not self.faults:
                time.sleep(0.2)

    def watch(self) -> None:
        told = self.begun
        while self.goes_on():
            for memory in self.memories:
                memory.look()
            if time.monotonic() >= told:
                told += 60
                now = ", ".join(f"{memory.name} {memory.seen[-1]:.1f} MiB" for memory in self.memories)
                print(f"{(time.monotonic() - self.begun) / 60:5.1f} min: {now}; {self.counted()}", flush=True)
            time.sleep(min(LOOK_EVERY, max(0.1, self.end - time.monotonic())))

    def counted(self) -> str:
        return (
            f"{self.good} good requests, {self.failed} lost to {self.kills} kills, {self.odd} odd, "
            f"{self.unfinished} never finished, {self.untaken} answers never taken"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", nargs="?", type=float, default=60.0)
    parser.add_argument("--rate", type=float, help="requests per second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--replicas", 2, "--connections", LIMIT, "--rows", 64]
        with Server(bundle(Path(folder) / "light", SUM), *options) as server:
            server.event("WorkerReady", 2)
            soak = Soak(server, arguments.minutes * 60, arguments.rate)
            work = [soak.ask_well, soak.ask_well, soak.ask_oddly, soak.never_finish, soak.never_take, soak.kill]
            threads = [threading.Thread(target=soak.guarded, args=(one,)) for one in work]
            for thread in threads:
                thread.start()
            soak.guarded(soak.watch)
            for thread in threads:
                thread.join()
    print(soak.counted())
    print("\n".join(map(str, soak.memories)))
    soak.faults += [f"memory grows: {memory.name}" for memory in soak.memories if memory.grows]
    # A batch of two clients' requests is the most that a process has.
    if soak.failed > 2 * soak.kills:
        soak.faults.append("more requests were lost than processes had")
    print("\n".join(soak.faults) or "all as it should be")
    return int(bool(soak.faults))


if __name__ == "__main__":
    sys.exit(main())
