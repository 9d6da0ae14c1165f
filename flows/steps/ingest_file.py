"""A question file into the store; needs no Prefect, so that the command line answers at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.runs.dry_runs import places_of_run, store_of_run
from flows.runs.parameters import parse_mapping
from flows.runs.results import Result
from storage.errors import InputError
from storage.records import Domain, Question, QuestionSet
from tasks.ingestion.hub_rows import hub_source
from tasks.ingestion.ingest_questions import Ingested, NewSet, ingest_rows
from tasks.ingestion.question_files import FileMapping, file_source
from tasks.rules.ladder.prompts import accepted, ask_question, parse_prompt

SHOWN_QUESTIONS = 10


@dataclass(frozen=True)
class AskedFile:
    """A file to ingest, or a set of the hub, and all that its user says of it."""

    file: Path | None
    name: str = ""
    domain: Domain = "in_domain"
    mapping: str = ""
    answer_kind: str = ""
    choice_key: str = ""
    keep_first: bool = False
    skip_unreadable: bool = False
    licence: str = ""
    citation: str = ""
    redistributable: bool = False
    hub: str = ""
    config: str = ""


def ingest_question_file(
    wanted: AskedFile, *, dry_run: bool = False, answer_prompt: str = ""
) -> Result:
    """All of the file's questions, or, where one is wrong, none.

    With `dry_run` nothing is written, and the first ten are shown as the text of `answer_prompt`
    asks them.
    """
    check_source(wanted)
    mapping = FileMapping.of(parse_mapping(wanted.mapping), wanted.answer_kind, wanted.choice_key)
    source = file_source(wanted.file) if wanted.file else hub_source(wanted.hub, wanted.config)
    stem = wanted.file.name.split(".")[0] if wanted.file else Path(wanted.hub).name
    new = NewSet(
        name=wanted.name or stem,
        domain=wanted.domain,
        mapping=mapping,
        keep_first=wanted.keep_first,
        skip_unreadable=wanted.skip_unreadable,
        licence=wanted.licence,
        citation=wanted.citation,
        redistributable=wanted.redistributable,
    )
    with places_of_run(dry_run=dry_run) as places:
        store = store_of_run(places, dry_run=dry_run)
        done = ingest_rows(store, source, new, dry_run=dry_run)
    counted = ingested(done.question_set, done.questions)
    shown = _shown(done.questions, answer_prompt) if dry_run and answer_prompt else []
    text = "\n".join(
        [f"{'Would ingest ' if dry_run else ''}{counted.text}", *_report(done), *shown]
    )
    figures = {"taken": dict(done.read.taken), "left_out": list(done.read.left_out)}
    return Result("ingested", text, {**counted.figures, **figures})


def check_source(wanted: AskedFile) -> None:
    """Raises InputError where it is not one file, or one set of the hub, that may be there."""
    if (wanted.hub and wanted.file) or (wanted.config and not wanted.hub):
        raise InputError(
            "Name a file, or a set of the hub (--hub OWNER/NAME --config NAME); found parts of"
            " both."
        )
    if wanted.file and not wanted.file.exists():
        raise InputError(
            f"A question file must exist; {str(wanted.file)!r} does not. Name a JSONL, JSON, CSV or"
            " Parquet file."
        )


def ingested(question_set: QuestionSet, questions: Sequence[Question]) -> Result:
    """How many questions each part has."""
    parts = Counter(question.part for question in questions)
    counts = ", ".join(f"{parts[part]} {part}" for part in ("train", "gate", "final"))
    text = f"{question_set.name}: {len(questions)} questions ({counts})"
    return Result(
        "ingested",
        text,
        {"question_set": question_set.name, "id": question_set.id, "parts": dict(parts)},
    )


def _report(done: Ingested) -> list[str]:
    """How what did not stand there plainly was taken, and what was left out."""
    taken = [f"  {note} ({count} rows)" for note, count in sorted(done.read.taken.items())]
    return [*taken, *(f"  left out: {one}" for one in done.read.left_out)]


def _shown(questions: Sequence[Question], answer_prompt: str) -> list[str]:
    """The first questions as a model will be asked them, each with its reference."""
    template = parse_prompt(answer_prompt)
    lines: list[str] = []
    for number, question in enumerate(questions[:SHOWN_QUESTIONS], start=1):
        turns = ask_question(template, question)
        lines += [
            "",
            (
                f"-- {number}, {question.part}, {question.answer_kind}:"
                f" {accepted(question) or 'no reference'}"
            ),
        ]
        lines += [
            part for part in (turns.system, turns.user.strip(), turns.prefill.strip()) if part
        ]
    return lines
