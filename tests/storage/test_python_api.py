"""The public Python API: its names, its types, and the notebook page, every block of which runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import storage
from storage.store.store import Store
from tests.fakes.story_store import story_store

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "notebook.md").read_text("utf-8")


def test_the_public_names_are_these_four() -> None:
    assert storage.__all__ == ["Store", "open_store", "read_environment", "records"]
    assert {name: getattr(storage, name) for name in storage.__all__}.keys() == set(storage.__all__)
    assert storage.Store is Store
    with pytest.raises(AttributeError, match="has no attribute 'opened'"):
        storage.opened  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    "first", ["", "import storage.open_store", "from storage.open_store import Store"]
)
def test_open_store_is_the_function_whatever_was_imported_before(first: str) -> None:
    program = (
        f"{first}\nfrom storage import Store, open_store, read_environment,"
        " records\nprint(callable(open_store))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert ran.stdout == "True\n"


def test_the_package_loads_neither_duckdb_nor_arrow_before_they_are_needed() -> None:
    program = (
        "import sys, storage\nprint([name for name in ('duckdb', 'pyarrow') if name in"
        " sys.modules])"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert ran.stdout == "[]\n"


def test_each_package_says_that_it_has_types() -> None:
    for package in ("flows", "tasks", "storage"):
        assert (ROOT / package / "py.typed").is_file()


def test_every_block_of_the_notebook_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    story_store(tmp_path / "home" / "regenesis.duckdb")
    monkeypatch.setenv("REGENESIS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REGENESIS_STORE", raising=False)
    names: dict[str, Any] = {}

    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(block, names)

    assert list(names["rounds"]["round"]) == [1, 2, 3]
    assert names["path"].question_id == names["question"].id
    assert "sums" in capsys.readouterr().out
