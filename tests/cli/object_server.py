"""A real S3 server on the loopback interface: moto's, in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

from .support import wait_for

#: What a client of the server has in its environment. The server believes any key.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "a-key-of-a-test",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-a-test",
    "AWS_REGION": "us-east-1",
    "NO_PROXY": "127.0.0.1",
}


class S3:
    """A running server with one bucket."""

    bucket = "team"

    def __init__(self, port: int) -> None:
        self.port = port
        self.variables = CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Ask it as any HTTP client would; `path` begins with a slash."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/")[0] == 200
        return False


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """Start a server, and end it whatever happens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, **CREDENTIALS}, **quiet)
    try:
        server = S3(port)
        wait_for(lambda: server.answers() or process.poll() is not None, "the S3 server")
        assert process.poll() is None, "the S3 server has ended: are the tests' requirements installed?"
        assert server.request("PUT", f"/{S3.bucket}")[0] == 200
        yield server
    finally:
        process.kill()
        process.wait()
