"""A small store that has seen everything.

3 rounds, 2 re-judgings, a person's verdict, shared paths, two training methods, a parent adapter,
hinted and direct paths, answers that were fixed and broken.
"""

from datetime import timedelta
from uuid import UUID

from storage.ids import content_id
from storage.records import (
    AdaptedGuideline,
    Adapter,
    Answer,
    Comparison,
    ComparisonFigure,
    Evaluation,
    EvaluationFigure,
    FailedRequest,
    Guideline,
    Label,
    Model,
    Path,
    Pool,
    Promotion,
    Prompt,
    Question,
    QuestionSet,
    Record,
    Round,
    Selection,
    Structure,
    TrainingExample,
    TrainingSet,
    Trial,
    Verdict,
)
from tests.storage.examples import NOW, make

ROUNDS = (1, 2, 3)
TRAIN_QUESTIONS = range(4)
GATE_QUESTIONS = range(3)
GUIDELINES = range(3)

SUMS = make(QuestionSet, "sums", name="sums", domain="in_domain", source="sums.jsonl")
RIDDLES = make(
    QuestionSet, "riddles", name="riddles", domain="out_of_domain", source="procedural:riddles"
)
ADVICE = [
    make(Guideline, n, name=f"guideline-{n}", position=n + 1, text=f"Advice {n}")
    for n in GUIDELINES
]
PROMPTS = {
    name: make(Prompt, name, name=name, text=f"[user]\n{name}")
    for name in ("adapt", "structure", "path", "answer")
}
BASE = make(Model, "base", name="small", base_model_id=content_id("models", "base"))


def whole_story() -> list[Record]:
    """Every record, parents first."""
    records: list[Record] = [SUMS, RIDDLES, *ADVICE, *PROMPTS.values(), BASE]
    kept: list[Path] = []
    for number in ROUNDS:
        records += _one_round(number, kept)
    return records + _comparison()


def _comparison() -> list[Record]:
    """A comparison whose one trial is the first round's training set."""
    comparison = make(Comparison, "study", name="study", base_model_id=BASE.id, status="finished")
    pool = make(Pool, "study", model_id=BASE.id, draw=1, strategy="regenesis", paths=12)
    trial = make(
        Trial,
        "study",
        comparison_id=comparison.id,
        method="regenesis",
        seed=1,
        iteration=1,
        iterations=1,
        learning_rate=5e-4,
        pool_id=pool.id,
        training_set_id=make(TrainingSet, (1, "regenesis")).id,
        adapter_id=make(Adapter, 1).id,
        model_id=challenger(1).id,
        prompt_id=PROMPTS["answer"].id,
    )
    figure = make(
        ComparisonFigure, "study", comparison_id=comparison.id, name="accuracy", method="regenesis"
    )
    return [comparison, pool, trial, figure]


def round_id(number: int) -> UUID:
    """The id of a round of the story."""
    return make(Round, number).id


def challenger(number: int) -> Model:
    """The model that a round of the story trained."""
    return make(
        Model,
        f"challenger-{number}",
        name=f"small+round{number}",
        base_model_id=BASE.id,
        adapter_id=make(Adapter, number).id,
    )


def _one_round(number: int, kept: list[Path]) -> list[Record]:
    start = NOW + timedelta(days=number)
    champion = BASE if number == 1 else challenger(number - 1)
    this = make(
        Round,
        number,
        number=number,
        line="small · story",
        base_model_id=BASE.id,
        champion_model_id=champion.id,
        status="finished",
        outcome="promoted",
        reason="",
        started_at=start,
        finished_at=start + timedelta(minutes=9),
    )
    records: list[Record] = [this]
    paths: list[Path] = []
    for index in TRAIN_QUESTIONS:
        question = _question(SUMS, "train", number, index)
        records.append(question)
        for guideline in ADVICE:
            chain = _chain(question, guideline, number, hinted=index == 3, model=champion)
            records += chain
            paths.append(chain[-1])
        if index != 3:  # the hinted one
            direct = _path(question, None, None, None, number, hinted=False, model=champion)
            records.append(direct)
            paths.append(direct)
    verdicts = [verdict for path in paths for verdict in _verdicts(path, number)]
    failed = make(
        FailedRequest,
        number,
        question_id=paths[0].question_id,
        stage="path",
        draw=number,
        round_id=this.id,
    )
    records += [*verdicts, failed]
    kept += [
        path for path in paths if _label(path, number) == "correct" and path.strategy == "regenesis"
    ]
    records += _training(number, paths, kept)
    return records + _evaluation(number, champion)


