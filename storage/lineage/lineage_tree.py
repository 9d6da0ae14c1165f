"""A record's family: up to its question and guideline, down to every model that it taught.

In: a store and an id, or an unambiguous beginning of one. Out: a tree of `LineageNode`. It shows;
it changes nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import duckdb

from storage.errors import InputError
from storage.lineage.lineage_steps import DOWN, LABELS, SHARE_DRAW, UP
from storage.lineage.lineage_walk import Near, Row, Walk
from storage.open_store import Store
from storage.store.store_url import is_lake

# of one kind on a screen; how many more there are is counted
MOST_CHILDREN = 20
# fewer digits are ambiguous in any store
_SHORTEST_PREFIX = 4
_PREFIX = re.compile(rf"[0-9a-f]{{{_SHORTEST_PREFIX},32}}")
# A whole id is searched in the largest tables last, paths first of them: who asks mostly asks about
# a path.
_LARGE = (
    "paths",
    "structures",
    "adapted_guidelines",
    "verdicts",
    "selections",
    "training_examples",
)


@dataclass(frozen=True)
class LineageNode:
    """A record in the tree.

    `more` is how many rows beyond the shown ones its parents or children have.
    """

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
            "table": self.table,
            "id": str(self.id),
            "label": self.label,
            "text": self.text,
            "parents": [node.as_json() for node in self.parents],
            "more_parents": self.more_parents,
            "children": [node.as_json() for node in self.children],
            "more_children": self.more_children,
        }


@dataclass(frozen=True)
class Found:
    """A record's table and id, and the draw that narrows searches near it; None for no draw."""

    table: str
    id: UUID
    draw: int | None


def find_record(store: Store, prefix: str) -> Found:
    """The one record whose id begins so; dashes may be left out.

    Raises InputError for none or several.
    """
    with store.reading() as connection:
        return _found(connection, prefix, store.url)


def lineage_tree(store: Store, id: UUID | str, most_children: int = MOST_CHILDREN) -> LineageNode:
    """A record, named by its id or the beginning of it, with ancestors and descendants.

    Raises InputError as `find_record` does.
    """
    with store.reading() as connection:
        return tree_of(connection, id, store.url, most_children)


def tree_of(
    connection: duckdb.DuckDBPyConnection,
    id: UUID | str,
    url: str,
    most_children: int = MOST_CHILDREN,
) -> LineageNode:
    """The same on a connection that is open; `url` names the store in messages."""
    found = _found(connection, str(id), url)
    walk = Walk(connection, most_children, by_id=is_lake(url))
    row = walk.start(found.table, found.id, found.draw)
    up, more_up = _branches(row, walk.near(row, UP), frozenset(), upward=True)
    down, more_down = _branches(row, walk.near(row, DOWN), frozenset(), upward=False)
    return LineageNode(row.table, row.id, row.label, row.text, up, down, more_up, more_down)


def _branches(
    row: Row, near: dict[UUID, Near], above: frozenset[UUID], *, upward: bool
) -> tuple[tuple[LineageNode, ...], int]:
    """The nodes one step away, each with its own, and how many were left out.

    A record is not below itself.
    """
    path = above | {row.id}
    nodes: dict[UUID, LineageNode] = {}
    for other, followed in near[row.id].rows:
        # a graph with shared parents is shown as a tree: each record once per branch
        if other.id in path or other.id in nodes:
            continue
        beyond, more = _branches(other, near, path, upward=upward) if followed else ((), 0)
        nodes[other.id] = _node(other, beyond, more, upward=upward)
    return tuple(nodes.values()), near[row.id].more


def _node(row: Row, beyond: tuple[LineageNode, ...], more: int, *, upward: bool) -> LineageNode:
    if upward:
        return LineageNode(
            row.table, row.id, row.label, row.text, parents=beyond, more_parents=more
        )
    return LineageNode(row.table, row.id, row.label, row.text, children=beyond, more_children=more)


def _found(connection: duckdb.DuckDBPyConnection, prefix: str, url: str) -> Found:
    digits = prefix.strip().lower().replace("-", "")
    if not _PREFIX.fullmatch(digits):
        raise InputError(
            f"An id is up to 32 hexadecimal digits, of which the first {_SHORTEST_PREFIX} may do;"
            f" found {prefix!r}."
        )
    found = (
        _with_id(connection, UUID(digits))
        if len(digits) == 32
        else _with_prefix(connection, digits)
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(
            f"No record's id begins with {prefix!r} in {url}. `regenesis sql` finds ids."
        )
    several = ", ".join(f"{one.id} ({one.table})" for one in found[:5])
    raise InputError(
        f"An id must be unambiguous; {prefix!r} begins that of"
        f" {several}{' …' if len(found) > 5 else ''}."
    )


def _with_id(connection: duckdb.DuckDBPyConnection, id: UUID) -> list[Found]:
    """The record with this id; there is one, for the table's name is part of what is hashed."""
    small = [table for table in LABELS if table not in _LARGE]
    for tables in (small, *([table] for table in _LARGE)):
        found = connection.execute(_union(tables, "id = $id LIMIT 1"), {"id": id}).fetchall()
        if found:
            return [Found(*found[0])]
    return []


def _with_prefix(connection: duckdb.DuckDBPyConnection, digits: str) -> list[Found]:
    # ids are ordered as their text is, so a prefix is a range, which a scan checks fast
    bounds = {"first": UUID(digits.ljust(32, "0")), "last": UUID(digits.ljust(32, "f"))}
    search = _union(list(LABELS), "id BETWEEN $first AND $last LIMIT 6")
    return [Found(*row) for row in connection.execute(f"{search} LIMIT 6", bounds).fetchall()]


def _union(tables: list[str], condition: str) -> str:
    """SQL for table, id and draw of what meets a condition."""
    return " UNION ALL ".join(
        f"(SELECT '{table}' AS name, id, {'draw' if table in SHARE_DRAW else 'NULL::BIGINT'} AS"
        f" draw FROM {table} WHERE {condition})"
        for table in tables
    )


def walk_nodes(
    node: LineageNode, visit: Callable[[LineageNode, int], None], depth: int = 0
) -> None:
    """Call `visit` for a node and everything around it, with its distance from the start."""
    visit(node, depth)
    for other in (*node.parents, *node.children):
        walk_nodes(other, visit, depth + 1)
