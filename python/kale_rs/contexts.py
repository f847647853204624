"""What `context` gives."""

from __future__ import annotations

from collections import UserList
from collections.abc import Iterable
from html import escape

from kale_rs.results import Diagnosis, Json, html_table


class Context:
    """Somewhere a pipeline runs: this machine, or a cluster."""

    def __init__(self, answer: Json) -> None:
        self.name: str = answer["name"]
        #: `local` or `kubeflow`.
        self.kind: str = answer["kind"]
        #: Whether it is meant where none is named.
        self.current: bool = answer["current"]
        self.kfp: str | None = answer["kfp"]
        self.ui: str | None = answer["ui"]
        self.namespace: str | None = answer["namespace"]
        #: Where the credentials are kept.
        self.auth: str | None = answer["auth"]
        self.ca: str | None = answer["ca"]
        self.insecure_skip_verify: bool = answer["insecure_skip_verify"]
        self.proxy: str | None = answer["proxy"]
        #: A file with what it wants otherwise than notebooks say.
        self.overlay: str | None = answer["overlay"]
        self.kfp_namespace: str | None = answer["kfp_namespace"]
        #: What to know before anything is sent.
        self.warnings: list[str] = answer["warnings"]

    def __repr__(self) -> str:
        namespace = f"namespace {self.namespace}" if self.namespace else None
        words = [word for word in (self.name, self.kfp, namespace, self.auth) if word]
        line = f"{'*' if self.current else ' '} {'  '.join(words)}"
        return "\n".join([line, *(f"  warning: {warning}" for warning in self.warnings)])


class Contexts(UserList[Context]):
    """Contexts, `local` first."""

    def __init__(self, contexts: Iterable[Context] = (), file: str | None = None) -> None:
        super().__init__(contexts)
        #: Where they are written down.
        self.file = file

    def __repr__(self) -> str:
        return "\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        rows = (
            ["*" if one.current else "", *(escape(text or "") for text in (one.name, one.kfp, one.namespace, one.auth))]
            for one in self
        )
        return html_table(("", "context", "Kubeflow Pipelines", "namespace", "credentials"), rows)


class ContextTest:
    """What of a context works, and what does not."""

    def __init__(self, answer: Json) -> None:
        self.context: str = answer["context"]
        #: Whether all of it does.
        self.works: bool = answer["works"]
        self.url: str | None = answer["url"]
        self.version: str | None = answer["version"]
        self.multi_user: bool | None = answer["multi_user"]
        self.findings = Diagnosis(answer["findings"])

    def __repr__(self) -> str:
        return repr(self.findings)

    def _repr_html_(self) -> str:
        return self.findings._repr_html_()
