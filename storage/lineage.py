"""Any record's family: up to the question and guideline that it came from, down to every model that it touched.

In: a store and an id, or an unambiguous beginning of one. Out: a tree of `LineageNode`. It shows; it changes nothing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import duckdb

from storage.errors import InputError
from storage.repository import Store

MOST_CHILDREN = 20
_SHORTEST_PREFIX = 4
_PREFIX = re.compile(rf"[0-9a-f]{{{_SHORTEST_PREFIX},32}}")

# How a record shows itself: a short label and its text, as SQL over its own columns.
_LABELS: dict[str, tuple[str, str]] = {
    "question_sets": ("name || ' (' || domain || ')'", "source"),
    "questions": ("part || ' ' || source_row_id", "text || ' -> ' || answer"),
    "guidelines": ("name", "text"),
    "prompts": ("name", "text"),
    "models": ("name", "''"),
    "adapted_guidelines": ("'draw ' || draw || if(hinted, ', hinted', '')", "text"),
    "structures": ("'draw ' || draw || if(hinted, ', hinted', '')", "text"),
    "paths": ("strategy || ', draw ' || draw || if(hinted, ', hinted', '')", "text"),
    "verdicts": (
        "verdict || ' (' || reason || ') by ' || verifier || ' ' || verifier_version",
        "coalesce(extracted, '')",
    ),
    "selections": ("if(kept, 'kept', 'not kept: ' || reason)", "''"),
    "training_sets": ("method || ', ' || examples || ' examples'", "''"),
    "training_examples": ("'position ' || position", "prompt || ' -> ' || completion"),
    "adapters": ("name", "location"),
    "answers": ("strict_verdict || ' (' || reason || ')'", "text"),
    "evaluations": ("role || ', ' || part || ': ' || strict_correct || ' of ' || questions", "''"),
    "promotions": ("outcome || ', ' || state", "reasons"),
    "rounds": ("'round ' || number || ', ' || status", "reason"),
    "failed_requests": ("stage || ': ' || reason", "message"),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """From a row to rows of another table: where `column` there equals `key` here. A leaf is shown, not followed."""

    table: str
    column: str = "id"
    key: str = "id"
    leaf: bool = False
    where: str = ""


_WRITTEN_BY = (Step("models", key="model_id", leaf=True),)
_UP: dict[str, tuple[Step, ...]] = {
    "questions": (Step("question_sets", key="question_set_id"),),
    "adapted_guidelines": (Step("guidelines", key="guideline_id"), Step("questions", key="question_id"), *_WRITTEN_BY),
    "structures": (
        Step("adapted_guidelines", key="adapted_guideline_id"), Step("guidelines", key="guideline_id"),
        Step("questions", key="question_id"), *_WRITTEN_BY,
    ),
    "paths": (
        Step("structures", key="structure_id"), Step("adapted_guidelines", key="adapted_guideline_id"),
        Step("guidelines", key="guideline_id"), Step("questions", key="question_id"), *_WRITTEN_BY,
    ),
    "verdicts": (Step("paths", key="path_id"),),
    "selections": (Step("paths", key="path_id"), Step("training_sets", key="training_set_id", leaf=True)),
    "training_examples": (Step("paths", key="path_id"),),
    "training_sets": (Step("training_examples", "training_set_id"), Step("rounds", key="round_id", leaf=True)),
    "adapters": (
        Step("training_sets", key="training_set_id"), Step("adapters", key="parent_adapter_id"),
        Step("models", key="base_model_id", leaf=True),
    ),
    "models": (Step("adapters", key="adapter_id"),),
    "answers": (Step("questions", key="question_id"), Step("models", key="model_id")),
    "evaluations": (Step("models", key="model_id"), Step("question_sets", key="question_set_id", leaf=True)),
    "promotions": (
        Step("models", key="challenger_model_id"), Step("models", key="champion_model_id", leaf=True),
        Step("rounds", key="round_id", leaf=True),
    ),
    "rounds": (Step("models", key="champion_model_id", leaf=True),),
    "failed_requests": (Step("questions", key="question_id"),),
}  # fmt: skip
_NO_ADAPTATION, _NO_STRUCTURE = "adapted_guideline_id IS NULL", "structure_id IS NULL"
_DOWN: dict[str, tuple[Step, ...]] = {
    "question_sets": (Step("questions", "question_set_id"), Step("evaluations", "question_set_id")),
    "questions": (
        Step("adapted_guidelines", "question_id"), Step("structures", "question_id", where=_NO_ADAPTATION),
        Step("paths", "question_id", where=f"{_NO_ADAPTATION} AND {_NO_STRUCTURE}"), Step("answers", "question_id"),
        Step("failed_requests", "question_id"),
    ),
    "guidelines": (
        Step("adapted_guidelines", "guideline_id"), Step("structures", "guideline_id", where=_NO_ADAPTATION),
    ),
    "prompts": (Step("paths", "prompt_id"), Step("answers", "prompt_id")),
    "adapted_guidelines": (
        Step("structures", "adapted_guideline_id"), Step("paths", "adapted_guideline_id", where=_NO_STRUCTURE),
    ),
    "structures": (Step("paths", "structure_id"),),
    "paths": (Step("verdicts", "path_id"), Step("selections", "path_id"), Step("training_examples", "path_id")),
    "training_examples": (Step("training_sets", key="training_set_id"),),
    "training_sets": (Step("adapters", "training_set_id"),),
    "adapters": (Step("models", "adapter_id"), Step("adapters", "parent_adapter_id")),
    "models": (Step("evaluations", "model_id"), Step("promotions", "challenger_model_id")),
    "rounds": (
        Step("training_sets", "round_id"), Step("adapters", "round_id", leaf=True), Step("promotions", "round_id"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class LineageNode:
    """A record in the tree. `more` is how many rows beyond the shown ones its parents or children have."""

    table: str
    id: UUID
    label: str
    text: str
    parents: tuple["LineageNode", ...] = ()
    children: tuple["LineageNode", ...] = ()
    more_parents: int = 0
    more_children: int = 0

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "table": self.table, "id": str(self.id), "label": self.label, "text": self.text,
            "parents": [node.as_json() for node in self.parents], "more_parents": self.more_parents,
            "children": [node.as_json() for node in self.children], "more_children": self.more_children,
        }  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A record's table and id."""

    table: str
    id: UUID


