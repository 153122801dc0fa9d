"""Airlock's server, and what an operator does with it."""

import gzip
import json
import os
import re
import subprocess
from pathlib import Path

from . import docs, http
from .airflow import clean_env
from .processes import Failed, Process, Unexpected, until


ROOT = Path(__file__).parents[2]


def binary() -> Path:
    """The airlock to test; a release build of this repository unless another is named."""
    if given := os.environ.get("AIRLOCK_E2E_BINARY"):
        return Path(given).absolute()
    build = subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--package", "airlock"], cwd=ROOT)
    if build.returncode:
        raise Failed("Airlock does not build")
    return ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target") / "release/airlock"


class Airlock:
    def __init__(self, binary: Path, home: Path):
        home.mkdir(parents=True)
        self.home = home
        argv = [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", home / "data"]
        self.server = Process("airlock", argv, clean_env(home), home / "airlock.log")
        # It says what it made at its first start; the line to paste is the last of it.
        until("Airlock makes its first records", lambda: "\ncurl " in self.server.text(), 30, [self.server])
        said = self.said = self.server.text()
        self.url = found(r"curl .*'(http://[^/]+)/", said)
        self.env = clean_env(
            home,
            PATH=f"{binary.parent}:{os.environ['PATH']}",
            AIRLOCK_URL=self.url,
            AIRLOCK_TOKEN=found(r"API token +(\S+)", said),
            AIRLOCK_ORGANIZATION=found(r"Organization +(\S+)", said),
            AIRLOCK_WORKSPACE=found(r"Workspace +(\S+)", said),
        )
        until("Airlock answers", lambda: self.get("").status == 200, 30, [self.server])

    def follow(self, block: str, page: str = "agents.md", **values: str):
        """Runs a block of the documentation in a shell, as its reader would; its answer, if it is JSON."""
        argv = ["bash", "-euo", "pipefail", "-c", docs.block(block, page, **values)]
        done = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise Unexpected(f"{block}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    def get(self, path: str) -> http.Answer:
        """Gets something in the Organization."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body=None) -> http.Answer:
        """Does something in the Organization."""
        organization = self.env["AIRLOCK_ORGANIZATION"]
        return http.call(method, f"{self.url}/v1/organizations/{organization}{path}", self.env["AIRLOCK_TOKEN"], body)

    def sync(self, dest: Path, token: str) -> Process:
        """Keeps a folder equal to what was deployed last."""
        dest.parent.mkdir(parents=True, exist_ok=True)
        argv = ["airlock", "agent", "sync", "--dest", dest, "--watch", "--interval", "1"]
        env = self.env | {"AIRLOCK_TOKEN": token}
        return Process(f"airlock agent sync {dest.name}", argv, env, dest.parent / f"{dest.name}.log")

    def agents(self) -> dict:
        """The Deployment's agents by their names."""
        page = self.get(f"/deployments/{self.env['AIRLOCK_DEPLOYMENT']}/agents").expect(200).json
        return {agent["name"]: agent for agent in page["agents"]}

    def audit_log(self) -> list:
        lines = gzip.decompress(self.get("/audit-logs").expect(200).body).splitlines()
        return [json.loads(line) for line in lines]


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if not match:
        raise Failed(f"Airlock did not print {pattern}")
    return match[1]
