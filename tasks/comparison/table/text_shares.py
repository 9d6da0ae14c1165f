"""What was cut at its length limit, and what holds no work, beside a method's accuracy.

Of three kinds of text: its model's answers to the final questions, the paths that it could choose
from, and the examples among them. A method can look better only by being cut less, or by leaving
its work out; both are seen here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from storage.records import Trial
from tasks.comparison.contest import Contest
from tasks.comparison.learning_rates import answers_of
from tasks.rules.answers.finish_reasons import is_natural_stop
from tasks.rules.training.acceptance import has_work

SHARES = ("cut", "no_work")
KINDS = ("answers", "paths", "examples")
_PATHS = """
SELECT p.text, coalesce(p.cut, p.finish_reason = 'length') AS cut, s.kept
FROM selections AS s JOIN paths AS p ON p.id = s.path_id
WHERE s.training_set_id = ? AND p.strategy <> 'reference'
"""
"""As `acceptance.is_cut` says it; a set's own texts (`reference`) are no model's."""


@dataclass(frozen=True)
class TextShare:
    """Of so many texts of a kind, the share that was cut or holds no work."""

    kind: str
    scope: str
    share: str
    texts: int
    value: float


@dataclass(frozen=True)
class _Text:
    kind: str
    scope: str
    cut: bool
    no_work: bool


def text_shares(contest: Contest, trials: Sequence[Trial]) -> list[TextShare]:
    """Both shares of each kind of text of one method's trials, taken over its seeds."""
    texts = [
        one for trial in trials for one in (*_answers(contest, trial), *_paths(contest, trial))
    ]
    return [
        TextShare(kind, scope, share, len(own), sum(getattr(one, share) for one in own) / len(own))
        for kind, scope in dict.fromkeys((one.kind, one.scope) for one in texts)
        for own in [[one for one in texts if (one.kind, one.scope) == (kind, scope)]]
        for share in SHARES
    ]


def _answers(contest: Contest, trial: Trial) -> Iterator[_Text]:
    inside = {one.id for one in contest.sets("in_domain")}
    questions = contest.final_questions
    for question, answer in zip(questions, answers_of(contest, trial, questions), strict=True):
        if answer is not None:
            scope = "in_domain" if question.question_set_id in inside else "out_of_domain"
            cut = not is_natural_stop(answer.finish_reason)
            yield _Text("answers", scope, cut, not has_work(answer.text, _fewest(contest)))


def _paths(contest: Contest, trial: Trial) -> Iterator[_Text]:
    if trial.training_set_id is None:
        return
    rows: Iterable[dict[str, object]] = contest.store.query(
        _PATHS, [trial.training_set_id]
    ).to_pylist()
    for row in rows:
        no_work = not has_work(str(row["text"]), _fewest(contest))
        for kind in KINDS[1:] if row["kept"] else KINDS[1:2]:
            yield _Text(kind, "in_domain", bool(row["cut"]), no_work)


def _fewest(contest: Contest) -> int:
    """The words that the selection asks for; one where it asks for none."""
    return max(1, contest.settings.selection.min_work_words)
