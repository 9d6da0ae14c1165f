"""Bad input, one row per case.

One clear line that says what to do, exit code 2, nothing half-written.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from storage.open_store import open_store
from storage.records import Question, QuestionSet, Round
from tasks.prompt_files import prompts_of
from tasks.settings import PRESETS, load_settings

GOOD = {"question": "What is 1 + 1?", "answer": "2", "answer_kind": "number"}
PLACE: dict[str, Any] = {"question": "Which is a metal?", "choices": ["oak", "iron"], "answer": 1}


def rows(tmp_path: Path, *questions: dict[str, Any], name: str = "q.jsonl") -> str:
    file = tmp_path / name
    file.write_text("".join(json.dumps(row) + "\n" for row in questions), "utf-8")
    return str(file)


def long_number(tmp_path: Path) -> str:
    file = tmp_path / "l.jsonl"
    file.write_text(
        '{"question": "How many?", "answer_kind": "number", "answer": ' + "7" * 5001 + "}", "utf-8"
    )
    return str(file)


def wrong_files(tmp_path: Path) -> dict[str, tuple[list[str], str]]:
    """Case -> arguments of `ingest`, and what the line must say."""
    return {
        "missing file": ([str(tmp_path / "none.jsonl")], "none.jsonl"),
        "wrong column": (
            [rows(tmp_path, GOOD, name="a.jsonl"), "--map", "question=prompt"],
            "prompt",
        ),
        "unknown field": (
            [rows(tmp_path, GOOD, name="b.jsonl"), "--map", "qestion=question"],
            "qestion",
        ),
        "no pair": ([rows(tmp_path, GOOD, name="c.jsonl"), "--map", "question"], "FIELD=COLUMN"),
        "empty question": (
            [rows(tmp_path, GOOD, GOOD | {"question": " "}, name="d.jsonl")],
            "question",
        ),
        "unknown kind": ([rows(tmp_path, GOOD | {"answer_kind": "poem"}, name="e.jsonl")], "poem"),
        "duplicates": ([rows(tmp_path, GOOD, GOOD, name="f.jsonl")], "--keep-first"),
        "not json": ([rows(tmp_path, name="g.jsonl"), "--answer-kind", "number"], "g.jsonl"),
        "unread reference": (
            [rows(tmp_path, GOOD, GOOD | {"question": "b?", "answer": "N/A"}, name="i.jsonl")],
            "row 2",
        ),
        "unknown split": (
            [rows(tmp_path, GOOD | {"split": "holdout"}, name="j.jsonl")],
            "'holdout'",
        ),
        "bytes of a number": (
            [rows(tmp_path, GOOD | {"answer": {"x": 1}}, name="k.jsonl")],
            "--map answer=COLUMN.PART",
        ),
        "5,001 digits": ([long_number(tmp_path)], "l.jsonl: row 1"),
        "a place as key": ([rows(tmp_path, PLACE, name="m.jsonl")], "--choice-key 0 or 1"),
        "unknown domain": (
            [rows(tmp_path, GOOD, name="h.jsonl"), "--domain", "elsewhere"],
            "domain",
        ),
    }


CASES = (
    "missing file",
    "wrong column",
    "unknown field",
    "no pair",
    "empty question",
    "unknown kind",
    "duplicates",
    "not json",
    "unread reference",
    "unknown split",
    "bytes of a number",
    "5,001 digits",
    "a place as key",
    "unknown domain",
)


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_question_file_is_refused_whole_with_one_line(
    case: str, tmp_path: Path, home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    arguments, said = wrong_files(tmp_path)[case]

    code, out, err = command("ingest", *arguments)

    assert code == 2, err
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert said in err
    if (home / "regenesis.duckdb").exists():
        assert open_store(f"duckdb:///{home / 'regenesis.duckdb'}").select(Question) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["round", "--preset", "best"], "preset"),
        (["round", "--settings", "nowhere.toml"], "nowhere.toml"),
        (["round", "--train-questions", "-4"], "train"),
        (["round", "--question-set", "unheard_of"], "unheard_of"),
        (["train"], "regenesis round"),
        (["report"], "regenesis round"),
        (["sql", "SELECT 1"], "regenesis"),
        (["lineage", "abcd1234"], "regenesis round"),
        (["export", "out"], "regenesis round"),
        (["export", "out", "--adapter", "abcd1234"], "regenesis round"),
        (["export", "out", "--adapter", "abcd1234", "--format", "chat"], "--format"),
        (["export", "out", "--merged"], "--adapter"),
        (["export", "out", "--training-set", "abcd1234", "--paths"], "--paths"),
        (["nonsense"], "nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_is_refused_with_one_line(
    arguments: list[str], said: str, home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = command(*arguments)

    lines = [line for line in err.strip().splitlines() if line != "Starting ..."]
    assert code == 2, err
    assert len(lines) == 1, err
    assert said in lines[0]


def test_an_unknown_setting_is_named(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text("[synthesis]\nchainz = 3\n", "utf-8")

    code, _, err = command("round", "--settings", str(file))

    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert "synthesis.chainz" in err


def test_a_home_that_cannot_be_written_is_named(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "file").write_text("", "utf-8")

    code, _, err = command("round", "--home", str(tmp_path / "file" / "home"))

    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert "REGENESIS_HOME" in err


def test_a_database_of_a_newer_version_is_left_alone(
    home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    home.mkdir()
    file = home / "regenesis.duckdb"
    open_store(f"duckdb:///{file}")
    with duckdb.connect(str(file)) as connection:
        connection.execute("UPDATE schema_migrations SET version = 9999")
    before = file.read_bytes()

    code, _, err = command("round")

    assert (code, len(err.strip().splitlines())) == (2, 1), err
    assert "newer" in err
    assert file.read_bytes() == before


def test_a_port_in_use_is_named(
    prepared_model: Any, home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        code, _, err = command("serve", "--port", port, "--model", str(prepared_model.folder))

    assert code == 2
    assert f"Port {port}" in err.splitlines()[-1]


def test_too_little_memory_for_the_model_is_said_before_anything_starts(
    prepared_model: Any,
    home: Path,
    command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tasks.engines.hardware import find_hardware
    from tasks.engines.server import vllm_server as server

    small = replace(find_hardware(), memory_bytes=2**28, available_bytes=2**27)
    monkeypatch.setattr(server, "find_hardware", lambda: small)

    code, _, err = command("serve", "--port", "0", "--model", str(prepared_model.folder))

    assert code == 2
    assert "memory" in err.splitlines()[-1]


def test_a_second_run_of_a_task_set_in_the_same_home_is_refused_and_named(
    home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    import fcntl
    import os

    home.mkdir()
    descriptor = os.open(home / "run-embedded.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    code, _, err = command("round")
    os.close(descriptor)

    assert (code, len(err.strip().splitlines())) == (2, 1), err
    assert "--home" in err
    assert not (home / "regenesis.duckdb").exists()


def test_what_a_failed_ingest_left_does_not_count_as_a_round(
    tmp_path: Path, home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    command("ingest", rows(tmp_path, GOOD, GOOD))

    code, out, _ = command(
        "ingest", rows(tmp_path, GOOD, GOOD | {"question": "What is 0 + 2?"}), "--name", "mine"
    )

    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    assert (code, len(store.select(Question)), store.select(Round)) == (0, 2, [])
    assert "mine: 2 questions" in out


def test_a_file_may_be_given_on_only_where_its_user_says_so(
    tmp_path: Path, home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    command("ingest", rows(tmp_path, GOOD, name="a.jsonl"))
    command(
        "ingest",
        rows(tmp_path, GOOD, name="b.jsonl"),
        "--redistributable",
        "--licence",
        "MIT",
        "--citation",
        "Me",
    )

    sets = open_store(f"duckdb:///{home / 'regenesis.duckdb'}").select(QuestionSet, order_by="name")
    assert [(one.redistributable, one.licence, one.citation) for one in sets] == [
        (False, "", ""),
        (True, "MIT", "Me"),
    ]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_dry_run_asks_by_the_prompt_of_the_preset(
    preset: str, tmp_path: Path, home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = command("ingest", rows(tmp_path, GOOD), "--dry-run", "--preset", preset)

    prompt = prompts_of(load_settings(preset))["answer"].text
    behind_the_question = prompt.split("{question}")[1].split("{form}")[0].strip()
    assert code == 0
    assert behind_the_question in out


def test_a_dry_run_shows_questions_as_they_will_be_asked_and_how_they_were_taken(
    tmp_path: Path, home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    answers = {
        "question": "Which country has Niamey?",
        "answer": ["Niger", "Republic of Niger"],
        "answer_kind": "text",
    }
    file = rows(
        tmp_path,
        answers,
        PLACE | {"answer_kind": "choice"},
        *(GOOD | {"question": f"{n}?"} for n in range(10)),
    )

    code, out, err = command("ingest", file, "--dry-run", "--choice-key", "0")

    assert (code, err) == (0, "")
    assert out.startswith("Would ingest q: 12 questions")
    assert "  answers: several accepted, any of them counts (1 rows)" in out
    assert "text: Niger or Republic of Niger" in out
    assert "Which is a metal?\nA. oak\nB. iron" in out
    assert [line.split(",")[0] for line in out.splitlines() if line.startswith("-- ")][
        -1
    ] == "-- 10"
    assert open_store(f"duckdb:///{home / 'regenesis.duckdb'}").select(Question) == []
