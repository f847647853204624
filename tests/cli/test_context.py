"""`context`: what is written down, what is not, and what `context test` says about servers of all kinds."""

import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import ssl
import stat
import threading
from pathlib import Path

import kale_rs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .support import call

SECRET = "hunter2-is-the-secret"


class Answers(http.server.BaseHTTPRequestHandler):
    """As Kubeflow Pipelines with several users answers: `answers` has status, type and body by path."""

    protocol_version = "HTTP/1.1"
    health = {"multi_user": True, "pipeline_store": "database"}
    runs = (200, "application/json", '{"runs": []}')
    healthz = None
    pages = (200, "text/html", "<!doctype html><title>Kubeflow Pipelines</title>")
    metadata = True
    wanted = ("Authorization", f"Bearer {SECRET}")

    def do_GET(self):
        self.server.requests.append((self.path, self.headers))
        path = self.path.split("?")[0].removeprefix(self.server.prefix)
        name, value = self.wanted
        if path == "/apis/v2beta1/healthz":
            self._answer(*(self.healthz or (200, "application/json", json.dumps(self.health))))
        elif path == "/apis/v1beta1/healthz":
            self._answer(200, "application/json", '{"tag_name": "2.17.0"}')
        elif name and self.headers.get(name) != value:
            told = {"code": 16, "message": f"Unauthenticated: {self.headers.get(name)}"}
            self._answer(401, "application/json", json.dumps(told))
        elif path == "/apis/v2beta1/runs":
            self._answer(*self.runs)
        elif path.endswith("/"):
            self._answer(*self.pages)
        else:
            self._answer(404, "application/json", '{"code": 5, "message": "Not Found"}')

    def do_POST(self):
        """The service of metadata: it knows of no run."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, self.headers))
        nothing, end = b"", b"grpc-status:0\r\n"
        frames = b"".join(
            bytes([flag]) + len(part).to_bytes(4, "big") + part for flag, part in ((0, nothing), (128, end))
        )
        is_there = self.metadata and self.path.endswith("Service/GetContextByTypeAndName")
        self._answer(
            *(200, "application/grpc-web+proto", frames.decode("latin-1")) if is_there else (404, "text/plain", "")
        )

    def _answer(self, status, kind, body, **headers):
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"https://dex.example.org/login?state={SECRET}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode("latin-1"))

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(prefix="", certificate: Path | None = None, clients: Path | None = None, **answers):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (Answers,), answers))
    server.daemon_threads, server.requests, server.prefix = True, [], prefix
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        if clients is not None:
            tls.verify_mode = ssl.CERT_REQUIRED
            tls.load_verify_locations(clients)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}{prefix}"
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def kale(tmp_path, monkeypatch):
    """The command, with contexts of its own."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KALE_RS_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return lambda *words, **variables: call(*words, cwd=tmp_path, **variables)


def added(kale, *words, **variables):
    done = kale("context", "add", "dev", *words, **variables)
    assert done.returncode == 0, done.stderr
    return done


def findings_of(kale, **variables):
    """The answer of `context test dev --json`, its findings by subject."""
    done = kale("context", "test", "dev", "--json", **variables)
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["works"] else 1)
    assert SECRET not in done.stdout + done.stderr
    return {finding["subject"]: finding for finding in answer["findings"]}, answer


def test_a_context_is_written_down_used_and_removed(kale, tmp_path):
    assert kale("context", "list").stdout == "* local  this machine\n"
    words = ("--kfp", "https://kf.example.org/pipeline/", "--namespace", "team", "--auth", "token-env:KFP_TOKEN")
    assert added(kale, *words).stdout == (
        "added dev  https://kf.example.org/pipeline  namespace team  token-env:KFP_TOKEN\n"
    )
    assert kale("context", "use", "dev").stdout.startswith("now in use: dev")
    listed = json.loads(kale("context", "list", "--json").stdout)
    assert (listed["current"], [one["name"] for one in listed["contexts"]]) == ("dev", ["local", "dev"])
    assert listed["contexts"][1]["auth"] == "token-env:KFP_TOKEN"
    file = Path(listed["file"])
    assert file == tmp_path / "config" / "contexts.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = kale("context", "add", "dev", *words)
    assert again.returncode == 2 and "--replace" in again.stderr
    assert kale("context", "add", "dev", *words, "--replace").returncode == 0
    assert kale("context", "remove", "dev").returncode == 0
    assert kale("context", "list").stdout == "* local  this machine\n"


