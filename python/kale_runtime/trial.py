"""What the pod of a Katib trial runs: one run of the pipeline, from its start to its metric. Standard library only.

It lies in a ConfigMap beside `pipeline.json`, the pipeline as Kubeflow Pipelines takes it, and `trial.json`, which says
what is varied and what is wanted. It looks for a run that has the trial's name, starts one where there is none, follows
it, and prints `NAME=VALUE` for Katib's collector of standard output. That it prints no other `=` keeps the collector
from taking words for values.

A second run is never started: after a request of which it is not known whether it arrived, the run is only looked for.
SIGTERM ends the run. Katib puts a shell before the command, which keeps the signal to itself; so Kubernetes is told to
call `trial.py stop` before (`preStop`), which passes it on.
"""

import http.client
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

API = "/apis/v2beta1"
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
#: What the pipeline's last step writes before the metrics.
MARK = "kale-metrics "
#: Seconds: for one answer; until a request that was lost is believed to have come to nothing, and until a log is
#: believed to be gone; for the end of a run, within what Kubernetes grants a pod.
ANSWER, SETTLING, ENDING = 60, 60, 40
TERMINATED = 128 + signal.SIGTERM
#: The last lines of a failed step's log that are shown.
TAIL = 20


class Lasting(Exception):
    """No other attempt mends it."""


class Passing(Exception):
    """Another attempt may go well. `arrived`: the request may have been carried out."""

    def __init__(self, words, arrived=True):
        super().__init__(words)
        self.arrived = arrived


class Stopped(BaseException):
    """Kubernetes ends the pod."""


def say(text):
    print(str(text).replace("=", ":"), flush=True)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Credentials go to nobody else."""

    def redirect_request(self, *arguments):
        return None


class Server:
    """Kubeflow Pipelines."""

    def __init__(self, url, token_path):
        self.url, self.token_path = url.rstrip("/"), token_path
        # It is in the same cluster, where no proxy is between.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)

    def ask(self, method, path, body=None, **query):
        """The answer's JSON."""
        answer = self.bytes(method, API + path, body, query)
        try:
            return json.loads(answer)
        except ValueError:
            raise Passing(f"{self.url} answers with something else than JSON") from None

    def bytes(self, method, path, body=None, query=None):
        query = {name: value for name, value in (query or {}).items() if value}
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, content, self.headers(), method=method)
        try:
            with self.opener.open(request, timeout=ANSWER) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise self.refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            # Nobody was there to take it. (An unknown name is an OSError of the socket module.)
            never = isinstance(reason, ConnectionRefusedError) or type(reason).__name__ == "gaierror"
            raise Passing(f"{self.url} does not answer: {reason or type(reason).__name__}", not never) from None

    def headers(self):
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        # Read each time: Kubernetes writes a new one before the old one ends.
        token = pathlib.Path(self.token_path)
        if self.token_path and token.is_file():
            headers["Authorization"] = f"Bearer {token.read_text().strip()}"
        return headers

    def refusal(self, error):
        try:
            told = json.loads(error.read())
            said = told.get("message") or told.get("error") or error.reason
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            said = error.reason
        words = f"{self.url} answers {error.code}: {' '.join(str(said).split())[:600]}"
        if error.code in (401, 403):
            words += " (the service account of the trial needs the right to edit pipelines, as `default-editor` has it)"
        if error.code == 429 or error.code >= 500:
            return Passing(words, error.code != 429)
        return Lasting(words)


