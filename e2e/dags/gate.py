"""The Dags of the end-to-end test: a short and a long one for each queue."""

import time

from airflow.sdk import Variable, dag, task


def short(queue: str):
    @dag(f"short_{queue}", schedule=None, default_args={"queue": queue})
    def tasks():
        @task
        def write():
            # A key with what proxies like to touch: a slash, a space, a percent sign.
            Variable.set("end to end/100%", "kept")
            return {"letters": "äöü", "long": "x" * 100_000}

        @task
        def read(written: dict):
            assert written == {"letters": "äöü", "long": "x" * 100_000}, "an XCom came back changed"
            assert Variable.get("end to end/100%") == "kept", "a variable came back changed"
            assert Variable.get("missing", default=None) is None, "a variable came from nowhere"
            print("read what was written")

        read(write())

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


for queue in "default", "second":
    short(queue)
    long(queue)
