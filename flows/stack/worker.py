"""A worker for containers: told to end, it first cancels its own runs, which can go on later.

Prefect's own worker would wait for them until it is killed.
"""

import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

from httpx import HTTPError
from prefect.client.orchestration import get_client

from flows.stack.plan import WORKER
from flows.stack.runs import cancel_live_runs

# how late the end of the worker itself may be noticed; a signal is noticed at once
LOOK_SECONDS = 0.5


def run_worker() -> int:
    """Prefect's worker until it ends or this process is told to; its exit code."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: told.set())
    name = socket.gethostname()
    worker = subprocess.Popen([sys.executable, *WORKER, "--name", name])
    while worker.poll() is None and not told.wait(LOOK_SECONDS):
        pass
    if worker.poll() is None:
        with suppress(HTTPError, OSError, RuntimeError), get_client(sync_client=True) as client:
            cancel_live_runs(client, "the worker ends", worker=name)
        worker.terminate()
    return worker.wait()


if __name__ == "__main__":
    sys.exit(run_worker())
