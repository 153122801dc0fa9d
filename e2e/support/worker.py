"""An unmodified edge worker, set up by nothing but what a page of the documentation says."""

import shlex
from pathlib import Path

from .airflow import Installation, clean_env
from .processes import Failed, Process

# Not needed to connect: the test would otherwise wait for the defaults of 5 s and 30 s.
FASTER = {"AIRFLOW__EDGE__JOB_POLL_INTERVAL": "1", "AIRFLOW__EDGE__HEARTBEAT_INTERVAL": "5"}


class Worker(Process):
    def __init__(self, installation: Installation, home: Path, dags: Path, name: str, commands: str):
        """Starts it with `commands`: lines of `export NAME=value`, then the command line."""
        home.mkdir(parents=True, exist_ok=True)
        settings, argv = understand(commands)
        env = clean_env(home, AIRFLOW__CORE__DAGS_FOLDER=str(dags), **FASTER, **settings)
        super().__init__(f"worker {name}", [installation.folder / "bin" / argv[0], *argv[1:]], env, home / "worker.log")


def understand(commands: str) -> tuple[dict, list]:
    *exports, command = commands.strip().splitlines()
    settings = {}
    for line in exports:
        match shlex.split(line):
            case ["export", setting] if "=" in setting:
                name, _, value = setting.partition("=")
                settings[name] = value
            case _:
                raise Failed(f"expected export NAME=value, not: {line}")
    return settings, shlex.split(command)
