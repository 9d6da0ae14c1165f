"""The audit: a second judge beside the first, cases for a person to read, people's verdicts.

Stored verdicts in; rows of verifier `second` and `human` out. The second judge never decides what
is trained on; a person's verdict overrides the rules in later selections.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast, get_args
from uuid import UUID

from storage.errors import InputError
from storage.lineage.lineage_tree import find_record
from storage.records import Label, Path, Question, Verdict
from tasks.rules.answers.second_judge import SECOND_VERSION, Confusion, confusion, second_opinion
from tasks.rules.ladder.prompts import accepted
from tasks.verification.verify_paths import verdict_id

if TYPE_CHECKING:
    from storage.open_store import Store

LABELS: tuple[str, ...] = get_args(Label)
# reasons with which a rule most likely erred; all such cases are read, and of the rest a sample
DISAGREEMENT_PRONE = frozenset(
    {
        "ambiguous",
        "not_evaluated",
        "not_an_answer",
        "timed_out",
        "worker_died",
        "comparison_failed",
        "bad_reference",
    }
)

# the newest verdict of each path, in the order of the paths' first ones
_NEWEST = """SELECT
    last(id ORDER BY created_at, id) AS id,
    last(list_contains(?::VARCHAR[], reason) OR verdict <> lenient_verdict ORDER BY created_at, id)
        AS prone
