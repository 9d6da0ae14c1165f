"""A PIVOT that does not name its values, as one that does: DuckDB runs the first as two statements.

`PIVOT paths ON draw USING count(*)` becomes `PIVOT paths ON draw IN ('0', '1') USING count(*)`. The
query that finds the values and the statement that results are both checked like any other: a
mistake here can only lead to a refusal.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import duckdb

from storage.sql.sql_check import EXPLAIN, Refused
from storage.views import quoted

# columns; a table of more is no answer that anybody reads
MOST_VALUES = 1000
# keywords behind PIVOT's ON list
_ENDS_THE_COLUMNS = frozenset(
    {"USING", "GROUP", "ORDER", "LIMIT", "OFFSET", "UNION", "EXCEPT", "INTERSECT"}
)
_WORD = re.compile(r"\w[\w.]*|\S")  # what a token's text begins with; a comment may follow it
_NAME_THEM = "Name the values of each: PIVOT ... ON column IN (...)."


@dataclass(frozen=True)
class _Token:
    start: int
    end: int
    word: str
    """In upper case; a text or a name in quotes as it stands, so that it is no keyword."""
    depth: int


@dataclass(frozen=True)
class _Pivot:
    """Where the parts of a PIVOT stand in its statement."""

    begin: int
    source: str
    columns: tuple[tuple[int, int], ...]
    """Beginning and end of each expression after ON that has no IN."""


def with_values(
    connection: duckdb.DuckDBPyConnection, statement: str, check: Callable[[str], str]
) -> str:
    """The statement with the values of its PIVOT named; as it is where there is none to name.

    Raises Refused where the query for the values is, or where there are more than a table can have
    columns.
    """
    explain = EXPLAIN.match(statement)
    explained = statement[: explain.end()] if explain else ""
    statement = statement.removeprefix(explained)
    while _is_two_statements(connection, statement) and (pivot := _found(statement)):
        # from the back, so that the places of the others stay right
        for start, end in reversed(pivot.columns):
            column = statement[start:end].strip()
            values = _values(connection, check(_query(statement, pivot, column)), column)
            statement = (
                f"{statement[:start]} {column} IN ({', '.join(map(quoted, values))})"
                f" {statement[end:]}"
            )
    return explained + statement


def _is_two_statements(connection: duckdb.DuckDBPyConnection, statement: str) -> bool:
    """A type of the values is made, then what was written is run."""
    try:
        kinds = [one.type.name for one in connection.extract_statements(statement)]
    except duckdb.Error:
        return False
    return len(kinds) > 1 and kinds[-1] == "SELECT" and set(kinds[:-1]) == {"CREATE"}


def _query(statement: str, pivot: _Pivot, column: str) -> str:
    """The query for a column's values, with the WITH that stands before the PIVOT."""
    before = statement[: pivot.begin]
    given = before if before.strip().upper().startswith("WITH") and _depth(before) == 0 else ""
    return (
        f"{given} SELECT DISTINCT ({column})::VARCHAR AS value FROM {pivot.source}"
        f" WHERE ({column}) IS NOT NULL ORDER BY value LIMIT {MOST_VALUES + 1}"
    )


def _values(connection: duckdb.DuckDBPyConnection, query: str, column: str) -> list[str]:
    found = [str(row[0]) for row in connection.execute(query).fetchall()]
    if not found:
        raise Refused(f"PIVOT makes a column of each value; {column!r} has none.")
    if len(found) > MOST_VALUES:
        raise Refused(
            f"PIVOT makes at most {MOST_VALUES} columns; {column!r} has more values. {_NAME_THEM}"
        )
    return found


def _found(statement: str) -> _Pivot | None:
    """The last PIVOT statement with a column that names no values."""
    tokens = list(_tokens(statement))
    for place in reversed(range(len(tokens))):
        if tokens[place].word != "PIVOT":
            continue
        inside = _within(tokens, place)
        on = next(
            (number for number, token in enumerate(inside) if _is(token, tokens[place], "ON")), None
        )
        if on is None:
            continue
        ends = [
            n
            for n, token in enumerate(inside)
            if n > on and token.depth == tokens[place].depth and token.word in _ENDS_THE_COLUMNS
        ]
        listed = inside[on + 1 : ends[0] if ends else len(inside)]
        columns = tuple(_unnamed(listed, tokens[place].depth))
        if columns:
            return _Pivot(
                tokens[place].start,
                statement[tokens[place].end : inside[on].start].strip(),
                columns,
            )
    return None


def _within(tokens: list[_Token], place: int) -> list[_Token]:
    """What follows, up to the parenthesis or the semicolon that ends it."""
    depth = tokens[place].depth
    after = tokens[place + 1 :]
    ends = (
        n
        for n, token in enumerate(after)
        if token.depth < depth or (token.depth == depth and token.word == ";")
    )
    return after[: next(ends, len(after))]


def _unnamed(listed: list[_Token], depth: int) -> Iterator[tuple[int, int]]:
    """Of the expressions between commas those without IN."""
    commas = [
        -1,
        *(n for n, token in enumerate(listed) if token.depth == depth and token.word == ","),
        len(listed),
    ]
    for first, last in pairwise(commas):
        part = listed[first + 1 : last]
        if part and not any(token.depth == depth and token.word == "IN" for token in part):
            yield part[0].start, part[-1].end


def _is(token: _Token, pivot: _Token, word: str) -> bool:
    return token.depth == pivot.depth and token.word == word


def _depth(text: str) -> int:
    return [0, *(token.depth for token in _tokens(text + " x"))][-1]


def _tokens(statement: str) -> Iterator[_Token]:
    """DuckDB's own tokens, comments left out; a parenthesis has the depth of what is outside it."""
    data = statement.encode()
    found = duckdb.tokenize(statement)
    depth = 0
    for (first, _), (following, _) in zip(found, [*found[1:], (len(data), None)], strict=True):
        start = len(data[:first].decode("utf-8", "replace"))  # DuckDB counts bytes
        text = data[first:following].decode("utf-8", "replace").strip()
        quoted_text = text.startswith(("'", '"'))
        said = _WORD.match(text)
        word = text if quoted_text or said is None else said[0].upper()
        depth -= word in (")", "]")
        yield _Token(start, start + len(word), word, depth)
        depth += word in ("(", "[")