def _question(source: QuestionSet, part: str, draw: int, index: int) -> Question:
    return make(
        Question,
        (source.name, part, draw, index),
        question_set_id=source.id,
        source_row_id=f"{part}-{draw}-{index}",
        part=part,
        draw=draw,
        text=f"What is {draw} + {index}?",
        answer=str(draw + index),
    )


def _generated(
    question: Question, prompt: str, draw: int, hinted: bool, model: Model
) -> dict[str, object]:
    return {
        "question_id": question.id,
        "model_id": model.id,
        "prompt_id": PROMPTS[prompt].id,
        "sampling": "{}",
        "draw": draw,
        "hinted": hinted,
        "round_id": round_id(draw),
        "prompt_tokens": 20,
        "completion_tokens": 7,
    }


def _chain(
    question: Question, guideline: Guideline, draw: int, *, hinted: bool, model: Model
) -> tuple[AdaptedGuideline, Structure, Path]:
    key = (str(question.id), guideline.name)
    adapted = make(
        AdaptedGuideline,
        key,
        guideline_id=guideline.id,
        text=f"For this question, {guideline.text.lower()}.",
        **_generated(question, "adapt", draw, hinted, model),
    )
    structure = make(
        Structure,
        key,
        guideline_id=guideline.id,
        adapted_guideline_id=adapted.id,
        text="Steps: 1. Add.",
        **_generated(question, "structure", draw, hinted, model),
    )
    return (
        adapted,
        structure,
        _path(question, guideline, adapted, structure, draw, hinted=hinted, model=model),
    )


def _path(
    question: Question,
    guideline: Guideline | None,
    adapted: AdaptedGuideline | None,
    structure: Structure | None,
    draw: int,
    *,
    hinted: bool,
    model: Model,
) -> Path:
    return make(
        Path,
        (str(question.id), guideline.name if guideline else "direct"),
        strategy="regenesis" if guideline else "direct",
        guideline_id=guideline.id if guideline else None,
        adapted_guideline_id=adapted.id if adapted else None,
        structure_id=structure.id if structure else None,
        text=f"{question.text} The answer is {question.answer}.",
        **_generated(question, "path", draw, hinted, model),
    )


def _label(path: Path, number: int) -> Label:
    return ("correct", "wrong", "correct", "unjudged")[(path.id.int + number) % 4]


def _verdicts(path: Path, number: int) -> list[Verdict]:
    """Version 1 said wrong.

    Version 2 re-judged round 1, version 3 everything; a person overruled one of them.
    """
    versions: dict[str, Label] = {"1": "wrong", "3": _label(path, number)}
    if number == 1:
        versions["2"] = "unjudged"
    verdicts = [
        make(
            Verdict,
            (str(path.id), version),
            path_id=path.id,
            draw=path.draw,
            verifier="reference",
            verifier_version=version,
            verdict=label,
            lenient_verdict=label,
            extracted="5",
            reason={"correct": "equal", "wrong": "answer_differs"}.get(label, "no_final_answer"),
            created_at=NOW + timedelta(days=int(version)),
        )
        for version, label in versions.items()
    ]
    verdicts += [
        make(
            Verdict,
            (str(path.id), verifier),
            path_id=path.id,
            draw=path.draw,
            verifier=verifier,
            verifier_version="1",
            verdict="correct" if path.hinted else "wrong",
            lenient_verdict="wrong",
            extracted="5",
            reason=reason,
            details=details,
            created_at=NOW,
        )
        for verifier, reason, details in (
            ("second", "second_opinion", '{"chosen": "sampled"}'),
            (
                "majority",
                "minority",
                '{"winner": "5", "share": 0.75, "margin": 0.5, "entropy": 0.81}',
            ),
        )
        if verifier == "second" or not path.hinted
    ]
    if path.strategy == "direct" and number == 2:
        verdicts.append(
            make(
                Verdict,
                (str(path.id), "human"),
                path_id=path.id,
                draw=path.draw,
                verifier="human",
                verdict="wrong",
                verifier_version="1",
                lenient_verdict="wrong",
                reason="human",
                rater="ann",
                created_at=NOW,
            )
        )
    return verdicts