class Trial:
    """One run, by the trial's name."""

    def __init__(self, folder, environment):
        self.settings = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
        self.pipeline = json.loads((folder / "pipeline.json").read_text(encoding="utf-8"))
        self.environment, self.name = environment, environment["KALE_TRIAL"]
        self.poll = float(environment.get("KALE_POLL_SECONDS") or 5)
        self.patience = float(environment.get("KALE_PATIENCE_SECONDS") or 600)
        self.server = Server(environment["KALE_KFP_URL"], environment.get("KF_PIPELINES_SA_TOKEN_PATH"))
        self.experiment = self.run = None
        self.is_stopped = self.may_have_begun = False

    def stop(self, *_):
        """The first SIGTERM; the run's end is not to be disturbed by another."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.is_stopped = True
        raise Stopped

    def wait(self):
        time.sleep(self.poll)
        # Python drops what a handler raises at some rare moments.
        if self.is_stopped:
            raise Stopped

    def patiently(self, call, patience=None):
        """Asks until there is an answer, or until nobody has answered for long."""
        patience, deadline = self.patience if patience is None else patience, None
        while True:
            try:
                return call()
            except Passing as error:
                if deadline is None:
                    deadline = time.monotonic() + patience
                    say(f"{error}; asking again for {patience:g} s")
                if time.monotonic() >= deadline:
                    about = f". The run {self.run} may go on" if self.run else ""
                    raise Lasting(f"{error}, for {patience:g} s{about}") from None
                self.wait()

    # --- the run ------------------------------------------------------------------------------------------------

    def carry_out(self):
        """The values of the metrics."""
        arguments = self.arguments()
        self.experiment = self.patiently(self.find_experiment)
        found = self.patiently(self.find)
        say(f"there is a run of {self.name} already" if found else f"starting the run {self.name}")
        self.run = found or self.start(arguments)
        run = self.follow()
        if run.get("state") != "SUCCEEDED":
            raise Lasting(self.failure(run))
        return self.metrics(run)

    def arguments(self):
        """What the run is given: what is fixed, and what Katib has chosen."""
        arguments = dict(self.settings["arguments"])
        for name, how in self.settings["parameters"].items():
            text = self.environment[how["variable"]]
            try:
                arguments[name] = typed(how["type"], text)
            except (ValueError, OverflowError):
                raise Lasting(f"Katib chose {text!r} for {name}, which is no {how['type']}") from None
        return arguments

    def find_experiment(self):
        """The id of the experiment that groups the runs; it is made where there is none."""
        server, name = self.server, self.settings["experiment"]
        is_shared = server.ask("GET", "/healthz").get("multi_user")
        # A server of one user knows no namespaces, and refuses them.
        namespace = self.environment.get("KALE_NAMESPACE", "") if is_shared else ""

        def look():
            answer = server.ask("GET", "/experiments", namespace=namespace, filter=named(name))
            return next((each["experiment_id"] for each in answer.get("experiments") or []), None)

        found = look()
        if found:
            return found
        body = {"display_name": name, **({"namespace": namespace} if namespace else {})}
        try:
            return server.ask("POST", "/experiments", body)["experiment_id"]
        except Lasting:
            # Another trial was faster.
            found = look()
            if found:
                return found
            raise

    def find(self):
        """The id of the run that has the trial's name."""
        answer = self.server.ask("GET", "/runs", experiment_id=self.experiment, filter=named(self.name))
        return next((each["run_id"] for each in answer.get("runs") or []), None)

    def start(self, arguments):
        body = {
            "display_name": self.name,
            "description": f"a trial of {self.settings['experiment']}, chosen by Katib",
            "experiment_id": self.experiment,
            "pipeline_spec": self.pipeline,
            "runtime_config": {"parameters": arguments},
        }

        def once():
            try:
                self.may_have_begun = True
                return self.server.ask("POST", "/runs", body)["run_id"]
            except Passing as error:
                if not error.arrived:
                    self.may_have_begun = False
                    raise
                return self.lost(error)

        return self.patiently(once)

    def lost(self, error):
        """Looks for the run whose start was not answered; nothing is sent again, or there might be two."""
        say(f"{error}; looking whether the run has begun")
        deadline = time.monotonic() + min(self.patience, SETTLING)
        while True:
            try:
                found = self.find()
            except Passing:
                found = None
            if found:
                return found
            if time.monotonic() >= deadline:
                raise Lasting(f"{error}. It is not known whether the run has begun, so nothing is sent again")
            self.wait()

    def follow(self):
        """The run, when it is over."""
        state = None
        while True:
            run = self.patiently(lambda: self.server.ask("GET", f"/runs/{self.run}"))
            if run.get("state") != state:
                state = run.get("state")
                say(f"the run {self.run} is {state}")
            if state in ENDED:
                return run
            self.wait()

    def cancel(self):
        """Ends the run, also one that was just being started."""
        deadline = time.monotonic() + ENDING
        while (self.run or self.may_have_begun) and time.monotonic() < deadline:
            try:
                self.run = self.run or self.find()
                if self.run:
                    self.server.ask("POST", f"/runs/{self.run}:terminate")
                    return say(f"the run {self.run} is cancelled")
            except Passing as error:
                say(error)
            except Lasting as error:
                # One that has ended is not ended again.
                return say(f"the run {self.run} is not cancelled: {error}")
            time.sleep(min(self.poll, 1))
        if self.run or self.may_have_begun:
            say(f"the run {self.run or self.name} could not be cancelled, and may go on")

    # --- what it came to ----------------------------------------------------------------------------------------

    def metrics(self, run):
        """What the pipeline's last step has written, by name."""
        objective = self.settings["objective"]
        pod = pod_of(run, self.settings["report"])
        if not pod:
            raise Lasting(f"the run {self.run} has succeeded without its step {self.settings['report']}")

        def read():
            lines = [line for line in self.log(pod) if line.startswith(MARK)]
            if not lines:
                raise Passing(f"the log of {pod} does not have the metrics yet")
            return json.loads(lines[-1][len(MARK) :])

        told = self.patiently(read, min(self.patience, SETTLING))
        values = {name: told[name] for name in self.settings["metrics"] if is_number(told.get(name))}
        if objective in told and objective not in values:
            raise Lasting(f"the metric {objective} is {told[objective]}, which is no finite number")
        if objective not in values:
            others = ", ".join(sorted(told)) or "nothing"
            raise Lasting(f"the run {self.run} has not told the metric {objective}: it told {others}")
        return values

    def log(self, pod):
        """The lines that a pod has written. A server says that it succeeded before it fails to read them."""
        path = f"/apis/v1alpha1/runs/{self.run}/nodes/{urllib.parse.quote(pod, safe='')}/log"
        lines = self.server.bytes("GET", path).decode(errors="replace").splitlines()
        if lines and lines[-1].startswith('{"error_message"'):
            lines.pop()
        return lines

    def failure(self, run):
        """Why the run has no result: its own words, the steps that failed, and the end of the first one's log."""
        about = (run.get("error") or {}).get("message") or "no reason is told"
        words = [f"the run {self.run} is {run.get('state')}: {about}"]
        failed = [task["display_name"] for task in tasks_of(run) if task.get("state") == "FAILED"]
        failed = [name for name in failed if name in self.settings["steps"]]
        if failed:
            words.append(f"failed steps: {', '.join(failed)}. The log of {failed[0]} ends so:")
            words += [f"  {line}" for line in self.tail(pod_of(run, failed[0]))]
        return "\n".join(words)

    def tail(self, pod):
        """The last lines of a log, if it is to be had."""
        try:
            return self.log(pod)[-TAIL:] if pod else ["(it has no log)"]
        except (Passing, Lasting) as error:
            return [f"({error})"]


