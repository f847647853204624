"""What clients, user code and the system do to a server costs those who do it, and nobody else."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import resource
import select
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .kserve import corpus
from .support import SUM, Server, ask, bundle

#: Does what its input says. A fifo tells the test that it has begun, another waits for the test.
OBEDIENT = """
import os
import time

def preprocess(rows):
    for row in rows:
        if row == "die":
            os.kill(os.getpid(), 9)
        if row == "exit":
            raise SystemExit(3)
        if row == "abort":
            os.abort()
        if row == "hang":
            time.sleep(600)
        if isinstance(row, str) and row.startswith("gate "):
            _, begun, gate = row.split()
            open(begun, "w").close()
            open(gate).read()
        if row == "grow":
            kept.append(b"x" * 150_000_000)
        if row == "fork":
            os.fork()
        if row == "print":
            print("a line\\n" * 2000, "no end", "\xe9", end="")
    return [[1, 2] for _ in rows]

kept = []
"""
PREDICT = "/v1/models/iris:predict"
ROW = [5.0, 3.5, 1.5, 0.25]
CLOSED = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
#: As many as this process may have open.
SLOW = 10_000


class Gate:
    """Holds a worker within a request, from when it is known to be there until it is opened."""

    def __init__(self, folder) -> None:
        folder.mkdir()
        self.begun, self.gate = folder / "begun", folder / "gate"
        os.mkfifo(self.begun)
        os.mkfifo(self.gate)
        self.row = f"gate {self.begun} {self.gate}"

    def wait(self) -> None:
        self.begun.open().close()

    def open(self) -> None:
        self.gate.open("w").close()


@pytest.fixture
def obedient(tmp_path):
    return bundle(tmp_path / "obedient", SUM, functions=OBEDIENT)


@pytest.fixture
def light(tmp_path):
    return bundle(tmp_path / "light", SUM)


def until(condition, timeout=30.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


def test_a_worker_that_dies_costs_the_requests_in_it(obedient):
    with Server(obedient, "--replicas", 2) as server:
        server.event("WorkerReady", 2)
        with ThreadPoolExecutor(16) as pool:
            asked = ["die" if number in (40, 90) else "row" for number in range(150)]
            answers = list(pool.map(lambda row: server.ask(PREDICT, {"instances": [row]}), asked))
        assert [number for number, answer in enumerate(answers) if answer.status != 200] == [40, 90]
        assert "killed by signal 9" in answers[40].json["error"]
        server.event("WorkerLost", 2)
        server.event("WorkerReady", 4)
        assert server.status()["state"] == "ready"
        # Also where it was idle when it died.
        os.kill(server.status()["replicas"][0]["pid"], signal.SIGKILL)
        server.event("WorkerReady", 5)
        assert sum(replica["restarts"] for replica in server.status()["replicas"]) == 3


def test_what_ends_a_program_does_not_end_the_worker(obedient):
    with Server(obedient) as server:
        before = server.status()["replicas"][0]["pid"]
        answer = server.ask(PREDICT, {"instances": ["exit"]})
        assert answer.status == 500 and "SystemExit: 3" in answer.json["error"]
        assert server.status()["replicas"][0]["pid"] == before
        aborted = server.ask(PREDICT, {"instances": ["abort"]})
        assert aborted.status == 500 and "SIGABRT" in aborted.json["error"]
        assert server.predict(["row"]) == [3]


def test_a_fork_that_comes_back_answers_nobody(obedient):
    with Server(obedient) as server:
        for row in ("fork", "print", "fork", "row", "row"):
            assert server.predict([row]) == [3]
        assert server.status()["replicas"][0]["restarts"] == 0


def test_an_answer_beyond_all_bounds_costs_its_request(tmp_path):
    large = "def postprocess(rows):\n    return 'x' * (40_000_000 if rows[0] == 3 else 4)\n"
    with Server(bundle(tmp_path / "large", SUM, functions=large), "--bodies", 30_000_000) as server:
        answer = server.ask(PREDICT, {"instances": [[1, 2]]})
        assert answer.status == 500 and "ask for fewer rows" in answer.json["error"]
        server.event("WorkerReady", 2)
        assert server.predict([[1, 1]]) == "xxxx"


#: What a function gives, and what JSON says of it.
GIVEN = [
    ("float('nan')", None),
    ("[1.0, float('-inf')]", [1.0, None]),
    ("b'ab\\xff'", "ab\ufffd"),
    ("datetime.datetime(2026, 1, 2, 3)", "2026-01-02T03:00:00"),
    ("numpy.float32(0.5)", 0.5),
    ("numpy.array([numpy.nan, 1.0])", [None, 1.0]),
    ("numpy.datetime64('2026-01-02')", "2026-01-02"),
    ("{1: {2, }, 'é': None}", {"1": [2], "é": None}),
    ("decimal.Decimal('1.5')", "1.5"),
    ("2 ** 100", 2**100),
    ("'\\ud800'", "\ud800"),
    ("pandas.Series([1, 2])", [1, 2]),
    (
        "pandas.DataFrame({'a': [pandas.NaT, pandas.Timestamp('2026-01-02')]})",
        [{"a": None}, {"a": "2026-01-02T00:00:00"}],
    ),
    ("[pandas.NA, 1]", [None, 1]),
    ("iter([1])", None),
]


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_whatever_functions_give_has_an_answer(tmp_path, protocol):
    values = ", ".join(f"lambda: {text}" for text, _ in GIVEN)
    source = f"import datetime, decimal, numpy, pandas\nVALUES = [{values}]\n"
    source += "def postprocess(rows):\n    return VALUES[int(rows[0])]()\n"
    with Server(bundle(tmp_path / "odd", SUM, functions=source)) as server:
        for number, (text, expected) in enumerate(GIVEN):
            if protocol == "v2":
                tensor = {"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [number, 0]}
                answer = server.ask("/v2/models/iris/infer", {"inputs": [tensor]})
                # What is not text goes into no JSON, or into no tensor.
                status = 400 if "xff" in text else 500 if "ud800" in text else 200
                assert answer.status == status, (text, answer.body)
            else:
                answer = server.ask(PREDICT, {"instances": [[number, 0]]})
                assert answer.status == 200, (text, answer.body)
                if "iter(" not in text:
                    assert answer.json["predictions"] == expected, text
        assert server.status()["replicas"][0]["restarts"] == 0


def test_a_request_that_takes_too_long_is_ended(obedient):
    with Server(obedient, "--request-timeout", 300) as server:
        assert server.ask(PREDICT, {"instances": ["hang"]}).status == 504
        server.event("WorkerReady", 2)
        assert server.predict(["row"]) == [3]


def test_who_finds_no_place_is_told_when_to_come_back(obedient, tmp_path):
    gate = Gate(tmp_path / "gate")
    with Server(obedient, "--queue", 2) as server, ThreadPoolExecutor(4) as pool:
        held = pool.submit(server.ask, PREDICT, {"instances": [gate.row]})
        gate.wait()
        waiting = [pool.submit(server.ask, PREDICT, {"instances": ["row"]}) for _ in range(2)]
        until(lambda: server.status()["requests"]["queued"] == 2)
        refused = server.ask(PREDICT, {"instances": ["row"]})
        assert refused.status == 503 and int(refused.headers["Retry-After"]) >= 1
        gate.open()
        assert [answer.result().status for answer in (held, *waiting)] == [200, 200, 200]
        assert server.status()["requests"]["rejected"] == 1


def test_who_has_gone_is_not_answered(obedient, tmp_path):
    gate = Gate(tmp_path / "gate")
    with Server(obedient) as server, ThreadPoolExecutor(1) as pool:
        held = pool.submit(server.ask, PREDICT, {"instances": [gate.row]})
        gate.wait()
        gone = server.connect()
        gone.request("POST", PREDICT, json.dumps({"instances": ["die"]}), {"Content-Type": "application/json"})
        until(lambda: server.status()["requests"]["queued"] == 1)
        gone.close()
        until(lambda: server.status()["requests"]["in_flight"] == 2)
        gate.open()
        assert held.result().status == 200
        assert server.predict(["row"]) == [3]
        assert server.status()["replicas"][0]["restarts"] == 0


def test_what_was_asked_before_the_end_is_answered(obedient, tmp_path):
    gate = Gate(tmp_path / "gate")
    with Server(obedient) as server, ThreadPoolExecutor(1) as pool:
        held = pool.submit(server.ask, PREDICT, {"instances": [gate.row]})
        gate.wait()
        idle = server.connect()
        assert ask(idle, "/v2/health/ready").status == 200
        server.process.send_signal(signal.SIGTERM)
        server.event("Stopping")
        assert idle.sock.recv(1) == b""
        gate.open()
        assert held.result().status == 200
        assert server.process.wait(20) == 0
    with pytest.raises(ConnectionRefusedError):
        server.connect().connect()


def test_nothing_of_a_server_that_is_killed_is_left(obedient, tmp_path):
    gate = Gate(tmp_path / "gate")
    with Server(obedient, "--replicas", 2) as server, ThreadPoolExecutor(1) as pool:
        held = pool.submit(server.ask, PREDICT, {"instances": [gate.row]})
        gate.wait()
        server.event("WorkerReady", 2)
        workers = [replica["pid"] for replica in server.status()["replicas"]]
        descriptors = [os.pidfd_open(worker) for worker in workers]
        server.process.kill()
        with pytest.raises(OSError):
            held.result()
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 20)[0]
            os.close(descriptor)


def test_a_worker_that_grows_is_replaced_without_a_gap(obedient):
    with Server(obedient, "--memory", 250_000_000) as server:
        before = server.status()["replicas"][0]["pid"]
        for _ in range(2):
            server.predict(["grow"])
        deadline = time.monotonic() + 60
        while server.status()["replicas"][0]["pid"] == before:
            assert server.predict(["row"]) == [3]
            assert time.monotonic() < deadline
        assert server.status()["replicas"][0]["restarts"] == 0


def test_rows_go_together_and_come_back_to_whom_they_belong(iris, tmp_path):
    model, rows = iris
    with Server(bundle(tmp_path / "iris", model), "--rows", 32, "--delay", 20) as server:
        with ThreadPoolExecutor(24) as pool:
            parts = [rows[start : start + 1 + start % 3].tolist() for start in range(0, 144)]
            parts[50] = [[1, 2, 3]]
            answers = list(pool.map(lambda part: server.ask(PREDICT, {"instances": part}), parts))
        for number, (part, answer) in enumerate(zip(parts, answers, strict=True)):
            if number == 50:
                assert answer.status == 500 and "expecting 4 features" in answer.json["error"]
            else:
                assert answer.json["predictions"] == model.predict(part).tolist()
        text = server.ask("/metrics").body.decode()
        count = next(line for line in text.splitlines() if line.startswith("kale_batch_rows_count"))
        assert int(float(count.split()[-1])) < 100


def test_what_waits_goes_together_where_the_bundle_says_so(obedient, tmp_path):
    gate = Gate(tmp_path / "gate")
    about = json.loads((obedient / "bundle.json").read_text())
    for batchable, options, batches in [
        (True, [], 2),
        (True, ["--rows", 1], 5),
        (False, [], 5),
        (False, ["--rows", 8], 2),
    ]:
        (obedient / "bundle.json").write_text(json.dumps(about | {"batchable": batchable}))
        with Server(obedient, *options) as server, ThreadPoolExecutor(5) as pool:
            held = pool.submit(server.ask, PREDICT, {"instances": [gate.row]})
            gate.wait()
            waiting = [pool.submit(server.ask, PREDICT, {"instances": ["row"]}) for _ in range(4)]
            until(lambda server=server: server.status()["requests"]["queued"] == 4)
            gate.open()
            assert [answer.result().json for answer in (held, *waiting)] == [{"predictions": [3]}] * 5
            text = server.ask("/metrics").body.decode()
            count = next(line for line in text.splitlines() if line.startswith("kale_batch_rows_count"))
            assert int(float(count.split()[-1])) == batches
            gate.begun.unlink()
            gate.gate.unlink()
            os.mkfifo(gate.begun)
            os.mkfifo(gate.gate)


def test_a_token_is_asked_for(light):
    with Server(light, "--token", "secret") as server:
        assert server.ask("/v2/health/ready").status == 200
        assert server.ask("/v1/models").status == 401
        assert server.ask("/v1/models", Authorization="Bearer secre").status == 401
        assert server.ask("/v1/models", Authorization="Bearer secret").json == {"models": ["iris"]}
        assert server.ask("/v1/models", Authorization="bearer secret", Host="iris.example").status == 200


def test_bodies_have_a_size(light):
    with Server(light, "--body", 1000) as server:
        assert server.ask(PREDICT, {"instances": [ROW] * 100}).status == 413
        connection = server.connect()
        chunks = (b"[" * 400 for _ in range(10))
        connection.request("POST", PREDICT, chunks, {"Content-Type": "application/json"}, encode_chunked=True)
        assert connection.getresponse().status == 413
        assert server.predict([ROW]) == [10.25]


def test_ten_thousand_slow_clients_do_not_starve_a_fast_one(light):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(SLOW, hard - 500)
    with Server(light, "--connections", 1000) as server:
        slow = []
        beginnings = [b"", b"POST /v1/models/iris:predict HT", b"POST / HTTP/1.1\r\nHost: localhost\r\nX: "]
        beginnings.append(b"POST /v1/models/iris:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
        try:
            for number in range(count):
                client = socket.create_connection((server.host, server.port))
                client.sendall(beginnings[number % 4])
                slow.append(client)
            with contextlib.closing(server.connect()) as fast:
                for _ in range(50):
                    assert ask(fast, PREDICT, {"instances": [ROW]}).json["predictions"] == [10.25]
        finally:
            for client in slow:
                client.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def taken_by_nobody(server: Server, size: int) -> socket.socket:
    """A client that asks for so many bytes, and never reads them."""
    tensor = {"name": "input-0", "datatype": "UINT8", "shape": [size // 8, 2]}
    tensor["parameters"] = {"binary_data_size": size // 4}
    text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    head = f"POST /v2/models/iris/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text) + size // 4}\r\n"
    head += f"Content-Type: application/octet-stream\r\nInference-Header-Content-Length: {len(text)}\r\n\r\n"
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((server.host, server.port))
    client.sendall(head.encode() + text + bytes(size // 4))
    return client


def test_answers_that_nobody_takes_are_not_kept(light):
    with Server(light, "--answer-timeout", 500) as server, taken_by_nobody(server, 16_000_000) as client:
        poll = select.poll()
        poll.register(client, 0)
        # The end of the connection, and not its rest, which nobody takes either.
        [(_, event)] = poll.poll(20_000)
        assert event & select.POLLHUP
        assert server.predict([ROW]) == [10.25]


def test_answers_have_so_much_room_together(light):
    with Server(light, "--bodies", 30_000_000) as server:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(taken_by_nobody(server, 16_000_000)) for _ in range(3)]
            until(lambda: server.status()["requests"]["total"] == 3 and server.status()["requests"]["in_flight"] == 1)
            answers = sorted(client.recv(12) for client in clients)
            assert answers == [b"HTTP/1.1 200", b"HTTP/1.1 503", b"HTTP/1.1 503"]
        # Who goes gives back what they had.
        until(lambda: server.ask(PREDICT, {"instances": [ROW] * 100_000}).status == 200)


def test_slow_heads_and_bodies_are_ended(light):
    with Server(light, "--header-timeout", 200, "--body-timeout", 200) as server:
        with socket.create_connection((server.host, server.port)) as client:
            client.sendall(b"POST /v1/mod")
            client.settimeout(20)
            assert client.recv(100) == b""
        with socket.create_connection((server.host, server.port)) as client:
            client.sendall(b"POST /v1/models/iris:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
            client.settimeout(20)
            assert client.recv(12) == b"HTTP/1.1 408"


def test_workers_are_killed_under_load(light):
    """Only what a worker has is lost, and never the wrong answer given."""
    rows = [[number, 0.5] for number in range(150)]
    with Server(light, "--replicas", 2) as server:
        statuses: list[int] = []
        ending = threading.Event()

        def client(number: int) -> None:
            connection = server.connect()
            while not ending.is_set():
                place = number % 150
                answer = ask(connection, PREDICT, {"instances": [rows[place]]})
                statuses.append(answer.status)
                assert answer.status in (200, 500)
                assert answer.status == 500 or answer.json["predictions"] == [place + 0.5]
            connection.close()

        server.event("WorkerReady", 2)
        with ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(client, number * 20) for number in range(8)]
            for kill in range(4):
                victim = server.status()["replicas"][kill % 2]
                os.kill(victim["pid"], signal.SIGKILL)
                server.event("WorkerReady", 3 + kill)
            ending.set()
            for one in clients:
                one.result()
        # One worker has one request at a time.
        assert statuses.count(500) <= 4 and statuses.count(200) > 100


def test_bytes_that_mean_nothing_neither_end_nor_hang_it(light):
    """Requests of the corpus with a few bytes changed, left out or added, headers included."""
    chance = random.Random(8)
    whole = [case for case in corpus.cases() if case.method == "POST" and case.path.endswith((":predict", "/infer"))]
    with Server(light, "--request-timeout", 5000) as server:
        before = server.status()["replicas"][0]["pid"]
        for _ in range(1500):
            case = chance.choice(whole)
            lines = [f"{name}: {value}" for name, value in case.headers.items()]
            lines += ["Content-Type: application/json"] if "Content-Type" not in case.headers else []
            body = changed(case.body, chance)
            head = "\r\n".join(
                [f"POST {case.path} HTTP/1.1", "Host: localhost", *lines, f"Content-Length: {len(body)}"]
            )
            is_whole = chance.random() >= 0.3
            head = head.encode() if is_whole else changed(head.encode(), chance)
            answered = b""
            with socket.create_connection((server.host, server.port), timeout=20) as client:
                try:
                    client.sendall(head + b"\r\n\r\n" + body)
                    # Whoever waits for more of a request is told that there is no more.
                    client.shutdown(socket.SHUT_WR)
                    answered = client.recv(65536)
                except OSError as error:
                    # What has no head has no rest: the connection may be closed before that has gone.
                    assert not is_whole and error.errno in CLOSED, error
            assert not answered or answered.startswith(b"HTTP/1.1 ")
            assert b"process was lost" not in answered and not answered.startswith(b"HTTP/1.1 504")
        assert server.status()["replicas"][0]["pid"] == before
        assert server.predict([ROW]) == [10.25]


def changed(text: bytes, chance: random.Random) -> bytes:
    text = bytearray(text)
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(text) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            text[place : place + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del text[place : place + chance.randrange(1, 20)]
        elif kind == 2:
            text[place:place] = chance.choice([b"9", b"-", b"[", b"{", b'"', b"\xff\xff\xff\xff", b"e308", b"\x00"])
        else:
            text[place:place] = text[place : place + chance.randrange(1, 40)]
    return bytes(text)