def test_contexts_are_where_others_keep_theirs(kale, tmp_path):
    words = ("context", "add", "dev", "--kfp", "http://localhost:8888")
    for variables, place in [
        ({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, "xdg/kale_rs"),
        ({"XDG_CONFIG_HOME": "relative/is/ignored"}, "home/.config/kale_rs"),
    ]:
        assert kale(*words, KALE_RS_CONFIG="", **variables).returncode == 0
        assert (tmp_path / place / "contexts.toml").is_file()


@pytest.mark.parametrize(
    "words, told",
    [
        (["local", "--kfp", "http://localhost"], "`local` is this machine"),
        (["a b", "--kfp", "http://localhost"], "cannot be the name of a context"),
        (["dev"], "add `--kfp URL`"),
        (["dev", "--kfp", f"https://me:{SECRET}@host/"], "holds a user or a password"),
        (["dev", "--kfp", f"https://host/?token={SECRET}"], "is that of a page"),
        (["dev", "--kfp", "ftp://host"], "`ftp://` cannot be talked to"),
        (["dev", "--kfp", "http://localhost", "--auth", f"token:{SECRET}"], "no way to authenticate"),
        (["dev", "--kfp", "http://localhost", "--auth", f"token-env:{SECRET}"], "no name of an environment variable"),
        (["dev", "--kfp", "http://localhost", "--proxy", f"http://me:{SECRET}@proxy"], "holds a user or a password"),
        (["dev", "--kfp", "http://localhost", "--namespace", "My Team"], "cannot be a namespace"),
        (["dev", "--kfp", "http://localhost", "--ca", "nowhere.pem"], "cannot read"),
        (
            ["dev", "--kfp", "http://localhost", "--ca", "x", "--insecure-skip-verify"],
            "to verify a certificate, and not to",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_no_secret_is_kept(kale, tmp_path, words, told):
    done = kale("context", "add", *words)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert told in done.stderr and SECRET not in done.stderr
    assert not any(SECRET in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("words", [["use", "nowhere"], ["remove", "nowhere"], ["test", "nowhere"], ["remove", "local"]])
def test_what_is_not_there_cannot_be_used(kale, words):
    done = kale("context", *words)
    assert done.returncode == 2 and done.stderr.startswith("error: ")


def test_this_machine_always_works(kale):
    done = kale("context", "test")
    assert done.returncode == 0 and "this machine" in done.stdout


@pytest.mark.parametrize("way", ["token-env", "token-file", "in-cluster", "cookie-env"])
def test_a_cluster_that_works(kale, tmp_path, way):
    (tmp_path / "token").write_text(SECRET + "\n")
    auth = {"token-env": "token-env:T", "token-file": "token-file:token", "cookie-env": "cookie-env:T"}.get(way, way)
    cookie = way == "cookie-env"
    variables = {"T": f"session={SECRET}" if cookie else SECRET, "KF_PIPELINES_SA_TOKEN_PATH": str(tmp_path / "token")}
    wanted = {"wanted": ("Cookie", f"session={SECRET}")} if cookie else {}
    with serving("/pipeline", **wanted) as server:
        added(kale, "--kfp", server.url, "--namespace", "team", "--auth", auth, **variables)
        findings, answer = findings_of(kale, **variables)
        assert {finding["health"] for finding in findings.values()} == {"ok"}, findings
        assert (answer["version"], answer["multi_user"], answer["url"]) == ("2.17.0", True, server.url)
        [listing] = [path for path, _ in server.requests if "/runs?" in path]
        assert "namespace=team" in listing
        assert kale("context", "test", "dev", **variables).stdout.count("\n") == len(findings)
    assert not any(SECRET in path.read_text() for path in (tmp_path / "config").rglob("*") if path.is_file())


def test_what_does_not_work_is_told_with_what_to_do(kale):
    added(kale, "--kfp", "http://127.0.0.1:1", "--auth", "token-env:T")
    findings, _ = findings_of(kale)
    assert findings["credentials"]["health"] == "error" and "`T` is not set" in findings["credentials"]["detail"]
    assert findings["reachable"]["health"] == "error"
    assert findings["authorised"]["health"] == "skipped"
    findings, _ = findings_of(kale, T=SECRET)
    assert findings["reachable"]["health"] == "error" and "onnection refused" in findings["reachable"]["detail"]
    assert findings["authorised"]["detail"] == "not tried"


@pytest.mark.parametrize(
    "answers, subject, told",
    [
        ({"wanted": ("Authorization", "Bearer other")}, "authorised", "does not accept the token in the environment"),
        ({"runs": (403, "application/json", '{"code": 7, "message": "no"}')}, "namespace", "`team`: no access"),
        ({"healthz": (200, "text/html", "<html>Log in</html>")}, "authorised", "answers with a web page"),
        ({"healthz": (302, "text/html", "")}, "authorised", "sends us to `https://dex.example.org/login`"),
        ({"healthz": (404, "text/plain", "404 page not found")}, "reachable", "has no such page (404)"),
        ({"healthz": (503, "text/plain", "no healthy upstream")}, "reachable", "the server failed (503)"),
        ({"runs": (200, "application/json", '{"runs": [{"run_id"')}, "authorised", "was cut off"),
    ],
)
def test_servers_that_do_not_let_us_in(kale, answers, subject, told):
    with serving(**answers) as server:
        added(kale, "--kfp", server.url, "--namespace", "team", "--auth", "token-env:T", T=SECRET)
        findings, answer = findings_of(kale, T=SECRET)
    assert not answer["works"]
    assert findings[subject]["health"] == "error" and told in findings[subject]["detail"], findings
    assert findings[subject]["help"]


def test_without_credentials_the_rest_is_looked_at(kale):
    with serving() as server:
        added(kale, "--kfp", server.url, "--namespace", "team", "--auth", "token-env:T")
        findings, answer = findings_of(kale)
    assert [findings[subject]["health"] for subject in ("credentials", "reachable", "version", "authorised")] == [
        "error",
        "ok",
        "ok",
        "skipped",
    ]
    assert not answer["works"] and not any(headers["Authorization"] for _, headers in server.requests)


def test_what_stands_beside_the_server_is_asked_too(kale):
    """Runs go without it; metrics, gates, `show` and `restore` do not."""
    nothing = (404, "application/json", '{"code": 5, "message": "Not Found"}')
    with serving(pages=nothing, metadata=False) as server, serving() as other:
        added(kale, "--kfp", server.url, "--namespace", "team", "--auth", "token-env:T")
        findings, answer = findings_of(kale, T=SECRET)
        assert answer["works"] and [findings[one]["health"] for one in ("pages", "metadata")] == ["warning"] * 2
        assert "values cannot be fetched" in findings["pages"]["detail"]
        assert "no `--gate` can hold" in findings["metadata"]["detail"] and "--ui URL" in findings["metadata"]["help"]
        added(kale, "--kfp", server.url, "--ui", other.url, "--namespace", "team", "--auth", "token-env:T", "--replace")
        findings, _ = findings_of(kale, T=SECRET)
        assert [findings[one]["health"] for one in ("pages", "metadata")] == ["ok"] * 2, findings
        findings, _ = findings_of(kale, T="wrong")
        assert [findings[one]["health"] for one in ("authorised", "pages", "metadata")] == [
            "error",
            "skipped",
            "skipped",
        ]


def test_several_users_and_no_namespace(kale):
    with serving() as server:
        added(kale, "--kfp", server.url, "--auth", "token-env:T", T=SECRET)
        findings, _ = findings_of(kale, T=SECRET)
    assert "--namespace" in findings["namespace"]["help"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that no authority has signed, with its key; and beside it without."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    path.with_suffix(".crt").write_bytes(made.public_bytes(pem))
    path.write_bytes(secret + made.public_bytes(pem))
    return path


def test_certificates_are_verified_unless_said_loudly(kale, certificate):
    with serving(certificate=certificate) as server:
        words = ("--kfp", server.url, "--namespace", "team", "--auth", "token-env:T")
        added(kale, *words)
        findings, _ = findings_of(kale, T=SECRET)
        assert "certificate that is not trusted" in findings["reachable"]["detail"]
        assert "--ca FILE" in findings["reachable"]["help"]
        assert not server.requests
        added(kale, *words, "--ca", str(certificate.with_suffix(".crt")), "--replace")
        findings, answer = findings_of(kale, T=SECRET)
        assert answer["works"] and "verified" in findings["tls"]["detail"], findings
        told = added(kale, *words, "--insecure-skip-verify", "--replace").stderr
        assert told.startswith("warning: the server's certificate is not verified")
        findings, answer = findings_of(kale, T=SECRET)
        assert answer["works"] and findings["tls"]["health"] == "warning"


def test_requests_go_through_a_proxy(kale):
    with serving() as proxy:
        words = ("--kfp", "http://kf.invalid", "--namespace", "team", "--auth", "token-env:T")
        told = added(kale, *words, "--proxy", proxy.url).stderr
        assert "unencrypted" in told
        kale("context", "test", "dev", T=SECRET)
        assert proxy.requests[0][0] == "http://kf.invalid/apis/v2beta1/healthz"
        added(kale, *words, "--replace")
        kale("context", "test", "dev", T=SECRET, HTTP_PROXY=proxy.url)
        before = len(proxy.requests)
        assert before > 1
        kale("context", "test", "dev", T=SECRET, HTTP_PROXY=proxy.url, NO_PROXY="kf.invalid")
        assert len(proxy.requests) == before


def test_a_kubeconfig_leads_through_the_server_of_kubernetes(kale, tmp_path):
    prefix = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
    with serving(prefix) as server:
        program = tmp_path / "give token.sh"
        program.write_text(f'#!/bin/sh\nprintf \'{{"status": {{"token": "%s"}}}}\' "{SECRET}"\n')
        program.chmod(0o755)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "one", "cluster": {"server": server.url.removesuffix(prefix)}}],
            "contexts": [
                {"name": "here", "context": {"cluster": "one", "user": "me"}},
                {"name": "there", "context": {"cluster": "one", "user": "program"}},
            ],
            "users": [
                {"name": "me", "user": {"token": SECRET}},
                {
                    "name": "program",
                    "user": {
                        "exec": {
                            "apiVersion": "client.authentication.k8s.io/v1",
                            "command": "./give token.sh",
                            "interactiveMode": "Never",
                        }
                    },
                },
            ],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        variables = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
        for auth in ("kubeconfig", "kubeconfig:there"):
            added(kale, "--namespace", "team", "--auth", auth, "--replace", **variables)
            findings, answer = findings_of(kale, **variables)
            assert answer["works"] and answer["url"] == server.url, findings
        added(kale, "--namespace", "team", "--auth", "kubeconfig:nowhere", "--replace", **variables)
        findings, _ = findings_of(kale, **variables)
        assert "has no context `nowhere`" in findings["credentials"]["detail"]


def kubeconfig(path: Path, cluster: dict, user: dict) -> Path:
    """A kubeconfig with one of each."""
    config = {
        "current-context": "here",
        "clusters": [{"name": "one", "cluster": cluster}],
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me"}}],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    return path


def test_a_token_that_has_expired_is_asked_for_again(kale, tmp_path):
    """The program gives an old one first; requests are turned away, and made again with the next."""
    program = tmp_path / "give.sh"
    answer = '{"status": {"token": "%s"}}'
    program.write_text(f"""#!/bin/sh
cd '{tmp_path}'
if mkdir asked 2>/dev/null; then printf '{answer}' old-token-of-yesterday; else printf '{answer}' '{SECRET}'; fi
""")
    program.chmod(0o755)
    with serving() as server:
        user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "args": []}}
        config = kubeconfig(tmp_path / "kubeconfig", {"server": server.url}, user)
        variables = {"KUBECONFIG": str(config)}
        added(kale, "--kfp", server.url, "--namespace", "team", "--auth", "kubeconfig", **variables)
        findings, answer = findings_of(kale, **variables)
        assert answer["works"], findings
        shown = [headers["Authorization"] for path, headers in server.requests if "/runs" in path]
        assert shown == ["Bearer old-token-of-yesterday", f"Bearer {SECRET}"]


def test_a_kubeconfig_may_show_a_certificate(kale, certificate, tmp_path):
    authority = certificate.with_suffix(".crt")
    with serving(certificate=certificate, clients=authority, wanted=(None, None)) as server:
        cluster = {"server": server.url, "certificate-authority": str(authority)}
        user = {"client-certificate": str(authority), "client-key": str(certificate)}
        variables = {"KUBECONFIG": str(kubeconfig(tmp_path / "kubeconfig", cluster, user))}
        added(kale, "--kfp", server.url, "--namespace", "team", "--auth", "kubeconfig", **variables)
        findings, answer = findings_of(kale, **variables)
        assert answer["works"], findings
        kubeconfig(tmp_path / "kubeconfig", cluster, {})
        findings, answer = findings_of(kale, **variables)
        assert findings["reachable"]["health"] == "error"


def test_the_same_from_python(kale, monkeypatch):
    with serving() as server:
        made = kale_rs.context("add", "dev", kfp=server.url, namespace="team", auth="token-env:T")
        assert (made.name, made.kfp, made.current) == ("dev", server.url, False)
        kale_rs.context("use", "dev")
        contexts = kale_rs.context()
        assert [one.name for one in contexts] == ["local", "dev"] and contexts[1].current
        assert "dev" in repr(contexts) and "team" in contexts._repr_html_()
        assert not kale_rs.context("test").works
        monkeypatch.setenv("T", SECRET)
        found = kale_rs.context("test")
        assert found.works and found.version == "2.17.0" and SECRET not in repr(found)
        assert kale_rs.context("remove", "dev").name == "dev"
    with pytest.raises(kale_rs.UsageError, match="which context"):
        kale_rs.context("use")
    with pytest.raises(kale_rs.UsageError, match="is said when it is added"):
        kale_rs.context("test", "local", kfp="http://localhost")