def _training(number: int, paths: list[Path], kept: list[Path]) -> list[Record]:
    records: list[Record] = []
    for method, chosen in (("regenesis", kept), ("random", paths[:2])):
        key = (number, method)
        ids = {path.id for path in chosen}
        training_set = make(
            TrainingSet,
            key,
            round_id=round_id(number),
            method=method,
            examples=len(chosen),
            hinted_examples=sum(path.hinted for path in chosen),
        )
        records.append(training_set)
        for path in {path.id: path for path in (*kept, *paths)}.values():
            records.append(
                make(
                    Selection,
                    (key, str(path.id)),
                    training_set_id=training_set.id,
                    path_id=path.id,
                    draw=path.draw,
                    verdict_id=make(Verdict, (str(path.id), "3")).id,
                    kept=path.id in ids,
                    reason="kept" if path.id in ids else "answer_differs",
                )
            )
        records += [
            make(
                TrainingExample,
                (key, str(path.id)),
                training_set_id=training_set.id,
                path_id=path.id,
                draw=path.draw,
                question_id=path.question_id,
                position=position,
                completion=path.text,
            )
            for position, path in enumerate(chosen)
        ]
    adapter = make(
        Adapter,
        number,
        name=f"round-{number}",
        training_set_id=make(TrainingSet, (number, "regenesis")).id,
        base_model_id=BASE.id,
        parent_adapter_id=make(Adapter, number - 1).id if number > 1 else None,
        round_id=round_id(number),
        losses=[2.0, 1.0],
    )
    return [*records, adapter, challenger(number)]


def _evaluation(number: int, champion: Model) -> list[Record]:
    records: list[Record] = []
    for source in (SUMS, RIDDLES):
        questions = [_question(source, "gate", number, index) for index in GATE_QUESTIONS]
        records += questions
        for role, model in (("champion", champion), ("challenger", challenger(number))):
            labels: list[Label] = [
                "correct" if (index + (role == "challenger")) % 3 else "wrong"
                for index in GATE_QUESTIONS
            ]
            records += [
                make(
                    Answer,
                    (str(question.id), model.name),
                    strict_verdict=label,
                    lenient_verdict=label,
                    reason="equal" if label == "correct" else "answer_differs",
                    strict_extracted=question.answer if label == "correct" else "7",
                    text=f"The answer is {question.answer}.",
                    **_generated(question, "answer", number, False, model),
                )
                for question, label in zip(questions, labels, strict=True)
            ]
            records.append(
                make(
                    Evaluation,
                    (number, source.name, role),
                    round_id=round_id(number),
                    model_id=model.id,
                    question_set_id=source.id,
                    domain=source.domain,
                    part="gate",
                    draw=number,
                    role=role,
                    questions=len(questions),
                    strict_correct=labels.count("correct"),
                    lenient_correct=2,
                )
            )
            evaluation = records[-1].id
            own = {
                "evaluation_id": evaluation,
                "round_id": round_id(number),
                "source": "regenesis",
                "k": 1,
            }
            records.append(
                make(
                    EvaluationFigure,
                    evaluation,
                    name="mean_tokens",
                    value=20.0,
                    low=18.0,
                    high=22.0,
                    **own,
                )
            )
    records.append(
        make(
            Promotion,
            number,
            round_id=round_id(number),
            challenger_model_id=challenger(number).id,
            champion_model_id=champion.id,
            outcome="promoted",
            state="done",
            reasons="It gained.",
            statistics="{}",
            tests_so_far=number,
        )
    )
    return records
