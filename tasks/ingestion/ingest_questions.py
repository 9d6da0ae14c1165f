"""Ingest: question sets in, with their three disjoint parts fixed for ever.

Embedded sets are drawn by a seed: train and gate afresh for each round, final once. Files are read
whole and checked before anything is written; one transaction a set.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from storage.errors import InputError
from storage.ids import canonical, content_id
from storage.open_store import Store
from storage.records import Domain, Part, Question, QuestionSet
from tasks.engines.procedural import drawn_questions, procedural_names
from tasks.ingestion.question_files import (
    FileMapping,
    QuestionFile,
    RowSource,
    SourceRow,
    read_questions,
)
from tasks.rules.questions.parts import part_of, round_seed, sample_questions
from tasks.rules.questions.published_sets import PUBLISHED_SETS
from tasks.settings import QuestionSettings, Settings

# Draws without a new text, after which a set is taken to have none left.
MOST_REPEATS = 20_000
SHARES = (0.8, 0.1, 0.1)  # of train, gate and final in a set that has no split of its own
# of the package reasoning-gym, whose generators write the questions
EMBEDDED_LICENCE = "Apache-2.0"
EMBEDDED_CITATION = "Stojanovski et al., Reasoning Gym, 2025"


@dataclass(frozen=True)
class Ingested:
    """A file's set and questions, and how its rows were read."""

    question_set: QuestionSet
    questions: list[Question]
    read: QuestionFile


def ingest_embedded(store: Store, settings: Settings, draw: int) -> list[QuestionSet]:
    """Draw this round's train and gate questions of every procedural set, and final ones once.

    Sets that are not procedural must have been ingested from a file. Drawing twice changes nothing.
    """
    sets: list[QuestionSet] = []
    for domain, names in _by_domain(settings.questions):
        for name in names:
            with store.alone("drawing"):  # two rounds at once would both draw what is not there yet
                question_set, new = _drawn_for_round(store, settings, name, domain, draw)
                if name in procedural_names():
                    store.append([question_set, *new])
            sets.append(question_set)
    return sets


def train_questions_ahead(store: Store, settings: Settings, draw: int) -> list[Question]:
    """The train questions that a round of this number will read; nothing is stored."""
    chosen: list[Question] = []
    for name in settings.questions.in_domain:
        question_set, new = _drawn_for_round(store, settings, name, "in_domain", draw)
        own_draw = draw if question_set.source.startswith("procedural:") else 0
        stored = store.select(
            Question, question_set_id=question_set.id, part="train", draw=own_draw
        )
        seed = round_seed(settings.seed, "train", draw, question_set.id)
        fresh = [one for one in new if one.part == "train"]
        chosen += sample_questions([*stored, *fresh], settings.questions.train_per_set, seed)
    return chosen


def check_question_sets(store: Store, settings: Settings) -> None:
    """Raise InputError where the settings name a set neither procedural nor in the store."""
    for domain, names in _by_domain(settings.questions):
        for name in names:
            if name not in procedural_names():
                set_named(store, name, domain)


def questions_of(store: Store, settings: Settings, part: Part, draw: int) -> list[Question]:
    """The questions that a round reads: those drawn for it, and of fixed sets a seeded choice.

    `train` gives in-domain sets only. Fixed sets choose other train questions each round, always
    the same gate and final ones.
    """
    sizes = settings.questions
    count = {
        "train": sizes.train_per_set,
        "gate": sizes.gate_per_set,
        "final": sizes.final_per_set,
    }[part]
    chosen: list[Question] = []
    with store.reading():
        for domain, names in _by_domain(settings.questions):
            if part == "train" and domain == "out_of_domain":
                continue
            for name in names:
                found = set_named(store, name, domain)
                own_draw = draw if found.source.startswith("procedural:") and part != "final" else 0
                questions = store.select(
                    Question, question_set_id=found.id, part=part, draw=own_draw
                )
                seed = round_seed(settings.seed, part, draw if part == "train" else 0, found.id)
                chosen += sample_questions(questions, count, seed)
    return chosen


