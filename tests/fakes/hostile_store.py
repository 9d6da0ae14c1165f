"""The story of three rounds in a real store, each stored text followed by what would harm a careless page."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from storage.records import Record
from storage.repository import Store, open_store
from tests.storage.story import whole_story

HOSTILE = (
    ' </pre></details><img src="http://evil.example/a.png" onerror="window.harmed = 1">'
    "<script>window.harmed = 1</script>"
    " [click](javascript:window.harmed=1) ![](http://evil.example/b.png) http://evil.example/c"
    ' <marimo-ui-element random-id="1"></marimo-ui-element> $$x$$ {{x}} `x` \x1b[31mred\x07 \u202eesrever'
)
TEXTS = {
    "name",
    "text",
    "answer",
    "source_row_id",
    "source",
    "extracted",
    "strict_extracted",
    "rater",
    "reasons",
    "line",
}


def hostile_store(file: Path) -> Store:
    """Every name and text is still there, before what is hostile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    store = open_store(f"duckdb:///{file}", busy_seconds=0.05)
    store.append([_hostile(record) for record in whole_story()])
    return store


def _hostile(record: Record) -> Record:
    changed: dict[str, Any] = {
        field.name: getattr(record, field.name) + HOSTILE
        for field in fields(record)
        if field.name in TEXTS and isinstance(getattr(record, field.name), str)
    }
    return replace(record, **changed)
