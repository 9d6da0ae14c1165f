"""What a comparison's state may hold: rows of that comparison alone.

A state is somebody else's file: a promotion in it would make a champion here, and an adapter's
place be read as ours.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from storage.errors import InputError
from tasks.comparison.pool import FIRST_DRAW

if TYPE_CHECKING:
    from storage.store.arrow import ArrowTable

OF_ITS_DRAWS = ("adapted_guidelines", "structures", "paths", "verdicts", "failed_requests", "pools")
TABLES = (
    "question_sets",
    "questions",
    "guidelines",
    "prompts",
    "models",
    *OF_ITS_DRAWS,
    "selections",
    "training_examples",
    "training_sets",
    "adapters",
    "answers",
    "evaluations",
    "evaluation_figures",
    "comparisons",
    "trials",
    "comparison_figures",
)
"""All that travels; `state._which` says which of their rows."""
# such as adapters/0f3c...9a (32 hexadecimal digits): below the home, and no way out of it
_LOCATION = re.compile(r"adapters/[0-9a-f]{32}")


def check_rows(tables: "Mapping[str, ArrowTable]", comparison: str) -> None:
    """Raises InputError at the first row that is none of this comparison's."""
    for table in tables:
        if table not in TABLES:
            raise InputError(
                f"A comparison's state holds no {table}; found some. Take a state that --export"
                " wrote."
            )
    for table, column, value in _strangers(tables, comparison):
        raise InputError(
            f"A comparison's state holds rows of comparison {comparison} alone; found {column}"
            f" {value!r} in {table}. Nothing was taken. Take a state that --export wrote."
        )


def _strangers(
    tables: "Mapping[str, ArrowTable]", comparison: str
) -> Iterator[tuple[str, str, object]]:
    def of(table: str, column: str) -> list[object]:
        return tables[table][column].to_pylist() if table in tables else []

    def outside(
        table: str, column: str, allowed: Iterable[object]
    ) -> Iterator[tuple[str, str, object]]:
        known = set(allowed)
        yield from ((table, column, value) for value in of(table, column) if value not in known)

    this, models = [_uuid(comparison)], of("trials", "model_id")
    yield from outside("comparisons", "id", this)
    yield from outside("trials", "comparison_id", this)
    yield from outside("comparison_figures", "comparison_id", this)
    yield from outside("questions", "question_set_id", of("question_sets", "id"))
    yield from outside("training_sets", "id", of("trials", "training_set_id"))
    yield from outside("selections", "training_set_id", of("trials", "training_set_id"))
    yield from outside("training_examples", "training_set_id", of("trials", "training_set_id"))
    yield from outside("adapters", "id", of("trials", "adapter_id"))
    yield from outside(
        "models", "id", [*models, *of("paths", "model_id"), *of("pools", "model_id")]
    )
    yield from outside("answers", "model_id", models)
    yield from outside("evaluations", "model_id", models)
    yield from outside("evaluation_figures", "evaluation_id", of("evaluations", "id"))
    for table in OF_ITS_DRAWS:
        yield from (
            (table, "draw", draw) for draw in of(table, "draw") if not _of_comparisons(draw)
        )
    yield from (
        ("questions", "draw", draw)
        for draw in of("questions", "draw")
        if draw and not _of_comparisons(draw)
    )
    for table in (table for table in tables if "round_id" in tables[table].column_names):
        yield from outside(table, "round_id", [None])
    for place in of("adapters", "location"):
        if not _LOCATION.fullmatch(str(place)):
            yield "adapters", "location", place


def _of_comparisons(draw: object) -> bool:
    return isinstance(draw, int) and draw >= FIRST_DRAW


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
