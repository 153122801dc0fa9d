"""An unmodified edge worker, set up by nothing but what a page of the documentation says."""

import os
import shlex
import shutil
from pathlib import Path

from .airflow import Installation, bundles, clean_env
from .processes import Failed, Process

# None of these is needed to connect. The test would wait for the defaults of the first three: 5 s,
# 30 s and 5 s. One task at a time and no more than one question for a task in three seconds, because
# Airflow on SQLite may give a job out twice to a worker that asks twice at once, as it does when the
# answer is not there in time. And on a busy machine Airflow may take longer than 5 s for an answer.
FOR_THE_TEST = {
    "AIRFLOW__EDGE__JOB_POLL_INTERVAL": "3",
    "AIRFLOW__EDGE__HEARTBEAT_INTERVAL": "5",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__EDGE__WORKER_CONCURRENCY": "1",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
}


class Worker(Process):
    def __init__(
        self,
        installation: Installation,
        home: Path,
        dags: Path,
        name: str,
        commands: str,
        deployed: Path | None = None,
        path: str = os.environ["PATH"],
    ):
        """Starts it with `commands`: lines of `export NAME=value`, then the command line. Its programs
        are Airflow's, or those in `path`."""
        home.mkdir(parents=True, exist_ok=True)
        settings, argv = understand(commands)
        settings |= {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "PATH": f"{installation.folder / 'bin'}:{path}"}
        env = clean_env(home, **FOR_THE_TEST, **bundles(deployed), **settings)
        program = shutil.which(argv[0], path=env["PATH"])
        if not program:
            raise Failed(f"there is no program {argv[0]}")
        log = home / f"start-{len(list(home.glob('start-*.log'))) + 1}.log"
        super().__init__(f"worker {name}", [program, *argv[1:]], env, log)


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
