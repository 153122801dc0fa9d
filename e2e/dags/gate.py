"""The Dags of the end-to-end test: for each queue a short one, a long one, and one that reads a
connection and an environment variable which only Airlock has; and one that asks for most of what a
task can ask of Airflow."""

import os
import time
from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, Connection, Variable, dag, get_current_context, task

# Keys with what proxies like to touch.
KEYS = ["plain", "two words/after a slash", "ä+&=:@", "a.b~c-d_e(f)"]


def short(queue: str):
    @dag(f"short_{queue}", schedule=None, default_args={"queue": queue})
    def tasks():
        @task
        def say():
            print("a short task ran")

        say()

    return tasks()


def long(queue: str):
    @dag(f"long_{queue}", schedule=None, default_args={"queue": queue})
    def tasks():
        @task
        def wait():
            print("waiting to be cut off", flush=True)
            time.sleep(600)

        wait()

    return tasks()


def wide(queue: str):
    asset = Asset(name="gate asset", uri="x-gate://asset")
    large = {"letters": "äöü", "many": "x" * 1_000_000}

    @dag(f"wide_{queue}", schedule=None, default_args={"queue": queue})
    def tasks():
        @task(outlets=[asset])
        def write():
            for key in KEYS:
                Variable.set(key, f"the value of {key}")
            get_current_context()["ti"].xcom_push("a large one", large)
            return ["a", "b"]

        @task
        def mapped(item: str):
            return item.upper()

        @task(inlets=[asset])
        def read(results):
            context = get_current_context()
            ti = context["ti"]
            assert sorted(results) == ["A", "B"], "the XComs of mapped tasks came back changed"
            assert ti.xcom_pull(task_ids="write", key="a large one") == large, "an XCom came back changed"
            for key in KEYS:
                assert Variable.get(key) == f"the value of {key}", f"the variable {key} came back changed"
                Variable.delete(key)
            assert Variable.get("missing", default=None) is None, "a variable came from nowhere"
            assert Connection.get("gate_connection").password == "of the connection"
            assert len(context["inlet_events"][asset]) == 1, "an event of an asset is missing"
            assert ti.get_first_reschedule_date(context) is None
            assert ti.get_dagrun_state(context["dag"].dag_id, context["run_id"]) == "running"
            assert ti.get_ti_count(context["dag"].dag_id, run_ids=[context["run_id"]]) > 5

        @task.short_circuit(retries=1, retry_delay=timedelta(seconds=1))
        def fail_then_stop():
            assert get_current_context()["ti"].try_number > 1, "the first try fails on purpose"
            return False

        @task
        def skipped():
            raise AssertionError("this task was to be skipped")

        read(mapped.expand(item=write()))
        fail_then_stop() >> skipped()
        TriggerDagRunOperator(task_id="trigger", trigger_dag_id=f"short_{queue}")

    return tasks()


def environment(queue: str):
    @dag(f"environment_{queue}", schedule=None, default_args={"queue": queue})
    def tasks():
        @task
        def read():
            connection = Connection.get("warehouse")
            found = connection.conn_type, connection.host, connection.login, connection.password
            assert found == ("postgres", "db.example.com", "etl", "of the object"), "the connection came changed"
            assert os.environ.get("REPORTS_SCHEMA") == "only in Airlock", "the worker's environment lacks it"

        read()

    return tasks()


for queue in "default", "second":
    short(queue)
    long(queue)
    environment(queue)
wide("default")