def tasks_of(run):
    return (run.get("run_details") or {}).get("task_details") or []


def pod_of(run, name):
    """The pod that carries out the step whose task has this name. Below the task there is another, of the container."""
    tasks = tasks_of(run)
    step = next((task for task in reversed(tasks) if task.get("display_name") == name), None)
    if step is None:
        return None
    children = step.get("child_tasks") or []
    ids = [child.get("task_id") or "" for child in children]
    inner = [task for task in tasks if task.get("parent_task_id") == step["task_id"] or task["task_id"] in ids]
    places = [*reversed(inner), step, *reversed(children)]
    return next((place["pod_name"] for place in places if place.get("pod_name")), None)


def named(name):
    """A filter of the API."""
    return json.dumps({"predicates": [{"operation": 1, "key": "display_name", "stringValue": name}]})


def typed(kind, text):
    """A value that Katib has chosen, as Kubeflow Pipelines wants it. Some engines draw fractions of whole numbers."""
    if kind == "NUMBER_INTEGER":
        return round(float(text))
    if kind == "NUMBER_DOUBLE":
        return float(text)
    # What Katib's templates would stumble over is written as in URLs.
    text = urllib.parse.unquote(text)
    return text if kind == "STRING" else json.loads(text)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def place_of_pid():
    return pathlib.Path(tempfile.gettempdir()) / "kale-trial.pid"


def leave_pid():
    try:
        place_of_pid().write_text(str(os.getpid()))
    except OSError as error:
        say(f"{error}: when the pod is deleted, the run goes on")


def pass_on():
    """Tells the trial beside it to end, and waits until it has."""
    try:
        pid = int(place_of_pid().read_text())
        os.kill(pid, signal.SIGTERM)
        while True:
            time.sleep(0.1)
            os.kill(pid, 0)
    except (OSError, ValueError):
        # It is over.
        return 0


def main(arguments):
    if arguments == ["stop"]:
        return pass_on()
    trial = Trial(pathlib.Path(__file__).resolve().parent, os.environ)
    try:
        signal.signal(signal.SIGTERM, trial.stop)
        leave_pid()
        values = trial.carry_out()
        for name, value in values.items():
            print(f"{name}={float(value)!r}", flush=True)
    except Stopped:
        trial.cancel()
        return TERMINATED
    except Lasting as error:
        say(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
