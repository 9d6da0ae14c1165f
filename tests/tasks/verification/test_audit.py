"""Verdicts beside verdicts: re-judging, votes, the second judge and people, on a real store."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path as File

import pytest

from storage.errors import InputError
from storage.open_store import Store, open_store
from storage.records import Model, Path, Question, Verdict
from tasks.rules.training.collapse import text_health
from tasks.settings import VerificationSettings
from tasks.training.candidates import Drawn, read_asked, read_candidates
from tasks.verification import verify_paths as verification
from tasks.verification import vote_paths as vote_paths_module
from tasks.verification.audit import audit_text, audit_verdicts, give_verdict, record_human_verdict
from tasks.verification.collapse_watch import read_text_health
from tasks.verification.verify_paths import Judge, verify_paths
from tasks.verification.vote_paths import vote_paths
from tests.fakes.line_of_paths import line_of_paths
from tests.storage.examples import NOW, make, uid

TEXTS = (
    "The answer is 5.",
    "The answer is 5 or 6.",
    "The answer is five.",
    "The answer is 7.",
    "So 5.",
)


@pytest.fixture
def store(tmp_path: File) -> Store:
    store = open_store(f"duckdb:///{tmp_path}/regenesis.duckdb")
    question = make(Question, "q", answer="5", answer_kind="number", part="train", draw=1)
    blind = make(Question, "blind", answer="", answer_kind="number", part="train", draw=1)
    for name, one in (("q", question), ("blind", blind)):
        store.append([one])
        store.append(
            [
                make(
                    Path,
                    f"{name}{i}",
                    question_id=one.id,
                    text=text,
                    draw=1,
                    finish_reason="stop",
                    strategy="regenesis",
                    model_id=uid(Model),
                )
                for i, text in enumerate(TEXTS)
            ]
        )
    return store


def test_every_path_has_one_verdict_a_version_and_a_new_version_judges_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    with Judge() as judge:
        assert (verify_paths(store, judge, draw=1), verify_paths(store, judge, draw=1)) == (10, 0)
        monkeypatch.setattr(verification, "VERIFIER_VERSION", "99")
        assert verify_paths(store, judge) == 10

    assert len(store.select(Verdict, path_id=uid(Path, "q0"))) == 2
    assert {one.verdict for one in store.select(Verdict, path_id=uid(Path, "q0"))} == {"correct"}


def test_questions_are_put_to_the_vote_and_references_show_its_worth(store: Store):
    settings = VerificationSettings(majority_min_paths=3)

    with Judge() as judge:
        verify_paths(store, judge, draw=1)
        new = vote_paths(store, judge, settings, draw=1)

    rows = {one.path_id: one for one in store.select(Verdict, verifier="majority")}
    assert new == len(rows) == 10
    assert [rows[uid(Path, f"blind{i}")].verdict for i in range(5)] == [
        "correct",
        "wrong",
        "correct",
        "wrong",
        "unjudged",
    ]
    assert '"share": 0.66' in rows[uid(Path, "blind0")].details
    votes = store.query(
        "SELECT voters, winner_is_right FROM majority_votes ORDER BY winner_is_right"
    ).to_pylist()
    assert votes == [{"voters": 5, "winner_is_right": True}, {"voters": 5, "winner_is_right": None}]


def test_the_second_judge_reads_prone_cases_and_never_decides(store: Store):
    with Judge() as judge:
        verify_paths(store, judge, draw=1)

    audit = audit_verdicts(store, draw=1, sample=3, seed=1)

    texts = {case.path.text for case in audit.cases if case.question.answer}
    assert {"The answer is 5 or 6.", "So 5."} <= texts
    assert sum(row.cases for row in audit.table) == len(audit.cases)
    assert "first judge" in audit_text(audit)
    assert len(store.select(Verdict, verifier="second")) == len(audit.cases)
    rows = store.query(
        "SELECT chosen, sum(paths)::BIGINT AS paths FROM judge_confusion GROUP BY ALL ORDER BY ALL"
    )
    assert rows.to_pylist() == [
        {"chosen": "prone", "paths": len(audit.cases) - 3},
        {"chosen": "sampled", "paths": 3},
    ]
    drawn = Drawn(
        draws=(1,), question_set_ids=(make(Question, "q").question_set_id,), strategy="regenesis"
    )
    candidates = list(read_candidates(store, drawn, read_asked(store, drawn)))
    assert len(candidates) == 5
    assert {one.verdict.verifier for one in candidates if one.verdict} == {"reference"}


def test_a_persons_verdict_is_kept_with_rater_and_time_and_overrides(store: Store):
    with Judge() as judge:
        verify_paths(store, judge, draw=1)
    path = uid(Path, "q0")

    record_human_verdict(store, path, "correct", "zoe", now=NOW)
    record_human_verdict(
        store, path, "wrong", "anna", note="lucky guess", now=NOW + timedelta(days=1)
    )

    current = store.query(
        "SELECT verifier, verdict FROM current_verdicts WHERE path_id = ?", [path]
    ).to_pylist()
    audit = audit_verdicts(store, draw=1, sample=0)
    assert current == [{"verifier": "human", "verdict": "wrong"}]
    assert [
        (one.rater, one.verdict)
        for one in store.select(Verdict, verifier="human", order_by="created_at")
    ] == [
        ("zoe", "correct"),
        ("anna", "wrong"),
    ]
    assert (audit.human_verdicts, audit.human_agreements) == (1, 0)


def test_a_persons_verdict_on_an_unknown_path_says_what_to_do(store: Store):
    with pytest.raises(InputError, match="regenesis audit"):
        record_human_verdict(store, uid(Path, "nowhere"), "correct", "anna", now=datetime.now(UTC))


@pytest.mark.parametrize(
    ("prefix", "verdict", "said"),
    [
        ("q0", "perhaps", "correct, wrong, unjudged"),
        ("", "wrong", "--path ID"),
        ("question", "wrong", "questions"),
    ],
)
def test_a_verdict_that_is_typed_wrongly_is_refused_with_what_to_do(
    store: Store, prefix: str, verdict: str, said: str
):
    ids = {"q0": str(uid(Path, "q0")), "question": str(make(Question, "q").id), "": ""}

    with pytest.raises(InputError, match=said):
        give_verdict(store, ids[prefix], verdict, "zoe")


def test_a_verdict_is_typed_by_the_beginning_of_a_paths_id(store: Store):
    given = give_verdict(store, str(uid(Path, "q3"))[:13], "correct", "zoe", "read twice")

    assert (given.path_id, given.verdict, given.rater) == (uid(Path, "q3"), "correct", "zoe")


def test_the_audit_reads_and_draws_what_it_did_when_it_read_whole_rows(tmp_path: File):
    store = open_store(f"duckdb:///{tmp_path}/line.duckdb")
    line_of_paths(store, 5, draws=1, questions=30)
    verdicts = store.select(Verdict, draw=1, verifier="reference", order_by="created_at, id")
    newest = list({one.path_id: one for one in verdicts}.values())
    prone = [
        one for one in newest if one.reason == "ambiguous" or one.verdict != one.lenient_verdict
    ]
    rest = sorted((one for one in newest if one not in prone), key=lambda one: one.id.bytes)
    people = store.select(Verdict, draw=1, verifier="human", order_by="created_at")
    said = {one.path_id: one.verdict for one in people}
    first = {one.path_id: one.verdict for one in newest}

    audit = audit_verdicts(store, draw=1, sample=9, seed=3)

    assert [case.first for case in audit.cases] == [*prone, *random.Random(3).sample(rest, 9)]
    both = [path for path in said if path in first]
    assert len(both) > 3
    assert audit.human_verdicts == len(both)
    assert audit.human_agreements == sum(said[path] == first[path] for path in both)


def test_votes_and_figures_of_texts_are_those_of_all_paths_at_once(
    tmp_path: File, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vote_paths_module, "QUESTIONS_AT_ONCE", 4)
    store = open_store(f"duckdb:///{tmp_path}/line.duckdb")
    line_of_paths(store, 6, draws=2)
    paths = store.select(Path, draw=2, order_by="id")
    judged = store.select(Verdict, draw=2, verifier="reference", order_by="created_at")
    health = read_text_health(store, 2)
    assert health == text_health(paths, {one.path_id: one.verdict == "correct" for one in judged})
    assert 0 < (health.pass_at_1 or 0) < 1

    with Judge() as judge:
        settings = VerificationSettings(majority_min_paths=2)
        before = {one.id for one in store.select(Verdict)}
        new = vote_paths(store, judge, settings, draw=2)
        parts = [one for one in store.select(Verdict, order_by="id") if one.id not in before]
        for one in parts:
            assert one.draw == 2
        again = vote_paths(store, judge, settings, draw=2, paths=paths)

    assert new == len(parts) == sum(not one.hinted for one in paths)
    assert again == 0
