"""ML Metadata, as Kubeflow Pipelines keeps it of runs and as browsers ask for it: gRPC-Web, in the official library's
Protocol Buffers. The shapes are made here, from the names and numbers of ML Metadata's own files: its package does not
go with the SDK's other requirements.
"""

from __future__ import annotations

import struct

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "/ml_metadata.MetadataStoreService/"
CONTENT_TYPE = "application/grpc-web+proto"
RUNNING, COMPLETE, FAILED, CACHED = 2, 3, 4, 5
INPUT, OUTPUT = 3, 4

#: Messages with their fields: name, number, type; `*` is repeated, `%` a map from strings.
SHAPES = {
    "Value": "int_value=1:int64 double_value=2:double string_value=3:string",
    "Context": "id=1:int64 name=3:string",
    "Execution": "id=1:int64 type_id=2:int64 last_known_state=3:int32 custom_properties=5:%Value",
    "Artifact": "id=1:int64 type_id=2:int64 uri=3:string custom_properties=5:%Value",
    "Step": "index=1:int64 key=2:string",
    "Path": "steps=1:*Step",
    "Event": "artifact_id=1:int64 execution_id=2:int64 path=3:Path type=4:int32",
    "ListOptions": "max_result_size=1:int32 next_page_token=3:string",
    "GetContextByTypeAndNameRequest": "type_name=1:string context_name=2:string",
    "GetContextByTypeAndNameResponse": "context=1:Context",
    "GetExecutionsByContextRequest": "context_id=1:int64 options=2:ListOptions",
    "GetExecutionsByContextResponse": "executions=1:*Execution next_page_token=2:string",
    "GetEventsByExecutionIDsRequest": "execution_ids=1:*int64",
    "GetEventsByExecutionIDsResponse": "events=1:*Event",
    "GetArtifactsByIDRequest": "artifact_ids=1:*int64",
    "GetArtifactsByIDResponse": "artifacts=1:*Artifact",
}


def made() -> dict[str, type]:
    file = descriptor_pb2.FileDescriptorProto(name="metadata.proto", package="m", syntax="proto2")
    field_types = descriptor_pb2.FieldDescriptorProto
    for name, fields in SHAPES.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            label, _, kind = field.partition(":")
            field_name, _, number = label.partition("=")
            repeated = kind[0] in "*%"
            row = message.field.add(name=field_name, number=int(number))
            row.label = field_types.LABEL_REPEATED if repeated else field_types.LABEL_OPTIONAL
            plain = kind.lstrip("*%")
            if kind[0] == "%":
                # A map is a list of entries.
                camel = "".join(part.title() for part in field_name.split("_"))
                entry = message.nested_type.add(name=f"{camel}Entry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, label=1, type=field_types.TYPE_STRING)
                entry.field.add(name="value", number=2, label=1, type=11, type_name=f".m.{plain}")
                row.type, row.type_name = field_types.TYPE_MESSAGE, f".m.{name}.{entry.name}"
            elif plain in SHAPES:
                row.type, row.type_name = field_types.TYPE_MESSAGE, f".m.{plain}"
            else:
                row.type = getattr(field_types, f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"m.{name}")) for name in SHAPES}


TYPES = made()


class Metadata:
    """The store: runs, what their tasks did, and what came of it."""

    def __init__(self) -> None:
        self.contexts: dict[str, int] = {}
        self.executions: dict[int, list] = {}
        self.events: list = []
        self.artifacts: list = []

    def publish(self, run: str, task: str, state: int, outputs: dict[str, tuple[str, dict]]) -> None:
        """An execution that has ended; outputs have a URI, and what the task says of it."""
        context = self.contexts.setdefault(run, len(self.contexts) + 1)
        number = sum(map(len, self.executions.values())) + 1
        execution = TYPES["Execution"](id=number, type_id=3, last_known_state=state)
        execution.custom_properties["task_name"].string_value = task
        execution.custom_properties["parent_dag_id"].int_value = 1
        self.executions.setdefault(context, []).append(execution)
        for name, (uri, told) in outputs.items():
            known = next((each for each in self.artifacts if each.uri == uri), None)
            artifact = known or TYPES["Artifact"](id=len(self.artifacts) + 1, type_id=7, uri=uri)
            if known is None:
                self.artifacts.append(artifact)
                told = {"display_name": name, "store_session_info": '{"Provider":"minio"}', **told}
                for key, value in told.items():
                    field = "string_value" if isinstance(value, str) else "double_value"
                    setattr(artifact.custom_properties[key], field, value)
            path = TYPES["Path"](steps=[TYPES["Step"](key=name)])
            self.events.append(TYPES["Event"](artifact_id=artifact.id, execution_id=number, path=path, type=OUTPUT))

    def answer(self, method: str, body: bytes) -> bytes:
        """One framed message, and one back, with the status behind it."""
        flag, length = struct.unpack(">BI", body[:5])
        assert flag == 0 and length == len(body) - 5, "one message, and nothing else"
        request = TYPES[f"{method}Request"].FromString(body[5:])
        return self.framed(TYPES[f"{method}Response"](**getattr(self, method)(request)))

    @staticmethod
    def framed(message) -> bytes:
        response = message.SerializeToString()
        trailers = b"grpc-status:0\r\ngrpc-message:\r\n"
        return struct.pack(">BI", 0, len(response)) + response + struct.pack(">BI", 0x80, len(trailers)) + trailers

    def GetContextByTypeAndName(self, request) -> dict:  # noqa: N802
        assert request.type_name == "system.PipelineRun"
        id = self.contexts.get(request.context_name)
        return {"context": TYPES["Context"](id=id, name=request.context_name)} if id else {}

    def GetExecutionsByContext(self, request) -> dict:  # noqa: N802
        """Two on a page."""
        executions = self.executions.get(request.context_id, [])
        start = int(request.options.next_page_token or 0)
        more = {"next_page_token": str(start + 2)} if start + 2 < len(executions) else {}
        return {"executions": executions[start : start + 2], **more}

    def GetEventsByExecutionIDs(self, request) -> dict:  # noqa: N802
        return {"events": [event for event in self.events if event.execution_id in request.execution_ids]}

    def GetArtifactsByID(self, request) -> dict:  # noqa: N802
        return {"artifacts": [artifact for artifact in self.artifacts if artifact.id in request.artifact_ids]}
