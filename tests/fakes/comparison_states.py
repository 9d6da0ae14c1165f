"""States of comparisons as files, changed as another machine or a person may have changed them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.records import RECORD_TYPES, Record
from storage.store.tables import to_arrow
from tasks.comparison.states.state import as_text

KINDS: dict[str, type[Record]] = {kind.table: kind for kind in RECORD_TYPES}


def without_answers(folder: Path) -> None:
    """Nobody has answered yet: answers, what counts them and the table are left out."""
    for table in ("answers", "evaluations", "evaluation_figures", "comparison_figures"):
        file = folder / f"{table}.parquet"
        pq.write_table(pq.read_table(file).slice(0, 0), file)


def with_rows(folder: Path, records: Sequence[Record]) -> None:
    """These rows stand there too; one of the same id is replaced."""
    for table in {one.table for one in records}:
        more = [one for one in records if one.table == table]
        file = folder / f"{table}.parquet"
        rows: Any = as_text(to_arrow(KINDS[table], more))
        if file.is_file():
            own: Any = pq.read_table(file)
            ids = {str(one.id) for one in more}
            kept: Any = own.filter(pa.array([one not in ids for one in own["id"].to_pylist()]))
            rows = pa.concat_tables([kept, rows.cast(kept.schema)])
        pq.write_table(rows, file)


def without_columns(folder: Path, table: str, names: Sequence[str]) -> None:
    """A version that did not have them wrote the state."""
    file = folder / f"{table}.parquet"
    pq.write_table(pq.read_table(file).drop_columns(list(names)), file)
