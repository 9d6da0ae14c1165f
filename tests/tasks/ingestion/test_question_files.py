"""Question files: every format is read alike, and every problem is one clear line."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.errors import InputError
from tasks.ingestion.question_files import FileMapping, SourceRow, read_rows

NO_MAPPING = FileMapping.of({}, "")
GOOD = {"id": "q-1", "question": "What is 2 + 2?", "answer": "4", "answer_kind": "number", "level": 3}


def write_jsonl(folder: Path, *rows: object, name: str = "set.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def test_a_jsonl_row_keeps_its_id_and_its_unmapped_columns(tmp_path: Path) -> None:
    [row] = read_rows(write_jsonl(tmp_path, GOOD), NO_MAPPING)
    assert row == SourceRow("q-1", "What is 2 + 2?", (), "4", "number", "", '{"level": 3}')


def test_answer_type_is_taken_for_answer_kind(tmp_path: Path) -> None:
    [row] = read_rows(
        write_jsonl(tmp_path, {"question": "Up?", "answer": "True", "answer_type": "boolean"}), NO_MAPPING
    )
    assert (row.kind, row.answer) == ("boolean", "yes")


def test_gzip_csv_parquet_and_json_read_alike(tmp_path: Path) -> None:
    text = 'question,answer,answer_kind\n"What is 2 + 2, then?",4,number\n'
    (tmp_path / "a.csv").write_text(text, "utf-8")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    columns = {"question": ["What is 2 + 2, then?"], "answer": ["4"], "answer_kind": ["number"]}
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    (tmp_path / "d.parquet.gz").write_bytes(gzip.compress((tmp_path / "c.parquet").read_bytes()))
    [row] = pa.table(columns).to_pylist()
    (tmp_path / "e.json").write_text(json.dumps([row], indent=1), "utf-8")
    (tmp_path / "f.json").write_text(json.dumps(row), "utf-8")
    read = [read_rows(file, NO_MAPPING) for file in sorted(tmp_path.iterdir())]
    assert len(read) == 6
    assert all(rows == read[0] for rows in read)


def test_a_mapping_names_other_columns(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path, {"Body": "Is ice cold?", "gold": "yes"})
    [row] = read_rows(file, FileMapping.of({"question": "Body", "answer": "gold"}, "boolean"))
    assert (row.text, row.answer) == ("Is ice cold?", "yes")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**GOOD, "question": "  "}, "row 1 has an empty question"),
        ({**GOOD, "answer_kind": "colour"}, "row 1 has an answer of unknown kind 'colour'"),
        ({"question": "x", "answer": "4"}, "no column 'answer_kind'"),
        ({"frage": "x", "answer": "4"}, "no column 'question' for 'question'; its columns are 'frage', 'answer'"),
        ({**GOOD, "answer_kind": "choice", "answer": "A"}, "needs at least two choices"),
        ({**GOOD, "answer_kind": "choice", "answer": "E", "choices": ["a", "b"]}, "must answer with a letter A-B"),
        ({**GOOD, "answer_kind": "boolean"}, "must answer yes or no; found '4'"),
        ([1], "must be a JSON object"),
    ],
)
def test_a_bad_row_is_one_line_that_says_where(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        read_rows(write_jsonl(tmp_path, row), NO_MAPPING)
    assert message in str(caught.value)


def test_a_duplicate_question_names_both_rows(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path, GOOD, {**GOOD, "id": "q-2", "question": "what is  2 + 2?"})
    with pytest.raises(InputError, match="row 2 asks the same question as row 1"):
        read_rows(file, NO_MAPPING)
    assert len(read_rows(file, NO_MAPPING, keep_first_of_duplicates=True)) == 1


@pytest.mark.parametrize("name", ["absent.jsonl", "set.txt"])
def test_a_file_that_is_not_there_or_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "set.txt").write_text("x", "utf-8")
    with pytest.raises(InputError):
        read_rows(tmp_path / name, NO_MAPPING)


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "row 1 must be a JSON object"), ("[{]", "a JSON list of objects")]
)
def test_a_json_file_that_lists_no_objects_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / "set.json", NO_MAPPING)


def test_a_broken_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl.gz").write_bytes(b"\x1f\x8b not gzip")
    with pytest.raises(InputError, match="cannot be read"):
        read_rows(tmp_path / "set.jsonl.gz", NO_MAPPING)
