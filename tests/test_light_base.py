"""The light base: what reads and shows loads no torch, vLLM, Prefect, MLflow or transformers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.story_store import story_store

HEAVY = (
    "torch",
    "vllm",
    "transformers",
    "trl",
    "peft",
    "prefect",
    "mlflow",
    "aiohttp",
    "scipy",
    "reasoning_gym",
)
LIGHT_MODULES = (
    "flows.cli.main",
    "flows.cli.explore_command",
    "flows.cli.export_command",
    "flows.cli.read_commands",
    "flows.cli.storage_commands",
    "flows.explore.server",
    "storage.open_store",
    "storage.sql.sandbox",
    "storage.lineage.lineage_tree",
    "tasks.explore.pages",
    "tasks.explore.rating",
    "tasks.export.export_adapter",
    "tasks.export.export_rows",
    "tasks.reports.round_report",
    "tasks.settings",
)


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_a_module_that_reads_and_shows_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split() == []


def test_help_does_not_load_the_settings() -> None:
    program = (
        "import sys; sys.argv = ['regenesis', '--help']\nimport flows.cli.main\ntry:\n   "
        " flows.cli.main.main()\nexcept SystemExit: pass\nprint(*(name for name in ('pydantic',"
        " 'duckdb', 'pyarrow') if name in sys.modules), file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stderr.split() == []
    assert "round" in done.stdout


@pytest.mark.parametrize(
    ("format", "file"), [("parquet", "train.parquet"), ("chat", "train.jsonl")]
)
def test_rows_are_exported_where_nothing_heavy_is_installed(
    format: str, file: str, tmp_path: Path
) -> None:
    story_store(tmp_path / "home" / "regenesis.duckdb")
    command = [
        "regenesis",
        "export",
        str(tmp_path / "out"),
        "--format",
        format,
        "--home",
        str(tmp_path / "home"),
    ]
    absent = (*HEAVY, "datasets", "yaml", "safetensors")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}))\n"
        f"sys.argv = {command!r}\nimport flows.cli.main; flows.cli.main.main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["README.md", file]
