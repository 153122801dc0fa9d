"""Workers behind the gate, one of which loses its token."""

import os
import subprocess
from pathlib import Path

from . import docs
from .airflow import Airflow, Installation
from .airlock import Airlock
from .direct import DAGS, ROOT
from .processes import Failed, until
from .worker import Worker


def binary() -> Path:
    """The airlock to test; a release build of this repository unless another is named."""
    if given := os.environ.get("AIRLOCK_E2E_BINARY"):
        return Path(given).absolute()
    build = subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--package", "airlock"], cwd=ROOT)
    if build.returncode:
        raise Failed("Airlock does not build")
    return ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target") / "release/airlock"


class Gate:
    """What both ways of attaching an Airflow have in common."""

    def __init__(self, steps, installation: Installation, folder: Path):
        self.steps, self.installation, self.folder = steps, installation, folder
        self.airflow = Airflow(installation, folder / "airflow", DAGS)

    def run(self):
        steps, airflow = self.steps, self.airflow
        with steps("build Airlock"):
            airlock = binary()
        with steps("start Airlock"):
            self.airlock = Airlock(airlock, self.folder / "airlock")
        with steps("start Airflow"):
            airflow.write_settings(self.settings())
            airflow.start()
            airflow.wait_for_dags("wide_default", "short_default", "long_default", "short_second")
            airflow.add_connection("gate_connection", "of the connection")
        with steps("attach Airflow to a Deployment"):
            self.deployment = self.attach()
            self.airlock.env["AIRLOCK_DEPLOYMENT"] = self.deployment["id"]
        with steps("two workers register, each with a token of its own"):
            one, two = self.token("one", "default"), self.token("two", "second")
            first = self.start_worker("one", "default", one)
            second = self.start_worker("two", "second", two)
            both = {"one": "idle", "two": "idle"}
            until("both workers are idle", lambda: airflow.workers() == both, 60, [first, second])
        with steps("a Dag runs on the first, and asks for most of what tasks can ask"):
            airflow.trigger("wide_default").expect_success([first, second])
        with steps("a long task runs on the first"):
            cut = airflow.trigger("long_default")
            until("its log says that it waits", lambda: cut.log_has("wait", "waiting to be"), 60, [first, second])
        with steps("its token is deleted"):
            self.airlock.follow("delete", agent_token_id=one["id"])
        with steps("Airflow shows the task failed"):
            until("the task has failed", lambda: cut.task_state("wait") == "failed", 30, [second])
        with steps("the task's log says why"):
            until("the log has the reason", lambda: cut.log_has("wait", "Agent token revoked"), 30, [second])
        with steps("the first worker is refused and ends"):
            code = first.exit_code("the refused worker ends", 60)
            assert code == 1, f"the worker's exit code is {code}"
            assert "403, message='Forbidden'" in first.text(), "the worker does not say that it was refused"
        with steps("Airflow shows the first worker offline"):
            until("it is offline", lambda: airflow.workers().get("one") == "offline", 30, [second])
        with steps("started again, it is refused at once"):
            again = self.start_worker("one", "default", one)
            assert again.exit_code("the worker ends", 60) == 1, "the worker's exit code"
        with steps("a Dag runs on the second, which never noticed"):
            airflow.trigger("short_second").expect_success([second])
            second.expect_running("although only the other's token was deleted")
        with steps("the second worker ends when told to"):
            assert second.stop(30) == 0, "the worker's exit code"
            until("it is offline", lambda: airflow.workers().get("two") == "offline", 30)
        with steps("Airflow's secret is nowhere with Airlock or the workers"):
            self.expect_no_secret()

    def settings(self) -> str:
        """What the documentation says to put into airflow.cfg."""
        raise NotImplementedError

    def attach(self) -> dict:
        """Makes a Deployment for the Airflow, as the documentation says."""
        raise NotImplementedError

    def token(self, name: str, queue: str) -> dict:
        return self.airlock.follow("token", token_name=name, queue=queue)

    def start_worker(self, name: str, queue: str, token: dict) -> Worker:
        commands = docs.block(
            "worker",
            remoteApiUrl=self.deployment["remoteExecution"]["remoteApiUrl"],
            agent_token=token["token"],
            agent_token_id=token["id"],
            worker_name=name,
            queue=queue,
        )
        return Worker(self.installation, self.folder / f"worker-{name}", DAGS, name, commands)

    def expect_no_secret(self):
        secret = self.airflow.jwt_secret.encode()
        for file in self.folder.rglob("*"):
            if file.is_file() and self.airflow.home not in file.parents:
                assert secret not in file.read_bytes(), f"{file} has Airflow's secret"


class Jwks(Gate):
    TITLE = "jwks: Airflow trusts Airlock's keys, and Airlock has no secret of Airflow"

    def settings(self) -> str:
        return docs.block("airflow.cfg jwks", public_URL=self.airlock.url)

    def attach(self) -> dict:
        return self.airlock.follow("attach jwks", Airflow_URL=self.airflow.url)


class Secret(Gate):
    TITLE = "secret: Airlock has the secret of Airflow's workers"

    def settings(self) -> str:
        return ""

    def attach(self) -> dict:
        return self.airlock.follow("attach secret", Airflow_URL=self.airflow.url, jwt_secret=self.airflow.jwt_secret)
