"""Batches that a version up to schema 5 left in its spool.

An upgrade puts every row in, or says why not.
"""

import hashlib
from pathlib import Path as FilePath

import pyarrow as pa
import pytest

from storage.errors import InputError
from storage.file.old_spool import spool_of, waiting_batches
from storage.open_store import open_store
from storage.records import Path, Record, Round
from storage.store.tables import to_arrow
from tests.storage.examples import make
from tests.storage.migrations.test_old_schemas import OLDER, store_of_schema

WITHOUT_SPOOL = 6  # the schema that took the spool away


def spooled(store: FilePath, number: int, operation: str, *records: Record) -> FilePath:
    """A file as that version wrote it."""
    sink = pa.BufferOutputStream()
    for record in records:
        rows = to_arrow(type(record), [record])
        schema = rows.schema.with_metadata({"table": record.table, "operation": operation})
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(rows.replace_schema_metadata(schema.metadata))
    content = sink.getvalue().to_pybytes()
    spool_of(store).mkdir(exist_ok=True)
    file = (
        spool_of(store)
        / f"{number:020d}-{len(records)}-{hashlib.sha256(content).hexdigest()}.arrows"
    )
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("version", [version for version in OLDER if version < WITHOUT_SPOOL])
def test_what_waited_is_in_the_store_after_the_upgrade_and_in_its_order(
    tmp_path: FilePath, version: int
) -> None:
    path = tmp_path / "regenesis.duckdb"
    url = store_of_schema(version, path)
    spooled(path, 1, "append", make(Path, "late"), make(Round, "late", status="running"))
    spooled(path, 2, "update", make(Round, "late", status="failed"))
    spooled(path, 3, "update", make(Round, "late", status="finished"))

    store = open_store(url)

    assert store.select(Path, id=make(Path, "late").id) == [make(Path, "late")]
    assert store.select(Round, id=make(Round, "late").id) == [
        make(Round, "late", status="finished")
    ]
    assert waiting_batches(path) == []


@pytest.mark.parametrize("damage", ["torn", "of another schema"])
def test_a_batch_that_can_not_be_put_in_stays_and_the_store_is_as_it_was(
    tmp_path: FilePath, damage: str
) -> None:
    path = tmp_path / "regenesis.duckdb"
    url = store_of_schema(3, path)
    file = spooled(path, 1, "append", make(Path, "late"))
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:-9])
    else:
        rows = pa.table({"id": pa.array(["x"]), "colour": pa.array(["red"])})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(
            sink, rows.schema.with_metadata({"table": "paths", "operation": "append"})
        ) as writer:
            writer.write_table(rows)
        content = sink.getvalue().to_pybytes()
        file.unlink()
        file = file.with_name(f"{2:020d}-1-{hashlib.sha256(content).hexdigest()}.arrows")
        file.write_bytes(content)
    before = path.read_bytes()

    with pytest.raises(
        InputError, match=r"holds acknowledged rows of the version before.* Keep the file"
    ):
        open_store(url)

    assert file.exists()
    assert path.read_bytes() == before


def test_a_spool_beside_a_store_of_this_schema_is_not_its_own(tmp_path: FilePath) -> None:
    path = tmp_path / "regenesis.duckdb"
    url = f"duckdb:///{path}"
    open_store(url)
    file = spooled(path, 1, "append", make(Path, "late"))

    with pytest.raises(InputError, match="holds batches of an earlier version"):
        open_store(url)
    assert file.exists()
