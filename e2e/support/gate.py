"""Workers behind the gate, one of which loses its token."""

import time
from pathlib import Path

from . import deploys, docs
from .airflow import Airflow, Installation
from .airlock import Airlock, binary
from .direct import DAGS
from .processes import Failed, until
from .worker import Worker


class Gate:
    """What both ways of attaching an Airflow have in common."""

    def __init__(self, steps, installation: Installation, folder: Path):
        self.steps, self.installation, self.folder = steps, installation, folder
        self.synced = folder / "synced"
        self.airflow = Airflow(installation, folder / "airflow", DAGS, self.synced / "dag-processor/dags")

    def run(self):
        self.start()
        self.connect_workers()
        self.run_tasks()
        self.environment()
        self.deploy()
        self.hibernate()
        self.cordon()
        self.cut_off()
        self.go_on()

    def settings(self) -> str:
        """What the documentation says to put into airflow.cfg."""
        raise NotImplementedError

    def attach(self) -> dict:
        """Makes a Deployment for the Airflow, as the documentation says."""
        raise NotImplementedError

    def start(self):
        with self.steps("build Airlock"):
            program = binary()
        with self.steps("start Airlock"):
            self.airlock = Airlock(program, self.folder / "airlock")
        with self.steps("attach Airflow to a Deployment"):
            self.deployment = self.attach()
            self.airlock.env["AIRLOCK_DEPLOYMENT"] = self.deployment["id"]
        with self.steps("start Airflow"):
            self.airflow.write_settings(self.settings())
            self.airflow.start()
            dags = ["wide", "short", "long", "environment"]
            self.airflow.wait_for_dags(*(f"{dag}_default" for dag in dags), "short_second", "environment_second")
            self.airflow.add_connection("gate_connection", "of the connection")
        with self.steps("airlock doctor finds nothing wrong with it"):
            # Airflow's parts are not well until they have reported for the first time.
            until("doctor exits with 0", self.doctor, 30, self.airflow.servers)

    def doctor(self) -> str:
        return self.airlock.follow("doctor", deployment_id=self.deployment["id"])

    def connect_workers(self):
        variable = {
            "objectKey": "REPORTS_SCHEMA",
            "objectType": "ENVIRONMENT_VARIABLE",
            "scope": "DEPLOYMENT",
            "scopeEntityId": self.deployment["id"],
            "environmentVariable": {"value": "only in Airlock", "isSecret": True},
        }
        made = self.airlock.call("POST", "/environment-objects", variable).expect(200).json
        with self.steps("two workers register, each with a token of its own, the first by airlock agent run"):
            self.token = self.airlock.follow("token", token_name="one", queue="default")
            other = self.airlock.follow("limited token", "environment-objects.md", token_name="two", queue="second")
            self.first = self.worker("one", "default", self.token, in_environment=True)
            self.second = self.worker("two", "second", other)
            self.both = [self.first, self.second]
            for name in "one", "two":
                until(f"the worker {name} is idle", lambda: self.airflow.shows(name, "idle"), 60, self.both)
                assert self.airlock.agents()[name]["status"] == "HEALTHY", "the agent's status"
            assert "airlock: sets REPORTS_SCHEMA\n" in self.first.text(), "what it was started with"
            assert (self.token["id"], made["id"]) in self.readings(), "no record that it got a secret"

    def readings(self) -> list:
        """Who was given which secret, as the audit log says."""
        return [(r["subjectId"], r["entityId"]) for r in self.airlock.audit_log() if r["outcome"] == "READ"]

    def worker(self, name: str, queue: str, token: dict, in_environment: bool = False) -> Worker:
        commands = docs.block(
            "worker",
            remoteApiUrl=self.deployment["remoteExecution"]["remoteApiUrl"],
            agent_token=token["token"],
            agent_token_id=token["id"],
            worker_name=name,
            queue=queue,
        )
        if in_environment:
            *settings, _ = commands.splitlines(keepends=True)
            commands = "".join(settings) + docs.block(
                "worker with its environment",
                "environment-objects.md",
                Airlock_URL=self.airlock.url,
                deployment_id=self.deployment["id"],
                agent_token=token["token"],
                worker_name=name,
                queue=queue,
            )
        home, deployed = self.folder / f"worker-{name}", self.synced / name / "dags"
        return Worker(self.installation, home, DAGS, name, commands, deployed, self.airlock.env["PATH"])

    def run_tasks(self):
        with self.steps("a Dag runs on the first, and asks for most of what tasks can ask"):
            self.airflow.trigger("wide_default").expect_success(self.both)

    def environment(self):
        with self.steps("a task of the first reads a connection and an environment variable that only Airlock has"):
            made = self.airlock.follow("connection", "environment-objects.md", password="of the object")
            self.airflow.trigger("environment_default").expect_success(self.both)
        with self.steps("the audit log says that it was read, and by whom"):
            assert (self.token["id"], made["id"]) in self.readings(), "no record of it"
        with self.steps("the second, whose token does not give it, is refused it"):
            run = self.airflow.trigger("environment_second")
            assert run.end(alive=self.both) == "failed", "a task read what its agent token does not give"
            until("the task's log says so", lambda: run.log_has("read", "Access denied"), 30, self.both)

    def deploy(self):
        with self.steps("airlock agent sync waits for Dags: beside the dag-processor, and on the first worker"):
            tokens = {"dag-processor": self.airlock.env["AIRLOCK_TOKEN"], "one": self.token["token"]}
            syncs = [self.airlock.sync(self.synced / name, token) for name, token in tokens.items()]
            for sync in syncs:
                until("it has asked", lambda: "nothing to unpack yet" in sync.text(), 30, [sync])
        with self.steps("a Dag that is nowhere else is deployed through the API"):
            deploys.allow(self.airlock, self.deployment["id"])
            deploys.deploy(self.airlock, self.deployment["id"], {"dags/deployed.py": deploys.DAG})
        with self.steps("it comes to the dag-processor and the worker, runs, and reads Airlock's connection"):
            alive, files = [*self.both, *syncs], [self.synced / name / "dags/deployed.py" for name in tokens]
            until("it is on the disk", lambda: all(file.exists() for file in files), 30, alive)
            self.airflow.unpause("deployed")
            run = self.airflow.trigger("deployed")
            run.expect_success(alive)
            until("its log says so", lambda: run.log_has("read", "the first deploy ran"), 30, alive)
        with self.steps("after the next deploy, the next run is of that one"):
            again = deploys.DAG.replace("the first deploy", "the second deploy")
            deploys.deploy(self.airlock, self.deployment["id"], {"dags/deployed.py": again})
            until("it is on the disk", lambda: all("the second" in file.read_text() for file in files), 30, alive)
            run = self.airflow.trigger("deployed")
            run.expect_success(alive)
            until("its log says so", lambda: run.log_has("read", "the second deploy ran"), 30, alive)
        with self.steps("the log of the task is found through the API"):
            query = "sources=worker&searchText=the%20second%20deploy%20ran"
            path = f"/deployments/{self.deployment['id']}/logs?{query}"
            lines = lambda: [one["raw"] for one in self.airlock.get(path).expect(200).json["results"]]
            until("its line is there, with its Dag", lambda: any("deployed" in line for line in lines()), 20, alive)
        with self.steps("airlock agent sync ends when told to"):
            assert [sync.stop() for sync in syncs] == [0, 0], "the exit codes"

    def hibernate(self):
        of = self.deployment["id"]
        with self.steps("the Deployment hibernates, and its workers get no task"):
            override = f"/deployments/{of}/hibernation-override"
            self.airlock.call("POST", override, {"isHibernating": True}).expect(200)
            assert self.airlock.get(f"/deployments/{of}").expect(200).json["status"] == "HIBERNATING", "the status"
            held = self.airflow.trigger("short_default")
            until("a task is queued", lambda: held.task_state("say") == "queued", 30, self.both)
            time.sleep(8)  # the worker asks every three seconds
            assert held.task_state("say") == "queued", "a task was handed out by a Deployment that hibernates"
        with self.steps("awake, they do"):
            self.airlock.call("DELETE", override).expect(204)
            held.expect_success(self.both)

    def cordon(self):
        with self.steps("the second, cordoned, takes no task"):
            agent = self.airlock.agents()["two"]["id"]
            self.airlock.follow("cordon", agent_id=agent)
            held = self.airflow.trigger("short_second")
            until("a task is queued", lambda: held.task_state("say") == "queued", 30, self.both)
            until("it is in maintenance", lambda: self.airflow.shows("two", "maintenance mode"), 30, self.both)
            assert held.task_state("say") == "queued", "a cordoned worker took a task"
        with self.steps("uncordoned, it does"):
            self.airlock.follow("uncordon", agent_id=agent)
            held.expect_success(self.both)

    def cut_off(self):
        with self.steps("a long task runs on the first"):
            run = self.airflow.trigger("long_default")
            until("its log says that it waits", lambda: run.log_has("wait", "waiting to be"), 60, self.both)
        with self.steps("the token of the first is deleted"):
            self.airlock.follow("delete", agent_token_id=self.token["id"])
        with self.steps("Airflow shows the task failed"):
            until("the task has failed", lambda: run.task_state("wait") == "failed", 30, [self.second])
        with self.steps("the task's log says why"):
            until("its log has the reason", lambda: run.log_has("wait", "Agent token revoked"), 30, [self.second])
        with self.steps("Airflow shows the first worker offline"):
            until("it is offline", lambda: self.airflow.shows("one", "offline"), 30, [self.second])
            assert self.airlock.agents()["one"]["status"] == "TERMINATED", "the agent's status"
        with self.steps("the first worker is refused and ends"):
            self.expect_refusal(self.first)
        with self.steps("started again, it is refused at once"):
            self.expect_refusal(self.worker("one", "default", self.token))
        with self.steps("the audit log tells of it"):
            self.expect_audit("DeleteAgentToken", "CHANGED")
            self.expect_audit("CutOff", "CHANGED")
            self.expect_audit("GateHeartbeat", "REFUSED")
            self.expect_audit("GateRegister", "REFUSED")

    def expect_refusal(self, worker: Worker):
        code = worker.exit_code("the refused worker ends", 60)
        assert code == 1, f"the worker's exit code is {code}"
        assert "403, message='Forbidden'" in worker.text(), "the worker does not say that it was refused"

    def expect_audit(self, operation: str, outcome: str):
        """Waits for a record about the token that is cut off; refusals are written within a second."""
        token = self.token["id"]

        def is_there() -> bool:
            records = [r for r in self.airlock.audit_log() if (r["operationId"], r["outcome"]) == (operation, outcome)]
            return any(token == record.get("entityId") or token in record.get("reason", "") for record in records)

        until(f"a record of {operation}, {outcome}", is_there, 10)

    def go_on(self):
        with self.steps("a Dag runs on the second, which noticed nothing"):
            self.airflow.trigger("short_second").expect_success([self.second])
        with self.steps("the second worker ends when told to"):
            assert self.second.stop(30) == 0, "the worker's exit code"
            until("it is offline", lambda: self.airflow.shows("two", "offline"), 30)
        with self.steps("Airflow's secret is nowhere with Airlock or the workers"):
            self.expect_no_secret()

    def expect_no_secret(self):
        secret = self.airflow.jwt_secret.encode()
        for file in self.folder.rglob("*"):
            if file.is_file() and self.airflow.home not in file.parents:
                assert secret not in file.read_bytes(), f"{file} has Airflow's secret"


class Jwks(Gate):
    TITLE = "jwks: Airflow trusts Airlock's keys, and Airlock has no secret of Airflow"

    def settings(self) -> str:
        return docs.block("airflow.cfg jwks", public_URL=self.airlock.url, deployment_id=self.deployment["id"])

    def attach(self) -> dict:
        return self.airlock.follow("attach jwks", Airflow_URL=self.airflow.url)


class Secret(Gate):
    TITLE = "secret: Airlock has the secret of Airflow's workers"

    def settings(self) -> str:
        return ""

    def attach(self) -> dict:
        return self.airlock.follow("attach secret", Airflow_URL=self.airflow.url, jwt_secret=self.airflow.jwt_secret)
