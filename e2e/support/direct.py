"""Airflow and a worker without Airlock: what the gate is held against, and recorded from."""

import json
from pathlib import Path

from .airflow import Airflow, Installation
from .processes import until
from .recorder import Recorder
from .worker import Worker

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "e2e/dags"


class Direct:
    TITLE = "direct: the worker has Airflow's own secret"

    def __init__(self, steps, installation: Installation, folder: Path):
        self.steps, self.installation, self.folder = steps, installation, folder
        self.airflow = Airflow(installation, folder / "airflow", DAGS)
        self.api_url = self.airflow.url

    def run(self):
        steps, airflow = self.steps, self.airflow
        with steps("start Airflow"):
            airflow.start()
            airflow.wait_for_dags("short_default", "long_default", "wide_default")
            airflow.add_connection("gate_connection", "of the connection")
        with steps("a worker registers"):
            worker = self.start_worker()
            until("the worker is idle", lambda: airflow.shows("one", "idle"), 60, [worker])
        with steps("a Dag runs"):
            airflow.trigger("wide_default").expect_success([worker])
        with steps("a long task runs, and is failed by Airflow"):
            run = airflow.trigger("long_default")
            until("its log says that it waits", lambda: run.log_has("wait", "waiting to be"), 60, [worker])
            self.wait_while_long_task_runs()
            run.fail("wait")
            until("the worker is idle again", lambda: airflow.shows("one", "idle"), 60, [worker])
        with steps("the worker ends when told to"):
            assert worker.stop(30) == 0, "the worker's exit code"
        self.finish()

    def start_worker(self) -> Worker:
        commands = f"""
            export AIRFLOW__EDGE__API_URL={self.api_url}/edge_worker/v1/rpcapi
            export AIRFLOW__API_AUTH__JWT_SECRET={self.airflow.jwt_secret}
            airflow edge worker --edge-hostname one --queues default"""
        return Worker(self.installation, self.folder / "one", DAGS, "one", commands)

    def wait_while_long_task_runs(self):
        pass

    def finish(self):
        pass


class Record(Direct):
    TITLE = "record: the same, through a proxy that keeps everything but tokens"
    FILE = ROOT / "tests/tests/airflow/recorded-3.3.2.json"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.recorder = Recorder(self.airflow.url)
        self.api_url = self.recorder.url

    def wait_while_long_task_runs(self):
        until("a heartbeat of the task", lambda: self.recorder.has("PUT", "/heartbeat"))

    def finish(self):
        self.FILE.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.recorder.exchanges, indent=1, ensure_ascii=False)
        self.FILE.write_text(text.replace(str(self.folder), "/opt") + "\n")
