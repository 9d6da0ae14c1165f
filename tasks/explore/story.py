"""Everything that models wrote for one question, from chains to answers.

In: a store, a question's id, and a draw or None for all. Out: a `QuestionStory`; it reads, and
changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from storage.errors import InputError
from storage.records import (
    AdaptedGuideline,
    Answer,
    Guideline,
    Model,
    Path,
    Question,
    QuestionSet,
    Structure,
    Verdict,
)

if TYPE_CHECKING:
    from storage.open_store import Store

# paths of one question on one page, and as many answers; the page says how many paths it left out
MOST_PATHS = 60


@dataclass(frozen=True)
class Told:
    """A path with its verdicts, newest first; `counts` is the one that counts, None if unjudged."""

    path: Path
    verdicts: list[Verdict]
    counts: Verdict | None
    taught: list[str]
    """Names of the models whose own training set holds it."""


@dataclass(frozen=True)
class Branch:
    """A node above the paths: a guideline, an adapted guideline or a structure."""

    kind: str
    name: str
    id: UUID | None
    text: str
    branches: list["Branch"] = field(default_factory=list["Branch"])
    paths: list[Told] = field(default_factory=list[Told])


@dataclass(frozen=True)
class QuestionStory:
    """The question, its tree (a branch a guideline and draw), and the answers of evaluations."""

    question: Question
    source: QuestionSet
    tree: list[Branch]
    answers: list[tuple[str, Answer]]
    """Each with its model's name."""
    left_out: int
    """Paths beyond the bound."""


def question_story(store: "Store", id: UUID, draw: int | None = None) -> QuestionStory:
    """The story; `draw` narrows it. Raises InputError for an id that is not a question's."""
    question = store.get(Question, id)
    source = store.get(QuestionSet, question.question_set_id) if question else None
    if question is None or source is None:
        raise InputError(
            f"A question was expected; none has the id {str(id)!r}. See: regenesis lineage {id}"
        )
    narrow = {} if draw is None else {"draw": draw}
    paths = store.select(
        Path,
        question_id=id,
        order_by="draw desc, strategy desc, guideline_id, sample, id",
        **narrow,
    )
    names = {model.id: model.name for model in store.select(Model)}
    answers = store.select(
        Answer, question_id=id, order_by="draw desc, model_id, sample, id", **narrow
    )
    return QuestionStory(
        question,
        source,
        _tree(store, paths[:MOST_PATHS]),
        [(names.get(one.model_id, "?"), one) for one in answers[:MOST_PATHS]],
        max(0, len(paths) - MOST_PATHS),
    )


def path_story(store: "Store", path: Path) -> QuestionStory:
    """The story of one path alone, for who rates it."""
    question = store.get(Question, path.question_id)
    source = store.get(QuestionSet, question.question_set_id) if question else None
    if question is None or source is None:
        raise InputError(
            f"Path {path.id} has no question in the store. Run: regenesis storage check"
        )
    return QuestionStory(question, source, _tree(store, [path]), [], 0)


def _tree(store: "Store", paths: Sequence[Path]) -> list[Branch]:
    """Branches in the order in which their first path comes."""
    if not paths:
        return []
    told = _told(store, paths)
    draws = sorted({path.draw for path in paths})
    adapted_ids = [path.adapted_guideline_id for path in paths]
    structure_ids = [path.structure_id for path in paths]
    guidelines = {one.id: one for one in store.select(Guideline)}
    adapted = {one.id: one for one in store.select(AdaptedGuideline, id=adapted_ids, draw=draws)}
    structures = {one.id: one for one in store.select(Structure, id=structure_ids, draw=draws)}
    heads: dict[tuple[object, ...], Branch] = {}
    inner: dict[tuple[object, ...], Branch] = {}
    for one in told:
        path = one.path
        guideline = guidelines.get(path.guideline_id) if path.guideline_id else None
        head = Branch(
            "guideline",
            f"{guideline.name if guideline else 'no guideline'}, draw {path.draw}",
            path.guideline_id,
            guideline.text if guideline else "",
        )
        place = heads.setdefault((path.draw, path.guideline_id), head)
        for kind, found in (
            ("adapted guideline", adapted.get(path.adapted_guideline_id or path.id)),
            ("structure", structures.get(path.structure_id or path.id)),
        ):
            if found is not None:
                key = (id(place), found.id)
                if key not in inner:
                    inner[key] = Branch(
                        kind, "hinted" if found.hinted else "", found.id, found.text
                    )
                    place.branches.append(inner[key])
                place = inner[key]
        place.paths.append(one)
    return list(heads.values())


def _told(store: "Store", paths: Sequence[Path]) -> list[Told]:
    ids = [path.id for path in paths]
    draws = sorted({path.draw for path in paths})
    verdicts: dict[UUID, list[Verdict]] = {}
    for one in store.select(Verdict, path_id=ids, draw=draws, order_by="created_at desc, id"):
        verdicts.setdefault(one.path_id, []).append(one)
    listed = ", ".join(f"'{id}'" for id in ids)
    within = f"draw IN ({', '.join(map(str, draws))})"
    counting = store.query(
        f"SELECT verdict_id FROM current_verdicts WHERE path_id IN ({listed}) AND {within}"
    )
    counts = set(counting["verdict_id"].to_pylist())
    taught: dict[UUID, list[str]] = {}
    for row in store.query(
        "SELECT te.path_id, list(DISTINCT m.name ORDER BY m.name) AS models FROM training_examples"
        " AS te JOIN adapters AS a ON a.training_set_id = te.training_set_id JOIN models AS m ON"
        f" m.adapter_id = a.id WHERE te.path_id IN ({listed}) GROUP BY te.path_id"
    ).to_pylist():
        taught[row["path_id"]] = row["models"]
    return [
        Told(
            path,
            verdicts.get(path.id, []),
            next((one for one in verdicts.get(path.id, []) if one.id in counts), None),
            taught.get(path.id, []),
        )
        for path in paths
    ]
