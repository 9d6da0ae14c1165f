"""Walks from a record step by step, all rows of a table at once, so each table is read about once.

In: a connection and a start. Out: for each row met, the rows near it. It knows nothing of trees.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import duckdb

from storage.errors import InputError
from storage.lineage.lineage_steps import LABELS, SHARE_DRAW, UP, Step, keys_of, steps_from

Way = dict[str, tuple[Step, ...]]
# Rows of several keys that are fetched in one search; where there are more, each key has its own,
# which ends early.
_MOST_TOGETHER = 2_000

# Rows wait until every table that leads to theirs has been walked, so that they are fetched
# together.
_DOWN_ORDER = (
    "question_sets",
    "questions",
    "guidelines",
    "prompts",
    "adapted_guidelines",
    "structures",
    "paths",
    "verdicts",
    "selections",
    "training_examples",
    "rounds",
    "training_sets",
    "adapters",
    "models",
    "answers",
    "evaluations",
    "evaluation_figures",
    "promotions",
    "failed_requests",
    "comparisons",
    "trials",
    "pools",
    "comparison_figures",
)
# an order of the tables in which each comes before those that it leads to
_UP_ORDER = (
    "comparison_figures",
    "trials",
    "comparisons",
    "pools",
    "rounds",
    "promotions",
    "evaluation_figures",
    "evaluations",
    "answers",
    "models",
    "adapters",
    "training_sets",
    "training_examples",
    "selections",
    "verdicts",
    "paths",
    "structures",
    "adapted_guidelines",
    "failed_requests",
    "questions",
    "question_sets",
    "guidelines",
    "prompts",
)


@dataclass(frozen=True)
class Row:
    """A record as it shows, with what its steps start at."""

    table: str
    id: UUID
    label: str
    text: str
    keys: Mapping[str, UUID | None]
    draw: int | None


@dataclass
class Near:
    """The rows one step away, whether each is followed, and how many are not shown."""

    rows: list[tuple[Row, bool]] = field(default_factory=list[tuple[Row, bool]])
    more: int = 0


@dataclass(frozen=True)
class _Found:
    rows: dict[UUID, list[Row]]
    more: dict[UUID, int]


class Walk:
    """One connection; of many rows with the same parent or child the first `most` are met.

    `by_id` says that rows do not come in the order in which they were written, as those of a lake.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, most: int, *, by_id: bool = False
    ) -> None:
        self._connection = connection
        self._most = most
        self._order = " ORDER BY id" if by_id else ""

    def start(self, table: str, id: UUID, draw: int | None) -> Row:
        """The row of that id; the draw narrows the search where it is known."""
        [row] = self._fetch(Step(table), [id], {draw}).rows[id]
        return row

    def near(self, start: Row, way: Way) -> dict[UUID, Near]:
        """What is near each row that is reached from the start in one direction, UP or DOWN."""
        order = _UP_ORDER if way is UP else _DOWN_ORDER
        met: dict[UUID, Near] = {}
        waiting = {start.id: start}
        while waiting:
            table = min((row.table for row in waiting.values()), key=order.index)
            rows = [row for row in waiting.values() if row.table == table]
            met |= self._around(rows, way)
            waiting = {id: row for id, row in waiting.items() if row.table != table}
            reached = (other for row in rows for other, followed in met[row.id].rows if followed)
            waiting |= {row.id: row for row in reached if row.id not in met}
        return met

    def _around(self, rows: Sequence[Row], way: Way) -> dict[UUID, Near]:
        """What is one step away from rows of one table."""
        around = {row.id: Near() for row in rows}
        for step in way.get(rows[0].table, ()):
            takers = [
                (row, row.keys[step.key])
                for row in rows
                if step in steps_from(row.table, row.keys, way)
            ]
            keys = {row.id: key for row, key in takers if key is not None}
            if not keys:
                continue
            found = self._fetch(step, set(keys.values()), {row.draw for row, _ in takers})
            for id, key in keys.items():
                around[id].rows += [(row, not step.leaf) for row in found.rows.get(key, ())]
                around[id].more += found.more.get(key, 0)
        return around

    def _fetch(self, step: Step, keys: Iterable[UUID], draws: set[int | None]) -> _Found:
        wanted = list(keys)
        if step.column == "id":
            return self._sorted(self._rows(step, wanted, draws))
        # One search for all keys costs one scan. Where a key has very many rows, a limit per key
        # ends each scan early, which the joint search cannot.
        if len(wanted) > 1:
            together = self._rows(step, wanted, draws, _MOST_TOGETHER)
            if len(together) < _MOST_TOGETHER:
                return self._sorted(together)
        found = _Found({}, {})
        for key in wanted:
            rows = self._rows(step, [key], draws, self._most + 1)
            found.rows[key] = [row for row, _ in rows[: self._most]]
            if len(rows) > self._most:
                found.more[key] = self._count(step, key, draws) - self._most
        return found

    def _sorted(self, rows: Iterable[tuple[Row, UUID]]) -> _Found:
        """Each key with its first rows."""
        found = _Found({}, {})
        for row, key in rows:
            shown = found.rows.setdefault(key, [])
            if len(shown) < self._most:
                shown.append(row)
            else:
                found.more[key] = found.more.get(key, 0) + 1
        return found

    def _rows(
        self, step: Step, keys: list[UUID], draws: set[int | None], most: int | None = None
    ) -> list[tuple[Row, UUID]]:
        label, text = LABELS[step.table]
        names = keys_of(step.table)
        draw = "draw" if step.table in SHARE_DRAW else "NULL"
        where, parameters = _condition(step, keys, draws)
        limit = f" LIMIT {most}" if most else ""
        shown = f'"{step.column}", {label}, {text}, {draw}, {", ".join(names)}'
        found = self._connection.execute(
            f"SELECT {shown} FROM {step.table} WHERE {where}{self._order}{limit}", parameters
        ).fetchall()
        return [(_row_of(step.table, names, values), key) for key, *values in found]

    def _count(self, step: Step, key: UUID, draws: set[int | None]) -> int:
        where, parameters = _condition(step, [key], draws)
        counted = self._connection.execute(
            f"SELECT count(*) FROM {step.table} WHERE {where}", parameters
        ).fetchone()
        return int(counted[0]) if counted else 0


def _condition(step: Step, keys: list[UUID], draws: set[int | None]) -> tuple[str, list[object]]:
    """Where a step's rows are; known draws narrow the search."""
    conditions = [
        f'"{step.column}" = ?'
        if len(keys) == 1
        else f'"{step.column}" IN (SELECT unnest(?::UUID[]))'
    ]
    known = sorted(draw for draw in draws if draw is not None)
    if step.table in SHARE_DRAW and None not in draws:
        conditions.append(f"draw IN ({', '.join(map(str, known))})")
    if step.where:
        conditions.append(step.where)
    return " AND ".join(conditions), [keys[0] if len(keys) == 1 else keys]


def _row_of(table: str, names: Sequence[str], values: Sequence[object]) -> Row:
    label, text, draw, *ids = values
    named = {
        name: id if isinstance(id, UUID) else None for name, id in zip(names, ids, strict=True)
    }
    own = named["id"]
    if own is None:
        raise InputError(f"A row of {table} has no id. Run: regenesis storage check")
    return Row(
        table,
        own,
        str(label or ""),
        str(text or ""),
        named,
        draw if isinstance(draw, int) else None,
    )
