"""`regenesis export` on the command line: what it prints, how it ends, what it leaves."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from flows.cli.main import main
from tests.fakes.story_store import NEWEST, story_store
from tests.storage.story import whole_story

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`regenesis export ...` on a home with the story."""
    story_store(home / "regenesis.duckdb")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["regenesis", "export", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run


def test_it_says_what_it_wrote_and_where(tmp_path: Path, command: Command) -> None:
    code, out, err = command(str(tmp_path / "out"))

    assert (code, err) == (0, "")
    assert f"Training set {str(NEWEST.id)[:8]} of round 3" in out
    assert f"in {tmp_path / 'out'}: README.md, train.parquet" in out


def test_json_gives_paths_and_counts(tmp_path: Path, command: Command) -> None:
    code, out, _ = command(
        str(tmp_path / "out"), "--paths", "--round", "2", "--format", "chat", "--json"
    )

    said = json.loads(out)
    lines = (tmp_path / "out" / "train.jsonl").read_text("utf-8").split("\n")[:-1]
    assert (code, said["rows"], said["question_sets"]) == (0, len(lines), {"sums": len(lines)})
    assert (said["folder"], said["files"]) == (str(tmp_path / "out"), ["README.md", "train.jsonl"])


def test_a_dry_run_leaves_nothing(tmp_path: Path, command: Command) -> None:
    code, out, _ = command(str(tmp_path / "out"), "--dry-run")

    assert (code, out.startswith("Would write")) == (0, True)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_refused_with_one_line(
    tmp_path: Path, home: Path, command: Command
) -> None:
    code, out, err = command(str(home))

    assert (code, out, len(err.strip().splitlines())) == (2, "", 1)
    assert "not empty" in err


def test_csv_is_no_format_here(tmp_path: Path, command: Command) -> None:
    code, _, err = command(str(tmp_path / "out"), "--format", "csv")

    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert "parquet, chat, datasets, axolotl" in err


def test_an_adapter_whose_files_are_gone_is_named(tmp_path: Path, command: Command) -> None:
    adapter = next(one for one in whole_story() if one.table == "adapters")

    code, _, err = command(str(tmp_path / "out"), "--adapter", str(adapter.id))

    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert str(adapter.id) in err
    assert not (tmp_path / "out").exists()


class Hub:
    """What huggingface_hub's HfApi was asked to do; no network."""

    calls: ClassVar[list[tuple[str, dict[str, Any]]]] = []
    refuses: ClassVar[str] = ""

    def __init__(self, token: str) -> None:
        self.token = token

    def create_repo(self, name: str, **given: Any) -> None:
        if self.refuses:
            raise OSError(f"{self.refuses} {self.token}")
        self.calls.append((name, given))

    def upload_folder(self, *, repo_id: str, folder_path: Path, **given: Any) -> None:
        self.calls.append(
            (repo_id, given | {"files": sorted(one.name for one in folder_path.iterdir())})
        )


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr(Hub, "calls", [])
    monkeypatch.setattr(Hub, "refuses", "")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return Hub


def test_a_push_puts_the_folder_into_a_private_repository(
    tmp_path: Path, command: Command, hub: type[Hub]
) -> None:
    code, out, _ = command(str(tmp_path / "out"), "--push", "me/paths")

    assert code == 0
    assert "Pushed to https://huggingface.co/datasets/me/paths, private" in out
    (name, created), (_, uploaded) = hub.calls
    assert (name, created["private"], created["repo_type"]) == ("me/paths", True, "dataset")
    assert uploaded["files"] == ["README.md", "train.parquet"]


def test_a_dry_push_needs_neither_token_nor_hub(
    tmp_path: Path, command: Command, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    code, out, _ = command(str(tmp_path / "out"), "--push", "me/paths", "--dry-run")

    assert (code, hub.calls) == (0, [])
    assert "Would push it to https://huggingface.co/datasets/me/paths" in out


@pytest.mark.parametrize(
    ("arguments", "token", "refuses", "says"),
    [
        (["--push", "me"], "hf_secret", "", "owner/name"),
        (["--push", "me/paths", "--private"], "hf_secret", "", "--private"),
        (["--push", "me/paths"], "", "", "HF_TOKEN"),
        (["--push", "me/paths"], "hf_secret", "401 Unauthorized", "401 Unauthorized"),
    ],
)
def test_a_push_that_cannot_be_is_one_line_without_the_token(
    arguments: list[str],
    token: str,
    refuses: str,
    says: str,
    tmp_path: Path,
    command: Command,
    hub: type[Hub],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(hub, "refuses", refuses)
    code, out, err = command(str(tmp_path / "out"), *arguments)

    assert (code, out, len(err.strip().splitlines()), hub.calls) == (2, "", 1, [])
    assert says in err
    assert "hf_secret" not in err
