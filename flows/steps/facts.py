"""What the store knows of the round at work, and how it reads to a person.

A stage that is done is a fact of the store, so any process can go on with the round.
"""

from collections import Counter
from collections.abc import Sequence

from flows.runs.results import Result
from flows.steps.workplace import Workplace
from storage.errors import InputError
from storage.lineage.lineage_tree import find_record
from storage.open_store import Store
from storage.records import Adapter, Answer, Evaluation, Model, Question, TrainingSet
from tasks.evaluation.noise import noise_sample
from tasks.reports.round_report import harness_table, round_table
from tasks.training.train_adapter import model_of

PARTS = ("train", "gate", "final")
# in the order of a report's columns
ROLES = ("base", "champion", "challenger")


def find_model(store: Store, prefix: str) -> Model:
    """The model whose id, or whose adapter's id, begins so."""
    found = find_record(store, prefix)
    if found.table == "adapters":
        models = store.select(Model, adapter_id=found.id)
    else:
        models = store.select(Model, id=found.id)
    if not models:
        raise InputError(f"A model or an adapter was expected; {prefix!r} is in {found.table}.")
    return models[0]


def count_questions(work: Workplace) -> Result:
    """How many questions the round reads."""
    parts = Counter(question.part for question in work.questions("train", "gate", "final"))
    text = (
        f"Round {work.round.number} reads "
        + ", ".join(f"{parts[part]} {part}" for part in PARTS)
        + " questions."
    )
    return Result("ingested", text, {"round": work.round.number, "parts": dict(parts)})


def count_paths(work: Workplace) -> Result:
    """What the round's synthesis has given so far."""
    draw = work.round.number
    with work.store.reading():
        [written] = work.store.query(
            "SELECT count(*) AS paths FROM paths WHERE draw = ?", [draw]
        ).to_pylist()
        judged = work.store.query(
            "SELECT verdict, count(*) AS paths FROM verdicts"
            " WHERE draw = ? AND verifier = 'reference' GROUP BY verdict ORDER BY verdict",
            [draw],
        ).to_pylist()
    paths = written["paths"]
    verdicts = {row["verdict"]: row["paths"] for row in judged}
    text = (
        f"Round {work.round.number}: {paths} paths, "
        + ", ".join(f"{n} {v}" for v, n in verdicts.items())
        + "."
    )
    return Result(
        "synthesized",
        text,
        {"round": work.round.number, "paths": paths, "verdicts": verdicts},
    )


def describe_challenger(work: Workplace) -> Result:
    """What was trained."""
    adapter = challenger_of(work)
    if adapter is None:
        raise InputError(f"Round {work.round.number} has no challenger yet. Run: regenesis train")
    text = f"{adapter.name}: {adapter.kind} trained in {adapter.seconds:.0f} s, id {adapter.id}."
    return Result(
        "trained",
        text,
        {"round": work.round.number, "adapter": adapter.id, "location": adapter.location},
    )


def describe_evaluations(work: Workplace, more: Sequence[str] = ()) -> Result:
    """The round's table so far, and `more` lines."""
    tables = [round_table(work.store, work.round), *harness_table(work.store, work.round), *more]
    return Result("evaluated", "\n".join(tables), {"round": work.round.number})


def roles_of(work: Workplace) -> list[str]:
    """Who answers in this round: in the first the base is the champion."""
    return (
        ["base", "challenger"]
        if work.round.champion_model_id == work.base.record.id
        else list(ROLES)
    )


def training_set_of(work: Workplace) -> TrainingSet | None:
    """The round's training set; that it exists says that its synthesis is done."""
    found = work.store.select(TrainingSet, round_id=work.round.id, method="regenesis")
    return found[-1] if found else None


def challenger_of(work: Workplace) -> Adapter | None:
    """The adapter that the round trained."""
    found = work.store.select(Adapter, round_id=work.round.id, order_by="created_at")
    return found[-1] if found else None


def writer_of(work: Workplace) -> Model:
    """The model that writes the round's paths, as the settings say."""
    return model_in(work, "champion" if work.settings.synthesis.writer == "champion" else "base")


def model_in(work: Workplace, role: str) -> Model:
    """The model that has this role in the round."""
    if role == "base":
        return work.base.record
    if role == "champion":
        found = work.store.get(Model, work.round.champion_model_id)
        if found is None:
            raise InputError(
                f"Champion {work.round.champion_model_id} is not in the store. Run: regenesis"
                " storage check"
            )
        return found
    adapter = challenger_of(work)
    if adapter is None:
        raise InputError(f"Round {work.round.number} has no challenger yet. Run: regenesis train")
    return model_of(work.base.record, adapter)


def to_ask_twice(work: Workplace, model: Model, questions: Sequence[Question]) -> list[Question]:
    """The questions of the round's A/A run: some of the champion's, until they are known."""
    if model.id != work.round.champion_model_id:
        return []
    sample = noise_sample(questions, work.settings.evaluation.noise_questions)
    known = work.store.select(Answer, model_id=model.id, question_id=[one.id for one in sample])
    return (
        sample
        if {one.id for one in sample} - {answer.question_id for answer in known if answer.sample}
        else []
    )


def is_evaluated(work: Workplace, model: Model, questions: Sequence[Question]) -> bool:
    """Whether each set and part has its row."""
    done = work.store.select(Evaluation, round_id=work.round.id, model_id=model.id)
    return {(q.question_set_id, q.part) for q in questions} <= {
        (row.question_set_id, row.part) for row in done
    }
