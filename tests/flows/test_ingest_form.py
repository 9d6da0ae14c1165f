"""The form of the flow `ingest` says as much of a source as the command does, and the same comes of
it.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from flows.cli.round_commands import ingest as command_of_the_line
from flows.runs.parameters import ChoiceKey
from flows.stages import ingest
from storage.open_store import open_store
from storage.records import Question, QuestionSet
from tasks.rules.questions.choices import KEY_KINDS

NAMED_OTHERWISE = {"map": "mapping", "settings": "settings_toml"}
ONLY_ON_THE_LINE = {
    "known",
    "folder",
}  # an earlier name of --published, and what the form gives as `file`


def test_every_option_of_the_command_is_a_field_of_the_form() -> None:
    options = set(inspect.signature(command_of_the_line).parameters) - ONLY_ON_THE_LINE

    assert {NAMED_OTHERWISE.get(one, one) for one in options} == set(ingest.parameters.properties)
    assert set(get_args(ChoiceKey)) == set(KEY_KINDS)


def test_form_and_command_store_the_same(
    tmp_path: Path, home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    rows = [
        {"q": "Which is a metal?", "options": ["oak", "iron"], "key": 1},
        {"q": "Which is a tree?", "options": ["oak", "iron"], "key": 0},
        {"q": "which is a  tree?", "options": ["oak", "iron"], "key": 0},
        {"q": "Which is neither?", "options": ["oak", "iron"], "key": "both"},
    ]
    file = tmp_path / "odd.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    words = [
        "--map",
        "question=q,answer=key",
        "--answer-kind",
        "choice",
        "--choice-key",
        "0",
        "--keep-first",
    ]
    words += [
        "--skip-unreadable",
        "--licence",
        "MIT",
        "--citation",
        "A. Nobody",
        "--redistributable",
    ]

    code, _, err = command("ingest", str(file), "--name", "typed", *words)
    result = ingest(
        file=str(file),
        name="filled_in",
        mapping="question=q,answer=key",
        answer_kind="choice",
        choice_key="0",
        keep_first=True,
        skip_unreadable=True,
        licence="MIT",
        citation="A. Nobody",
        redistributable=True,
    )

    assert (code, err) == (0, "")
    assert result.text.startswith("filled_in: 2 questions")
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    sets = store.select(QuestionSet, order_by="name")
    assert [(one.licence, one.citation, one.redistributable) for one in sets] == [
        ("MIT", "A. Nobody", True)
    ] * 2
    typed, filled_in = (
        [
            (q.text, q.answer, q.part)
            for q in store.select(Question, question_set_id=one.id, order_by="source_row_id")
        ]
        for one in reversed(sets)
    )
    assert typed == filled_in
    assert [answer for _, answer, _ in typed] == ["B", "A"]
