"""The study's states, as they lie in the repository, give its pages' tables where nothing else is
but the model.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.open_store import Store, open_store
from storage.sql.presenting import as_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
STATES = {
    "results": ("study.toml", "docs/study-135m"),
    "rounds": ("rounds.toml", "docs/study-135m/rounds"),
}
"""Page -> settings and folder of its state."""


@dataclass(frozen=True)
class Brought:
    """A page, and what its command printed and wrote in an empty home that has the embedded model
    only.
    """

    page: str
    rows: dict[str, int]
    output: str
    store: Store


@pytest.fixture(scope="module", params=STATES)
def brought(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model_folder: Path
) -> Brought:
    settings, state = STATES[request.param]
    home = tmp_path_factory.mktemp(request.param)
    (home / "models").symlink_to(model_folder.parent)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("REGENESIS_")
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "flows.cli.main",
            "compare",
            "--settings",
            f"docs/study-135m/{settings}",
            "--from",
            state,
            "--yes",
            "--home",
            str(home),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Brought(
        page=(ROOT / "docs" / "study-135m" / f"{request.param}.md").read_text("utf-8"),
        rows=json.loads((ROOT / state / "state.json").read_text("utf-8"))["rows"],
        output=done.stdout,
        store=open_store(f"duckdb:///{home / 'regenesis.duckdb'}"),
    )


def test_the_state_gives_the_table_of_the_page_and_nothing_is_generated(brought: Brought) -> None:
    table = [
        line.rstrip()
        for line in brought.output.splitlines()
        if line.startswith("method ") or "% to " in line
    ]

    assert "\n".join(table) in brought.page
    assert "0 tokens generated in this run." in brought.output
    for name in ("paths", "answers", "trials"):
        assert brought.store.query(f"SELECT count(*) AS n FROM {name}").to_pylist() == [
            {"n": brought.rows[name]}
        ]


def test_each_query_of_the_page_gives_what_stands_below_it(brought: Brought) -> None:
    shown = re.findall(r"```sql\n(.*?)```\n```text\n(.*?)```", brought.page, flags=re.DOTALL)

    assert shown
    for sql, text in shown:
        rows = brought.store.query(sql)
        assert as_table(
            rows.column_names, [list(row.values()) for row in rows.to_pylist()]
        ) == text.rstrip("\n"), sql
