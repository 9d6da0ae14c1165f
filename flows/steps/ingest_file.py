"""A question file into the store; needs no Prefect, so that the command line answers at once."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from flows.runs.parameters import parse_mapping
from flows.runs.results import Result
from storage.environment import make_home, read_environment
from storage.open_store import open_store
from storage.records import Domain, Question, QuestionSet
from tasks.ingestion import ingest_questions as ingestion


def ingest_question_file(
    file: Path, name: str, domain: Domain, mapping: str, answer_kind: str, licence: str, keep_first: bool,
    dry_run: bool = False, citation: str = "", redistributable: bool = False,
) -> Result:  # fmt: skip
    """All of the file's questions, or, where one is wrong, none."""
    columns = parse_mapping(mapping)
    environment = read_environment()
    make_home(environment)
    question_set, questions = ingestion.ingest_file(
        open_store(environment.store_url), file, name=name or file.name.split(".")[0], domain=domain,
        mapping=columns, answer_kind=answer_kind, licence=licence, keep_first_of_duplicates=keep_first,
        dry_run=dry_run, citation=citation, redistributable=redistributable,
    )  # fmt: skip
    return ingested(question_set, questions)


def ingested(question_set: QuestionSet, questions: Sequence[Question]) -> Result:
    """How many questions each part has."""
    parts = Counter(question.part for question in questions)
    counts = ", ".join(f"{parts[part]} {part}" for part in ("train", "gate", "final"))
    text = f"{question_set.name}: {len(questions)} questions ({counts})"
    return Result("ingested", text, {"question_set": question_set.name, "id": question_set.id, "parts": dict(parts)})
