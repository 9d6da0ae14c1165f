"""MLflow's server as `regenesis up` runs it: behind a password, for this machine's names.

MLflow by itself asks nobody for anything. Started as a program: `python -m
flows.stack.mlflow_server HOME PORT`.
"""

import os
import sys
from pathlib import Path

from flows.runs.prefect_server import SERVER_AUTH
from storage.environment import secret
from storage.errors import InputError
from tasks.web_guard import LOOPBACK, KeyGuard, WebGuard, basic


def mlflow_app(home: Path, password: str) -> WebGuard:
    """MLflow's API and pages on a home's records, behind USER:PASSWORD."""
    from mlflow.server import constants
    from mlflow.server.handlers import initialize_backend_stores

    database, artifacts = f"sqlite:///{home / 'mlflow.db'}", (home / "artifacts").as_uri()
    # where MLflow's own command puts them, too
    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = database
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = artifacts
    initialize_backend_stores(database, database, artifacts)
    from mlflow.server.fastapi_app import app

    return WebGuard(KeyGuard(app, basic(password)))


def _serve(home: Path, port: int) -> None:
    # before MLflow, which takes its lists of hosts and origins where it sees a server
    import uvicorn

    password = secret(SERVER_AUTH)
    if not password:
        raise InputError(
            f"MLflow's server answers nobody without a password; {SERVER_AUTH} is not set."
        )
    uvicorn.run(mlflow_app(home, password), host=LOOPBACK, port=port, log_level="warning")


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
