"""Ingest of a published question set: checked rows in, one set with its parts in the store.

Licence, citation and domain are the set's own. Reading and checking are done before; one
transaction.
"""

from datetime import UTC, datetime

from storage.ids import canonical, content_id
from storage.open_store import Store
from storage.records import Question, QuestionSet
from tasks.ingestion.ingest_questions import as_question, refuse_other_domain
from tasks.ingestion.published_files import ReadSet
from tasks.rules.questions.parts import part_of

# a published test split is divided between gate and final; nothing of it is trained on
HALVES = (0.0, 0.5, 0.5)


def ingest_published_set(
    store: Store, published: ReadSet, name: str = "", dry_run: bool = False
) -> tuple[QuestionSet, list[Question]]:
    """The set under its own name or `name`; the same files again change nothing."""
    now = datetime.now(UTC).replace(tzinfo=None)
    question_set = _question_set(published, name or published.source.name, now)
    refuse_other_domain(store, question_set)
    questions = [
        # The options divide too: some tasks ask the same text in every row.
        as_question(
            question_set, row, part_of("\n".join([row.text, *row.choices]), row.split, HALVES), now
        )
        for row in published.rows
    ]
    if not dry_run:
        store.append([question_set, *questions])
    return question_set, questions


def _question_set(published: ReadSet, name: str, now: datetime) -> QuestionSet:
    source = published.source
    read_as = {
        "known": source.name,
        "splits": {
            split: source.splits.get(split, "counted only") for split in source.splits_taken
        },
        "unusable": published.unusable,
        "duplicates": published.duplicates,
        "not_taken": list(published.not_taken),
    }
    return QuestionSet(
        id=content_id(
            "question_sets", name, f"known:{source.name}", published.digest, source.domain
        ),
        name=name,
        domain=source.domain,
        source=source.url,
        digest=published.digest,
        mapping=canonical(read_as),
        licence=source.licence,
        citation=source.citation,
        redistributable=source.redistributable,
        created_at=now,
    )
