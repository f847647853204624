"""A model that is served elsewhere: this process only does what comes before and after it.

Rehearses what KServe makes of a transformer, which stands in front of a predictor in a process of its own.
"""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

from kale_runtime.serving import inputs, outputs
from kale_runtime.serving.frames import Body, padded

PATIENCE = 60.0


class Unanswered(Exception):
    """What the predictor has said instead of an answer."""


class Predictor:
    def __init__(self, url: str, name: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        self.host, self.path = parts.netloc, f"{parts.path.rstrip('/')}/v2/models/{quote(name)}/infer"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(self.host, timeout=PATIENCE)

    def predict(self, data: Any) -> Any:
        tensors, parts = outputs.tensors_of(data, [])
        for tensor in tensors:
            tensor["parameters"] = {"binary_data_size": tensor.pop("size")}
        kind = {"content_type": "pd"} if hasattr(data, "columns") else {}
        asked = {"inputs": tensors, "parameters": {"binary_data_output": True, **kind}}
        head = json.dumps(asked).encode()
        about = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        status, headers, body = self._sent(head + b"".join(parts), about)
        if status != 200:
            raise Unanswered(f"{self.host} answers {status}: {body.decode(errors='replace')[:2000]}")
        return _decoded(body, int(headers.get("Inference-Header-Content-Length") or len(body)))

    def _sent(self, body: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        """On the connection that is open, or on a new one where that was closed meanwhile."""
        for attempt in (1, 2):
            try:
                self.connection.request("POST", self.path, body, headers)
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.connection.close()
                if attempt == 2:
                    raise
            except BaseException:
                self.connection.close()
                raise
        raise AssertionError


def _decoded(body: bytes, length: int) -> Any:
    answered = json.loads(body[:length])["outputs"]
    position = length
    found = {}
    for output in answered:
        size = (output.get("parameters") or {}).get("binary_data_size")
        if size is None:
            found[output["name"]] = inputs.array(output["data"]).reshape(output["shape"])
            continue
        tensor = {"datatype": output["datatype"], "shape": output["shape"], "size": size}
        part = padded([body[position : position + size]])
        found[output["name"]] = inputs.taken(tensor, Body(memoryview(bytearray(b"".join(part)))))
        position += size
    return next(iter(found.values())) if len(found) == 1 else found
