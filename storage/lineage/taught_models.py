"""Every model that a record taught, however many paths lie between, counted in SQL.

In: a store and a record's table and id. Out: the models whose training set, or an ancestor's, holds
a path that came of it.
"""

from dataclasses import dataclass
from uuid import UUID

from storage.open_store import Store

_OF_PATHS = "te.path_id IN (SELECT path_id FROM {0} WHERE id = $id)"
# Which training examples `te` of paths `p` came of a record of the table.
_CAME_OF: dict[str, str] = {
    "question_sets": "p.question_id IN (SELECT id FROM questions WHERE question_set_id = $id)",
    "questions": "p.question_id = $id",
    "guidelines": "p.guideline_id = $id",
    "adapted_guidelines": "p.adapted_guideline_id = $id",
    "structures": "p.structure_id = $id",
    "paths": "te.path_id = $id",
    "verdicts": _OF_PATHS.format("verdicts"),
    "selections": _OF_PATHS.format("selections"),
    "training_examples": "te.id = $id",
    "training_sets": "te.training_set_id = $id",
    "adapters": "te.training_set_id IN (SELECT training_set_id FROM adapters WHERE id = $id)",
    "models": "p.model_id = $id",
    "rounds": "te.training_set_id IN (SELECT id FROM training_sets WHERE round_id = $id)",
}


@dataclass(frozen=True)
class TaughtModel:
    """A model that learnt from a record: from how many of its examples, and how directly."""

    id: UUID
    name: str
    examples: int
    generation: int
    """0 where its own training set holds them, 1 where that of the adapter that it went on from
    does, and so on.
    """


def taught_models(store: Store, table: str, id: UUID) -> list[TaughtModel]:
    """The models, the most direct first; empty for a record that leads to no training."""
    condition = _CAME_OF.get(table)
    if condition is None:
        return []
    paths = (
        " JOIN paths AS p ON p.id = te.path_id AND p.draw = te.draw"
        if condition.startswith("p.")
        else ""
    )
    with store.reading() as connection:
        rows = connection.execute(
            f"""
            WITH RECURSIVE sets AS (
                SELECT te.training_set_id, count(*) AS examples
                FROM training_examples AS te{paths}
                WHERE {condition} GROUP BY te.training_set_id
            ),
            learnt AS (
                SELECT a.id AS adapter_id, s.training_set_id, s.examples, 0::BIGINT AS generation
                FROM adapters AS a JOIN sets AS s ON s.training_set_id = a.training_set_id
                UNION
                SELECT a.id, n.training_set_id, n.examples, n.generation + 1
                FROM learnt AS n JOIN adapters AS a ON a.parent_adapter_id = n.adapter_id
            )
            SELECT m.id, m.name, sum(n.examples)::BIGINT, min(n.generation)
            FROM learnt AS n JOIN models AS m ON m.adapter_id = n.adapter_id
            GROUP BY m.id, m.name ORDER BY 4, 2, 1
            """,
            {"id": id},
        ).fetchall()
    return [TaughtModel(*row) for row in rows]
