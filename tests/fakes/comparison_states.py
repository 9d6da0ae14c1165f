"""States of comparisons as files, changed as another machine or a person may have changed them."""

from pathlib import Path

import pyarrow.parquet as pq


def without_answers(folder: Path) -> None:
    """Nobody has answered yet: answers, what counts them and the table are left out."""
    for table in ("answers", "evaluations", "evaluation_figures", "comparison_figures"):
        file = folder / f"{table}.parquet"
        pq.write_table(pq.read_table(file).slice(0, 0), file)