def find_record(store: Store, prefix: str) -> Found:
    """The one record whose id begins so; dashes may be left out. Raises InputError for none or several."""
    digits = prefix.strip().lower().replace("-", "")
    if not _PREFIX.fullmatch(digits):
        raise InputError(
            f"An id is up to 32 hexadecimal digits, of which the first {_SHORTEST_PREFIX} may do; found {prefix!r}."
        )
    with store.reading() as connection:
        return _found(connection, digits, prefix, store.url)


def lineage_tree(store: Store, id: UUID, most_children: int = MOST_CHILDREN) -> LineageNode:
    """The record with its ancestors and descendants; of many siblings the first `most_children` are shown."""
    with store.reading() as connection:
        table = _found(connection, id.hex, str(id), store.url).table
        walk = _Walk(connection, most_children)
        [(row, draw)], _ = walk.rows(table, "id", id, None, "")
        up, more_up = walk.follow(row, draw, _UP, set())
        down, more_down = walk.follow(row, draw, _DOWN, set())
    return LineageNode(table, row.id, row.label, row.text, up, down, more_up, more_down)


def _found(connection: duckdb.DuckDBPyConnection, digits: str, prefix: str, url: str) -> Found:
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    # ids are ordered as their text is, so a prefix is a range, which a scan checks fast
    search = " UNION ALL ".join(
        f"(SELECT '{table}' AS name, id FROM {table} WHERE id BETWEEN $first AND $last LIMIT 6)" for table in _LABELS
    )
    found = connection.execute(f"{search} LIMIT 6", {"first": first, "last": last}).fetchall()
    if len(found) == 1:
        return Found(found[0][0], found[0][1])
    if not found:
        raise InputError(f"No record's id begins with {prefix!r} in {url}. `regenesis sql` finds ids.")
    several = ", ".join(f"{id} ({table})" for table, id in found[:5])
    raise InputError(f"An id must be unambiguous; {prefix!r} begins that of {several}{' …' if len(found) > 5 else ''}.")


