"""Dags that come to Airflow by a deploy, through the API."""

import io
import tarfile
import urllib.request

from . import http
from .airlock import Airlock

DAG = '''"""A Dag that is nowhere but in a deploy."""

from airflow.sdk import Connection, dag, task


@dag("deployed", schedule=None, default_args={"queue": "default"})
def tasks():
    @task
    def read():
        assert Connection.get("warehouse").password == "of the object"
        print("the first deploy ran")

    read()


tasks()
'''


def deploy(airlock: Airlock, deployment: str, files: dict[str, str]):
    """Makes these files what is current: creates a deploy, uploads, finalizes."""
    path = f"/deployments/{deployment}/deploys"
    made = airlock.call("POST", path, {"type": "DAG_ONLY"}).expect(200).json
    version = upload(made["dagsUploadUrl"], archive(files))
    airlock.call("POST", f"{path}/{made['id']}/finalize", {"dagTarballVersion": version}).expect(200)


def upload(url: str, archive: bytes) -> str:
    """Uploads an archive to a signed URL; its version."""
    request = urllib.request.Request(url, method="PUT", data=archive, headers={"x-ms-blob-type": "BlockBlob"})
    with http.OPENER.open(request, timeout=30) as answer:
        return answer.headers["x-ms-version-id"]


def archive(files: dict[str, str]) -> bytes:
    """Files as a .tar.gz."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return made.getvalue()


def allow(airlock: Airlock, deployment: str):
    """Says that a Deployment takes Dags and, for it is for development, may hibernate."""
    path = f"/deployments/{deployment}"
    now = airlock.get(path).expect(200).json
    needed = ["type", "executor", "isCicdEnforced", "isHighAvailability", "schedulerSize"]
    kept = {key: now[key] for key in ["name", "workspaceId", "environmentVariables", *needed]}
    said = {"isDagDeployEnabled": True, "isDevelopmentMode": True, "remoteExecution": {"enabled": True}}
    airlock.call("POST", path, kept | said).expect(200)