FROM verdicts
WHERE draw = ? AND verifier = 'reference'
GROUP BY path_id
ORDER BY min(created_at), first(id ORDER BY created_at, id)"""


@dataclass(frozen=True)
class AuditCase:
    """One path that two judges read, with all that a person needs to decide."""

    path: Path
    question: Question
    first: Verdict
    second: Label


@dataclass(frozen=True)
class Audit:
    """The paths read, their confusion table, and how far people agreed with the first judge."""

    cases: list[AuditCase]
    table: list[Confusion]
    human_verdicts: int
    human_agreements: int

    @property
    def disagreements(self) -> list[AuditCase]:
        """The cases to read."""
        return [case for case in self.cases if case.first.verdict != case.second]


def audit_verdicts(
    store: "Store",
    *,
    draw: int,
    sample: int = 200,
    seed: int = 0,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    dry_run: bool = False,
) -> Audit:
    """Judge every disagreement-prone case of a draw and a seeded sample again, and store it.

    With `dry_run` nothing is stored.
    """
    newest = store.query(_NEWEST, [sorted(DISAGREEMENT_PRONE), draw])
    ids = newest["id"].to_pylist()
    prone = [id for id, is_prone in zip(ids, newest["prone"].to_pylist(), strict=True) if is_prone]
    taken = set(prone)
    rest = sorted((id for id in ids if id not in taken), key=lambda one: one.bytes)
    chosen = [*prone, *random.Random(seed).sample(rest, min(sample, len(rest)))]
    cases = _cases(store, draw, chosen)
    if not dry_run:
        store.append(
            [
                _second_row(case, "prone" if case.first.id in taken else "sampled", now())
                for case in cases
            ]
        )
    table = confusion([(case.first.verdict, case.second) for case in cases])
    return Audit(cases, table, *_agreement(store, draw))


def record_human_verdict(
    store: "Store",
    path_id: UUID,
    verdict: Label,
    rater: str,
    *,
    note: str = "",
    now: datetime | None = None,
    dry_run: bool = False,
) -> Verdict:
    """Store a person's verdict with rater and time; it outranks every rule's, newest first.

    With `dry_run` it is only checked.
    """
    path = store.get(Path, path_id)
    if path is None:
        raise InputError(
            f"A verdict is about a stored path; there is none with id {str(path_id)!r}. See:"
            " regenesis audit"
        )
    if not rater.strip():
        raise InputError(f"A person's verdict names its rater; found {rater!r}.")
    at = now or datetime.now(UTC)
    # a person may say something else later: each word is a row, and the newest counts
    version = f"{at.isoformat()} {rater}"
    row = Verdict(
        id=verdict_id(path.id, "human", version),
        path_id=path.id,
        draw=path.draw,
        verifier="human",
        verifier_version=version,
        verdict=verdict,
        reason="human",
        extracted=None,
        lenient_verdict=verdict,
        lenient_extracted=None,
        rater=rater,
        details=json.dumps({"note": note}),
        created_at=at,
    )
    if not dry_run:
        store.append([row])
    return row


def give_verdict(
    store: "Store", prefix: str, verdict: str, rater: str, note: str = "", *, dry_run: bool = False
) -> Verdict:
    """A person's verdict as it is typed: the path by its id or a beginning.

    Raises InputError saying what is off.
    """
    if verdict not in LABELS:
        raise InputError(f"A verdict is {', '.join(LABELS)}; found {verdict!r}. Correct --verdict.")
    if not prefix.strip():
        raise InputError("A person's verdict is about a path; found none. Name it: --path ID")
    found = find_record(store, prefix)
    if found.table != "paths":
        raise InputError(
            f"A person's verdict is about a path; {prefix!r} is in {found.table}. See: regenesis"
            " audit"
        )
    said = cast("Label", verdict)
    return record_human_verdict(store, found.id, said, rater, note=note, dry_run=dry_run)


def audit_text(audit: Audit, most: int = 20) -> str:
    """What `regenesis audit` prints: the table, then whole cases to read."""
    lines = ["first judge  second judge  cases"]
    lines += [f"{row.first:<12} {row.second:<13} {row.cases}" for row in audit.table]
    if audit.human_verdicts:
        lines.append(
            f"People agreed with the first judge on {audit.human_agreements} of"
            f" {audit.human_verdicts} paths."
        )
    for case in audit.disagreements[:most]:
        lines += [
            "",
            (
                f"path {case.path.id}: {case.first.verdict} ({case.first.reason}); the second judge"
                f" says {case.second}"
            ),
            f"question: {case.question.text}",
            f"reference: {accepted(case.question)!r}  read: {case.first.extracted!r}",
            case.path.text,
        ]
    if len(audit.disagreements) > most:
        lines.append(f"\n{len(audit.disagreements) - most} more.")
    return "\n".join(lines)


def _newest(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return list({one.path_id: one for one in verdicts}.values())


def _cases(store: "Store", draw: int, chosen: Sequence[UUID]) -> list[AuditCase]:
    verdicts = {one.id: one for one in store.select(Verdict, draw=draw, id=chosen)}
    paths = {
        path.id: path
        for path in store.select(Path, draw=draw, id=[one.path_id for one in verdicts.values()])
    }
    questions = {
        q.id: q
        for q in store.select(Question, id=list({path.question_id for path in paths.values()}))
    }
    cases: list[AuditCase] = []
    for verdict in (verdicts[id] for id in chosen):
        path = paths[verdict.path_id]
        question = questions[path.question_id]
        cases.append(AuditCase(path, question, verdict, second_opinion_of(path, question)))
    return cases


def second_opinion_of(path: Path, question: Question) -> Label:
    """What the second judge says; any of several accepted answers counts."""
    said: list[Label] = [
        second_opinion(path.text, answer, question.answer_kind, question.choices)
        for answer in question.accepted_answers
    ]
    # any accepted answer that is met counts, so the best word of all answers is taken
    order: tuple[Label, ...] = ("correct", "wrong", "unjudged")
    return min(said, key=lambda one: order.index(one))


def _second_row(case: AuditCase, chosen: str, now: datetime) -> Verdict:
    return Verdict(
        id=verdict_id(case.path.id, "second", SECOND_VERSION),
        path_id=case.path.id,
        draw=case.path.draw,
        verifier="second",
        verifier_version=SECOND_VERSION,
        verdict=case.second,
        reason="second_opinion",
        extracted=None,
        lenient_verdict=case.second,
        lenient_extracted=None,
        rater=None,
        details=json.dumps({"chosen": chosen}),
        created_at=now,
    )


def _agreement(store: "Store", draw: int) -> tuple[int, int]:
    human = _newest(store.select(Verdict, draw=draw, verifier="human", order_by="created_at, id"))
    first = {
        one.path_id: one.verdict
        for one in _newest(
            store.select(
                Verdict,
                draw=draw,
                verifier="reference",
                path_id=[one.path_id for one in human],
                order_by="created_at, id",
            )
        )
    }
    both = [one for one in human if one.path_id in first]
    return len(both), sum(one.verdict == first[one.path_id] for one in both)
