"""Whole records with plausible values: one maker per type, any field set by keyword."""

from datetime import UTC, datetime
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from storage.ids import content_id
from storage.records import Record
from storage.store.tables import R, nullable_columns, sql_types

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_PLAIN: dict[str, object] = {
    "VARCHAR": "text",
    "BIGINT": 0,
    "DOUBLE": 0.0,
    "BOOLEAN": False,
    "TIMESTAMP": NOW,
    "VARCHAR[]": [],
    "DOUBLE[]": [],
}


def make(record_type: type[R], key: object = 0, /, **values: Any) -> R:
    """A record whose id is made of its type and `key`; null where it may be null."""
    chosen: dict[str, Any] = {"id": uid(record_type, key)}
    for name, sql_type in sql_types(record_type).items():
        if name == "id" or name in values:
            continue
        if name in nullable_columns(record_type):
            chosen[name] = None
        else:
            chosen[name] = _literal(record_type, name) or (
                content_id(name, str(key)) if sql_type == "UUID" else _PLAIN[sql_type]
            )
    return record_type(**(chosen | values))


def uid(record_type: type[Record], key: object = 0) -> UUID:
    """The id that `make` gives."""
    return content_id(record_type.table, str(key))


@cache
def _literal(record_type: type[Record], name: str) -> object:
    hint = get_type_hints(record_type)[name]
    arguments = get_args(hint)
    return (
        arguments[0]
        if get_origin(hint) is not None and arguments and isinstance(arguments[0], str)
        else None
    )