@dataclass(frozen=True)
class _Row:
    table: str
    id: UUID
    label: str
    text: str
    keys: dict[str, UUID | None] = field(default_factory=dict[str, "UUID | None"])


class _Walk:
    """One connection, one direction at a time; remembers nothing but the bound."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, most: int) -> None:
        self._connection = connection
        self._most = most

    def follow(
        self, row: _Row, draw: int | None, steps: dict[str, tuple[Step, ...]], above: set[UUID]
    ) -> tuple[tuple[LineageNode, ...], int]:
        """The nodes one step away, each with its own, and how many were left out. A record is not below itself."""
        nodes: list[LineageNode] = []
        left_out = 0
        path = above | {row.id}
        shown: set[UUID] = set()
        for step in self._nearest(row, steps.get(row.table, ())):
            key = row.keys.get(step.key)
            if key is None:
                continue
            found, more = self.rows(step.table, step.column, key, draw, step.where)
            left_out += more
            for other, other_draw in found:
                if other.id in path or other.id in shown:
                    continue
                shown.add(other.id)
                near, beyond = ((), 0) if step.leaf else self.follow(other, other_draw, steps, path)
                nodes.append(self._node(other, near, beyond, upward=steps is _UP))
        return tuple(nodes), left_out

    def rows(
        self, table: str, column: str, key: UUID, draw: int | None, where: str
    ) -> tuple[list[tuple[_Row, int | None]], int]:
        """Rows where a column has a value; the known draw narrows the scan where both tables share it."""
        label, text = _LABELS[table]
        keys = sorted({"id"} | {step.key for way in (_UP, _DOWN) for step in way.get(table, ())})
        narrow = " AND draw = $draw" if draw is not None and table in _SHARE_DRAW else ""
        condition = f'"{column}" = $key{narrow}{f" AND {where}" if where else ""}'
        parameters: dict[str, object] = {"key": key, "draw": draw} if narrow else {"key": key}
        found = self._connection.execute(
            f"SELECT {label}, {text}, {'draw' if table in _SHARE_DRAW else 'NULL'}, {', '.join(keys)}"
            f" FROM {table} WHERE {condition} LIMIT {self._most + 1}",
            parameters,
        ).fetchall()
        more = 0
        if len(found) > self._most:
            counted = self._connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}", parameters).fetchone()
            more = int(counted[0]) - self._most if counted else 0
        return [_row_of(table, keys, values) for values in found[: self._most]], more

    @staticmethod
    def _nearest(row: _Row, steps: Sequence[Step]) -> list[Step]:
        """Without what a nearer parent leads to as well: a path with a structure reaches its question through it."""
        chain = ("structure_id", "adapted_guideline_id")
        for place, column in enumerate(chain):
            if row.keys.get(column) is not None:
                covered = {*chain[place + 1 :], "guideline_id", "question_id"}
                return [step for step in steps if step.key not in covered]
        return list(steps)

    @staticmethod
    def _node(row: _Row, near: tuple[LineageNode, ...], beyond: int, *, upward: bool) -> LineageNode:
        if upward:
            return LineageNode(row.table, row.id, row.label, row.text, parents=near, more_parents=beyond)
        return LineageNode(row.table, row.id, row.label, row.text, children=near, more_children=beyond)


_SHARE_DRAW = frozenset({"adapted_guidelines", "structures", "paths", "verdicts", "selections"})


def _row_of(table: str, keys: Sequence[str], values: Sequence[object]) -> tuple[_Row, int | None]:
    label, text, draw, *ids = values
    named = {name: id if isinstance(id, UUID) else None for name, id in zip(keys, ids, strict=True)}
    own = named["id"]
    if own is None:
        raise InputError(f"A row of {table} has no id. Run: regenesis storage check")
    return _Row(table, own, str(label or ""), str(text or ""), named), draw if isinstance(draw, int) else None


def walk_nodes(node: LineageNode, visit: Callable[[LineageNode, int], None], depth: int = 0) -> None:
    """Call `visit` for a node and everything around it, with its distance from the start."""
    visit(node, depth)
    for other in (*node.parents, *node.children):
        walk_nodes(other, visit, depth + 1)
