"""The pinned Airflow: its installation, its three servers, and its API."""

import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from . import http
from .processes import Failed, Process, free_port, until


class Installation:
    """A virtual environment with the packages of a lock file, kept in a cache folder."""

    def __init__(self, cache: Path, lock: Path):
        self.lock, self.folder = lock, cache / "venv"
        self.installed = self.folder / "installed.lock"
        self.database = self.folder / "migrated.db"
        self.command = self.folder / "bin/airflow"

    def is_current(self) -> bool:
        return self.installed.exists() and self.installed.read_bytes() == self.lock.read_bytes()

    def install(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        python = self.folder / "bin/python"
        run("python3", "-m", "venv", self.folder)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
        run(python, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--requirement", self.lock)
        shutil.copyfile(self.lock, self.installed)

    def make_database(self, home: Path):
        """Makes an empty metadata database once, which every run then copies."""
        airflow = Airflow(self, home)
        airflow.write_settings("")
        run(self.command, "db", "migrate", env=airflow.env)
        shutil.copyfile(home / "airflow.db", self.database)


def run(*argv, env: dict | None = None):
    command = [str(word) for word in argv]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, text=True, errors="replace", **both)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-4000:]}")


def clean_env(home: Path, **settings: str) -> dict:
    """The environment without anybody's Airflow or proxy settings, and with these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "AIRLOCK")) and not name.lower().endswith("_proxy")
    }
    return kept | {"AIRFLOW_HOME": str(home), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"} | settings


def bundles(deployed: Path | None) -> dict:
    """The settings of who reads Dags: those of the folder, and those that a folder gets from deploys."""
    if deployed is None:
        return {}
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    listed = [
        {"name": "dags-folder", "classpath": local, "kwargs": {}},
        {"name": "deployed", "classpath": local, "kwargs": {"path": str(deployed), "refresh_interval": 1}},
    ]
    return {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(listed),
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    }


class Airflow:
    """API server, scheduler and dag-processor, which share a folder and an SQLite database."""

    def __init__(self, installation: Installation, home: Path, dags: Path | None = None, deployed: Path | None = None):
        home.mkdir(parents=True)
        self.installation, self.home = installation, home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.jwt_secret = secrets.token_urlsafe(64)
        self.env = clean_env(
            home,
            AIRFLOW__CORE__DAGS_FOLDER=str(dags or home / "dags"),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",  # GET /auth/token gives a token
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{self.url}/execution/",
            AIRFLOW__CORE__EXECUTOR="airflow.providers.edge3.executors.EdgeExecutor",
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db",
            AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS="airflow.providers.edge3.models.db.EdgeDBManager",
            AIRFLOW__API__HOST="127.0.0.1",
            AIRFLOW__API__PORT=str(self.port),
            AIRFLOW__API__WORKERS="1",
            AIRFLOW__API__BASE_URL=self.url,
            AIRFLOW__API_AUTH__JWT_SECRET=self.jwt_secret,
            AIRFLOW__EDGE__API_ENABLED="True",
            AIRFLOW__EDGE__API_URL=f"{self.url}/edge_worker/v1/rpcapi",
            AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC="1",
            **bundles(deployed),
        )
        self.servers: list[Process] = []
        self.token: str | None = None

    def write_settings(self, text: str):
        """Writes airflow.cfg. What is in the environment goes before it."""
        (self.home / "airflow.cfg").write_text(text)

    def start(self):
        shutil.copyfile(self.installation.database, self.home / "airflow.db")
        for server in "api-server", "scheduler", "dag-processor":
            log = self.home / f"{server}.log"
            self.servers.append(Process(server, [self.installation.command, server], self.env, log))

    def wait_for_dags(self, *dags: str):
        until("the API server answers", lambda: self.api("GET", "/monitor/health").status == 200, 120, self.servers)
        self.token = http.call("GET", f"{self.url}/auth/token").expect(201).json["access_token"]
        self.unpause(*dags)

    def unpause(self, *dags: str):
        """Waits until Dags are known, and lets them run."""
        for dag in dags:
            until(f"the Dag {dag} is known", lambda: self.knows(dag), 60, self.servers)
            self.api("PATCH", f"/dags/{dag}", {"is_paused": False}).expect(200)

    def knows(self, dag: str) -> bool:
        for error in self.api("GET", "/importErrors").expect(200).json["import_errors"]:
            raise Failed(error["stack_trace"])
        return self.api("GET", f"/dags/{dag}").status == 200

    def api(self, method: str, path: str, body=None) -> http.Answer:
        return http.call(method, f"{self.url}/api/v2{path}", self.token, body)

    def trigger(self, dag: str) -> "Run":
        """Starts a run of a Dag."""
        run_id = self.api("POST", f"/dags/{dag}/dagRuns", {"logical_date": None}).expect(200).json["dag_run_id"]
        return Run(self, dag, run_id)

    def add_connection(self, name: str, password: str):
        body = {"connection_id": name, "conn_type": "generic", "password": password}
        self.api("POST", "/connections", body).expect(201)

    def shows(self, worker: str, state: str) -> bool:
        """Whether Airflow's list of edge workers has one in a state."""
        page = http.call("GET", f"{self.url}/edge_worker/ui/worker", self.token).expect(200).json
        return any(one["worker_name"] == worker and one["state"] == state for one in page["workers"])


class Run:
    """A run of a Dag."""

    def __init__(self, airflow: Airflow, dag: str, run_id: str):
        self.airflow, self.path = airflow, f"/dags/{dag}/dagRuns/{run_id}"

    def state(self) -> str:
        return self.airflow.api("GET", self.path).expect(200).json["state"]

    def end(self, seconds: float = 120, alive=()) -> str:
        """Waits for the run to end; its state."""
        until(f"{self.path} ends", lambda: self.state() in ("success", "failed"), seconds, alive)
        return self.state()

    def task_states(self) -> dict:
        tasks = self.airflow.api("GET", f"{self.path}/taskInstances").expect(200).json["task_instances"]
        return {f"{task['task_id']}[{task['map_index']}]": task["state"] for task in tasks}

    def expect_success(self, alive=()):
        if self.end(alive=alive) != "success":
            raise Failed(f"{self.path} failed: {self.task_states()}")

    def task_state(self, task: str) -> str | None:
        return self.airflow.api("GET", f"{self.path}/taskInstances/{task}").expect(200).json["state"]

    def fail(self, task: str):
        self.airflow.api("PATCH", f"{self.path}/taskInstances/{task}", {"new_state": "failed"}).expect(200)

    def log_has(self, task: str, text: str) -> bool:
        answer = self.airflow.api("GET", f"{self.path}/taskInstances/{task}/logs/1?full_content=true")
        return answer.status == 200 and text in answer.body.decode()
