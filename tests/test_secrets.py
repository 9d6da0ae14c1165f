"""Secrets are planted in the environment and at an endpoint that repeats its key.

Then all that was written is searched.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from storage.errors import InputError
from storage.open_store import Store, open_store
from storage.records import FailedRequest, Round
from tasks.engines.server.endpoints import parse_endpoint
from tests.fakes.scripted_fleet import SMALL, sums, write_sums
from tests.fakes.scripted_server import Body, Reply, ScriptedServer

KEY = "planted-key-of-the-endpoint"
PLANTED = {
    "FLEET_KEY": KEY,
    "REGENESIS_SERVE_KEY": "planted-key-of-serve",
    "PGPASSWORD": "planted-password-of-postgres",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-of-the-object-store",
    "MLFLOW_TRACKING_PASSWORD": "planted-password-of-mlflow",
    "PREFECT_API_AUTH_STRING": "admin:planted-password-of-prefect",
    "HF_TOKEN": "planted-token-of-the-hub",
}
SECRETS = [value.rpartition(":")[2] for value in PLANTED.values()]
REFUSAL = f"Incorrect API key provided: {KEY}, see your account"


def repeats_its_key(body: Body, number: int) -> Reply:
    """Now and then refuses, fails or answers nonsense, and each time repeats the key that it was
    shown.
    """
    if number in (5, 34):  # of a path; an examination would end at it
        return Reply(status=400, message=REFUSAL)
    if number % 29 == 11:
        return Reply(status=500, message=REFUSAL)
    if number % 29 == 17:
        return Reply(raw=f"<html>{REFUSAL}</html>".encode())
    return sums()(body, number)


async def regenesis(environment: Mapping[str, str], *words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fakes.scripted_fleet",
        *words,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace")


def every_row(store: Store) -> str:
    """All tables as text: a DuckDB file is compressed, so its bytes alone tell nothing."""
    tables = store.query("SELECT table_name AS name FROM duckdb_tables()").to_pylist()
    return "\n".join(str(store.query(f"SELECT * FROM {row['name']}").to_pylist()) for row in tables)


def every_file(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
async def test_no_secret_is_in_what_a_round_writes_says_or_logs(tmp_path: Path) -> None:
    home, said = tmp_path / "home", list[str]()
    settings = tmp_path / "small.toml"
    settings.write_text(SMALL.format(sums="sums", train=8), "utf-8")
    files = [write_sums(tmp_path, "sums", 0, 500), write_sums(tmp_path, "other_sums", 5000, 500)]
    plain = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PREFECT_", "REGENESIS_"))
    }
    async with ScriptedServer(repeats_its_key, key=KEY) as server:
        environment = (
            plain
            | PLANTED
            | {"REGENESIS_HOME": str(home), "REGENESIS_ENDPOINTS": f"{server.url}#FLEET_KEY"}
        )
        for words in (
            ["ingest", str(files[0]), "--answer-kind", "number"],
            ["ingest", str(files[1]), "--answer-kind", "number", "--domain", "out_of_domain"],
            ["round", "--settings", str(settings), "--debug"],
            ["report", "--json"],
            ["doctor", "--settings", str(settings)],
            ["sql", "SELECT * FROM failed_requests", "--json"],
            ["export", str(tmp_path / "out"), "--private"],
            ["storage", "backup", str(tmp_path / "backup.duckdb")],
        ):
            code, output = await regenesis(environment, *words)
            said.append(output)
            assert code == 0 or words[0] == "doctor", output

    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    rows = every_row(store)
    written = every_file(tmp_path)
    assert [one.status for one in store.select(Round)] == ["finished"]
    assert any(
        "Incorrect API key provided: ***, see your account" in one.message
        for one in store.select(FailedRequest)
    )
    assert {
        home / "mlflow.db",
        home / "prefect" / "prefect.db",
        home / "logs" / "prefect.log",
    } <= set(written)
    for secret in SECRETS:
        assert secret not in rows
        assert secret not in "".join(said)
        assert [str(path) for path, content in written.items() if secret.encode() in content] == []
    assert not any(path.suffix in (".pkl", ".pickle", ".joblib", ".bin", ".pt") for path in written)


@pytest.mark.parametrize(
    "url",
    [
        f"htps://user:{KEY}@host",
        f"https://host#{KEY}",
        f"https://user:{KEY}@host#{KEY}",
        f"//user:{KEY}@/v1#{KEY}",
    ],
)
def test_an_endpoint_that_is_refused_does_not_show_its_key(url: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_endpoint(url)

    assert KEY not in str(refused.value)
