"""A JupyterLab server as people start it: with a token, on loopback, with settings of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.ui import kernels

START_SECONDS = 90


class LabServer:
    """`root` is the folder that it serves; `home` holds everything else that it writes."""

    def __init__(self, root: Path, home: Path, python: str = sys.executable) -> None:
        self.root, self.token = root, secrets.token_hex(16)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = home / "settings"
        # What JupyterLab asks the network for, and what it says unasked.
        quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": False}
        app_settings = home / "app-settings"
        app_settings.mkdir()
        (app_settings / "overrides.json").write_text(json.dumps({"@jupyterlab/apputils-extension:notification": quiet}))
        environment = os.environ | {
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_TOKEN": self.token,
            # Contexts of tests, and none of whoever runs them.
            "KALE_RS_CONFIG": str(home / "kale_rs"),
        }
        self.data = home / "data"
        self.contexts = home / "kale_rs"
        kernels.install(self.data)
        for name in ("JPY_SESSION_NAME", "JPY_PARENT_PID"):
            environment.pop(name, None)
        self.log = home / "server.log"
        command = [python, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={self.port}"]
        command += [f"--ServerApp.root_dir={root}", "--ServerApp.port_retries=0", "--LabApp.news_url=None"]
        command += [f"--LabApp.app_settings_dir={app_settings}", "--LabApp.extension_manager=readonly"]
        command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
        command += ["--LabApp.expose_app_in_browser=True"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--allow-root")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=root)
        self._await()

    def _await(self) -> None:
        request = urllib.request.Request(f"{self.url}/api", headers={"Authorization": f"token {self.token}"})
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(request, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        """End the server, which ends its kernels."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def chromium() -> str:
    """The browser of the system."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError("no Chromium here: `make test` installs Debian's; elsewhere put `chromium` on the PATH")