def set_named(store: Store, name: str, domain: Domain) -> QuestionSet:
    """The newest set of this name; raises InputError for none, or for one of the other domain."""
    found = store.select(QuestionSet, name=name, order_by="created_at")
    if not found:
        is_known = any(name == known.name for known in PUBLISHED_SETS)
        source = f"--published {name}" if is_known else f"FILE --name {name} --domain {domain}"
        raise InputError(
            f"Question set {name!r} is not in the store. Run: regenesis ingest {source}"
        )
    if found[-1].domain != domain:
        raise InputError(
            f"Question set {name!r} was ingested as {found[-1].domain}, but the settings use it as"
            f" {domain}; a set is never both. Change questions.in_domain / questions.out_of_domain."
        )
    return found[-1]


@dataclass(frozen=True)
class NewSet:
    """What a person says of a question set: name, use, columns, and the source's terms."""

    name: str
    domain: Domain
    mapping: FileMapping | None = None
    """None: the columns have the names of the fields."""
    keep_first: bool = False
    skip_unreadable: bool = False
    licence: str = ""
    citation: str = ""
    redistributable: bool = False


def ingest_rows(
    store: Store, source: RowSource, wanted: NewSet, *, dry_run: bool = False
) -> "Ingested":
    """The rows of a file or of the hub as a question set, parted by SHARES where it has no split.

    Raises InputError naming source and row for the first thing that is wrong; then nothing is
    written. The same rows again change nothing.
    """
    columns = wanted.mapping or FileMapping.of({}, "")
    read = read_questions(
        source, columns, keep_first=wanted.keep_first, skip_unreadable=wanted.skip_unreadable
    )
    rows, shares = read.rows, SHARES
    if wanted.domain == "out_of_domain" and not any(row.split for row in rows):
        # out of domain nothing is trained on, so the training share goes to both held-out parts
        shares = (0.0, shares[1] + shares[0] / 2, shares[2] + shares[0] / 2)
    now = datetime.now(UTC).replace(tzinfo=None)
    question_set = QuestionSet(
        id=content_id("question_sets", wanted.name, source.origin, source.digest, wanted.domain),
        name=wanted.name,
        domain=wanted.domain,
        source=source.origin,
        digest=source.digest,
        mapping=canonical(columns.as_json()),
        licence=wanted.licence,
        citation=wanted.citation,
        redistributable=wanted.redistributable,
        created_at=now,
    )
    refuse_other_domain(store, question_set)
    questions = [
        as_question(question_set, row, part_of(row.text, row.split, shares), now) for row in rows
    ]
    _refuse_brought_before(store, question_set, questions)
    if not dry_run:
        store.append([question_set, *questions])
    return Ingested(question_set, questions, read)


def _refuse_brought_before(
    store: Store, question_set: QuestionSet, questions: Sequence[Question]
) -> None:
    """Where rounds would read other questions than those of the file, or in other parts.

    A comparison's state may have brought the set before, with anything in it.
    """
    newer = [
        one
        for one in store.select(QuestionSet, name=question_set.name)
        if one.created_at > datetime.now(UTC)
    ]
    read = {(one.id, one.part) for one in questions}
    stored = store.query(
        "SELECT id, part, text FROM questions WHERE question_set_id = ? AND draw = 0",
        [question_set.id],
    ).to_pylist()
    others = [one["text"] for one in stored if (one["id"], one["part"]) not in read]
    if newer or others:
        found = (
            f"one of {newer[0].created_at:%Y-%m-%d}, which is newer than now"
            if newer
            else f"{len(others)} others under it, or in another part, such as {others[0][:80]!r}"
        )
        raise InputError(
            f"Question set {question_set.name!r} must hold the questions of"
            f" {question_set.source!r} as they are read now; the store has {found}. They came with"
            " a comparison's state, or by other columns. Choose another --name."
        )


def as_question(
    question_set: QuestionSet, row: SourceRow, part: Part, now: datetime, draw: int = 0
) -> Question:
    # ids from before there were others stay
    others = [list(row.other_answers)] if row.other_answers else []
    return Question(
        id=content_id(
            "questions",
            question_set.id,
            row.text,
            list(row.choices),
            row.answer,
            row.answer_kind,
            *others,
        ),
        question_set_id=question_set.id,
        source_row_id=row.source_row_id,
        part=part,
        draw=draw,
        text=row.text,
        choices=list(row.choices),
        answer=row.answer,
        answer_kind=row.kind,
        extra=row.extra,
        created_at=now,
        other_answers=list(row.other_answers) or None,
    )


