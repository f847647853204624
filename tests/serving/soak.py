"""The server for as long as one wants, with all that it has to bear: part of `make soak`.

python -m serving.soak [MINUTES]     (in tests/; 60 without a number)

Good requests, requests of the corpus with changed bytes, thousands of clients that never finish theirs, and workers
that are killed. Nobody gets a wrong answer, good requests fail only where a worker was killed, memory stays flat.
"""

from __future__ import annotations

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
from .support import SUM, Server, ask, build, bundle
from .test_robustness import PREDICT, changed

SLOW, LIMIT = 10_000, 4_000
KILL_EVERY = 15.0


class Soak:
    def __init__(self, server: Server, seconds: float) -> None:
        self.server, self.end = server, time.monotonic() + seconds
        self.good = self.failed = self.odd = self.kills = 0
        self.faults: list[str] = []

    def goes_on(self) -> bool:
        return time.monotonic() < self.end and not self.faults

    def guarded(self, work) -> None:
        try:
            work()
        except Exception as error:
            self.faults.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def ask_well(self) -> None:
        chance, connection = random.Random(1), self.server.connect()
        while self.goes_on():
            rows = [[chance.randrange(100), 0.5] for _ in range(chance.choice([1, 2, 50, 2000]))]
            answer = ask(connection, PREDICT, {"instances": rows})
            if answer.status == 200:
                assert answer.json["predictions"] == [row[0] + 0.5 for row in rows]
                self.good += 1
            else:
                assert b"process was lost" in answer.body or answer.status == 503, answer.body
                self.failed += 1

    def ask_oddly(self) -> None:
        chance = random.Random(2)
        cases = [case for case in corpus.cases() if case.body and case.path.endswith((":predict", "/infer"))]
        while self.goes_on():
            case = chance.choice(cases)
            body = changed(case.body, chance)
            headers = "".join(f"{name}: {value}\r\n" for name, value in case.headers.items())
            head = f"POST {case.path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
            with socket.create_connection((self.server.host, self.server.port), timeout=60) as client:
                client.sendall(head.encode() + body)
                client.shutdown(socket.SHUT_WR)
                client.recv(65536)
            self.odd += 1

    def never_finish(self) -> None:
        slow: list[socket.socket] = []
        beginning = b"POST /v1/models/iris:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{"
        while self.goes_on():
            client = socket.create_connection((self.server.host, self.server.port), timeout=60)
            client.sendall(beginning[: len(slow) % len(beginning)])
            slow.append(client)
            if len(slow) == SLOW:
                time.sleep(5)
                for client in slow:
                    client.close()
                slow.clear()

    def kill(self) -> None:
        while self.goes_on():
            replica = self.server.status()["replicas"][self.kills % 2]
            if replica["state"] in ("ready", "busy"):
                os.kill(replica["pid"], signal.SIGKILL)
                self.kills += 1
            end = min(time.monotonic() + KILL_EVERY, self.end)
            while time.monotonic() < end and not self.faults:
                time.sleep(0.2)

    def watch(self) -> list[float]:
        """MiB of the server, every second."""
        seen = []
        while self.goes_on():
            pages = int(Path(f"/proc/{self.server.process.pid}/statm").read_text().split()[1])
            seen.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
            time.sleep(1)
        return seen


def main() -> int:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    build()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--replicas", 2, "--connections", LIMIT, "--rows", 64]
        with Server(bundle(Path(folder) / "light", SUM), *options) as server:
            soak = Soak(server, minutes * 60)
            work = [soak.ask_well, soak.ask_well, soak.ask_oddly, soak.never_finish, soak.kill]
            threads = [threading.Thread(target=soak.guarded, args=(one,)) for one in work]
            for thread in threads:
                thread.start()
            seen = soak.watch()
            for thread in threads:
                thread.join()
    settled, last = max(seen[len(seen) // 4 : len(seen) // 2]), max(seen[-len(seen) // 4 :])
    print(f"{soak.good} good requests, {soak.failed} lost to {soak.kills} kills, {soak.odd} odd ones")
    print(f"memory of the server: {settled:.1f} MiB in the second quarter, {last:.1f} MiB in the last")
    if last > settled * 1.1 + 4:
        soak.faults.append("memory grows")
    # A batch of two clients' requests is the most that a worker has.
    if soak.failed > 2 * soak.kills:
        soak.faults.append("more requests were lost than workers had")
    print("\n".join(soak.faults) or "all as it should be")
    return int(bool(soak.faults))


if __name__ == "__main__":
    sys.exit(main())