def refuse_other_domain(store: Store, question_set: QuestionSet) -> None:
    for known in store.select(QuestionSet, name=question_set.name):
        if known.domain != question_set.domain:
            raise InputError(
                f"Question set {question_set.name!r} is already in the store as {known.domain};"
                f" found {question_set.domain}. In-domain and out-of-domain are never mixed: choose"
                " another --name."
            )


def _drawn_for_round(
    store: Store, settings: Settings, name: str, domain: Domain, draw: int
) -> tuple[QuestionSet, list[Question]]:
    """The set and, where it is procedural, the questions that the round lacks; stores nothing."""
    if name not in procedural_names():
        return set_named(store, name, domain), []
    difficulty = settings.questions.difficulty.get(name, {})
    now = datetime.now(UTC).replace(tzinfo=None)
    digest = content_id("difficulty", name, canonical(difficulty)).hex
    question_set = QuestionSet(
        id=content_id("question_sets", name, f"procedural:{name}", digest, domain),
        name=name,
        domain=domain,
        source=f"procedural:{name}",
        digest=digest,
        mapping=canonical(difficulty),
        licence=EMBEDDED_LICENCE,
        citation=EMBEDDED_CITATION,
        redistributable=True,
        created_at=now,
    )
    refuse_other_domain(store, question_set)
    sizes = settings.questions
    # Final and gate before train: what is drawn first can never be in a later part, since no text
    # is taken twice.
    wanted: list[tuple[Part, int, int]] = [
        ("final", 0, sizes.final_per_set),
        ("gate", draw, sizes.gate_per_set),
    ]
    if domain == "in_domain":
        wanted.append(("train", draw, sizes.train_per_set))
    # texts alone: a line that draws 4,000 questions a night has 120,000 of them after a month
    known = store.query(
        "SELECT part, draw, text FROM questions WHERE question_set_id = ?", [question_set.id]
    ).to_pylist()
    have = Counter((row["part"], row["draw"]) for row in known)
    missing: list[tuple[Part, int, int]] = [
        (part, own_draw, count - have[part, own_draw]) for part, own_draw, count in wanted
    ]
    return question_set, _draw(
        question_set, difficulty, settings.seed, draw, missing, {row["text"] for row in known}, now
    )


def _draw(
    question_set: QuestionSet,
    difficulty: Mapping[str, object],
    seed: int,
    draw: int,
    missing: Sequence[tuple[Part, int, int]],
    seen: set[str],
    now: datetime,
) -> list[Question]:
    """Fresh questions for each (part, draw, count), none with a text that a part has already."""
    stream = drawn_questions(
        question_set.name, difficulty, round_seed(seed, "questions", draw, question_set.name)
    )
    questions: list[Question] = []
    repeats = 0
    for part, own_draw, count in missing:
        wanted = len(questions) + max(count, 0)
        while len(questions) < wanted:
            drawn = next(stream)
            if drawn.text in seen:
                repeats += 1
                if repeats > MOST_REPEATS:
                    raise InputError(
                        f"Question set {question_set.name!r} has run out of questions: {len(seen)}"
                        f" different ones are known and {MOST_REPEATS} more draws gave too few new"
                        " ones. Widen questions.difficulty."
                    )
                continue
            seen.add(drawn.text)
            kind = _kind_of(drawn.answer)
            row = SourceRow(
                drawn.source_row_id, drawn.text, (), drawn.answer, kind, "", drawn.metadata
            )
            questions.append(as_question(question_set, row, part, now, own_draw))
    return questions


def _kind_of(answer: str) -> str:
    try:
        float(answer)
    except ValueError:
        return "text"
    return "number"


def _by_domain(questions: QuestionSettings) -> list[tuple[Domain, tuple[str, ...]]]:
    both = set(questions.in_domain) & set(questions.out_of_domain)
    if both:
        raise InputError(
            f"Question sets {sorted(both)} are named both in domain and out of domain; keep each in"
            " one."
        )
    return [("in_domain", questions.in_domain), ("out_of_domain", questions.out_of_domain)]
