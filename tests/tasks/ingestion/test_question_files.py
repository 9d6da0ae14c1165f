"""Question files: every format is read alike, and every problem is one clear line."""

import csv
import gzip
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import InputError
from storage.records import ANSWER_KINDS
from tasks.ingestion.question_files import (
    FileMapping,
    RowSource,
    SourceRow,
    file_source,
    read_questions,
)
from tasks.ingestion.raw_rows import RawRow
from tasks.rules.questions.choices import KEY_KINDS

NO_MAPPING = FileMapping.of({}, "")
GOOD = {
    "id": "q-1",
    "question": "What is 2 + 2?",
    "answer": "4",
    "answer_kind": "number",
    "level": 3,
}


def read_rows(file: Path, mapping: FileMapping) -> list[SourceRow]:
    return read_questions(file_source(file), mapping).rows


def write_jsonl(folder: Path, *rows: object, name: str = "set.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def test_a_jsonl_row_keeps_its_id_and_its_unmapped_columns(tmp_path: Path) -> None:
    [row] = read_rows(write_jsonl(tmp_path, GOOD), NO_MAPPING)
    assert row == SourceRow("q-1", "What is 2 + 2?", (), "4", "number", "", '{"level": 3}')


def test_answer_type_is_taken_for_answer_kind(tmp_path: Path) -> None:
    [row] = read_rows(
        write_jsonl(tmp_path, {"question": "Up?", "answer": "True", "answer_type": "boolean"}),
        NO_MAPPING,
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
        (
            {"frage": "x", "answer": "4"},
            "no column 'question' for 'question'; its columns are 'frage', 'answer'",
        ),
        ({**GOOD, "answer_kind": "choice", "answer": "A"}, "needs at least two choices"),
        (
            {**GOOD, "answer_kind": "choice", "answer": "E", "choices": ["a", "b"]},
            "must answer with a letter A-B",
        ),
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
    assert len(read_questions(file_source(file), NO_MAPPING, keep_first=True).rows) == 1


@pytest.mark.parametrize("name", ["absent.jsonl", "set.txt", "folder"])
def test_a_file_that_is_not_there_or_of_another_format_is_refused(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "set.txt").write_text("x", "utf-8")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError):
        read_rows(tmp_path / name, NO_MAPPING)


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "row 1 must be a JSON object"), ("[{]", "a JSON list of objects")]
)
def test_a_json_file_that_lists_no_objects_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "set.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / "set.json", NO_MAPPING)


def test_a_broken_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl.gz").write_bytes(b"\x1f\x8b not gzip")
    with pytest.raises(InputError, match="cannot be read"):
        read_rows(tmp_path / "set.jsonl.gz", NO_MAPPING)


PEARS = {"question": "How many pears?", "answer": "18", "answer_kind": "number"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PEARS, indent=1),
        json.dumps([PEARS], indent=1),
        json.dumps({"version": "1", "data": [PEARS]}),
        json.dumps({"rows": [PEARS]}, indent=2),
        json.dumps([PEARS]),
        "\n" + json.dumps(PEARS) + "\n\n",
    ],
)
@pytest.mark.parametrize("name", ["set.json", "set.jsonl"])
def test_json_is_read_however_it_is_laid_out(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    assert [(row.text, row.answer) for row in read_rows(tmp_path / name, NO_MAPPING)] == [
        ("How many pears?", "18")
    ]


def test_rows_under_a_strange_name_are_refused_with_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text(json.dumps({"easy": [PEARS], "hard": [PEARS]}), "utf-8")
    with pytest.raises(InputError, match=r"rows as a list at the top.*'easy' \(1 entries\)"):
        read_rows(tmp_path / "set.json", NO_MAPPING)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            'question,answer\n"2 + 2?,4\n"3 + 3?",6\n',
            "row 1 (from line 2) has a quote that is not closed",
        ),
        (
            'question,answer\n2 + 2?,4\n"3 + 3?,6\n4 + 4?,8\n',
            "row 2 (from line 3) has a quote that is not closed",
        ),
        ("question,answer\n2 + 2?\n3 + 3?,6\n", "row 1 (line 2) has 1 fields; the header names 2"),
        ("question,answer\n2 + 2?,4,5\n", "row 1 (line 2) has 3 fields"),
        ('question,answer\n"2\n+ 2?",4\n3?\n', "row 2 (line 4) has 1 fields"),
        ("question,answer,answer\n2 + 2?,4,5\n", "more than one column named 'answer'"),
        pytest.param(
            "question,answer\n" + "x" * 140_000 + ",4\n",
            "has a field of more than 131,072",
            id="long",
        ),
        pytest.param(
            "question,answer\n" + "x" * 120_000 + ",4\n", "row 1 has 120,000 characters", id="less"
        ),
    ],
)
def test_a_csv_that_is_not_strictly_one_is_refused_by_its_row(
    text: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "set.csv").write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        read_rows(tmp_path / "set.csv", FileMapping.of({}, "number"))
    assert says in str(caught.value)


FIELDS_OF_ANY_TEXT = st.text(
    st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([(",", "set.csv"), (";", "set.csv"), ("\t", "set.csv"), ("\t", "set.tsv")]),
    FIELDS_OF_ANY_TEXT,
)
def test_columns_may_be_divided_as_any_spreadsheet_divides_them(
    divided: tuple[str, str], text: str
) -> None:
    delimiter, name = divided
    question = f"What is {text} + 2, then?"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        with file.open("w", encoding="utf-8-sig", newline="") as stream:
            csv.writer(stream, delimiter=delimiter).writerows(
                [["question", "answer"], [question, "1,234"]]
            )
        read = read_questions(file_source(file), FileMapping.of({}, "number"))

    assert [(row.text, row.answer) for row in read.rows] == [(question, "1,234")]
    assert [one for one in read.taken if one.startswith("columns")] == (
        []
        if delimiter == ","
        else [f"columns: divided by {'semicolons' if delimiter == ';' else 'tabs'}"]
    )


@pytest.mark.parametrize("name", ["damaged.csv.gz", "latin.csv"])
def test_a_csv_that_is_no_text_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    (tmp_path / "damaged.csv.gz").write_bytes(gzip.compress(b"question,answer\n" * 99)[:-20])
    (tmp_path / "latin.csv").write_bytes("question;answer\nWie hei\xdft er?;4\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"^[^\n]*Save it as UTF-8\.$"):
        read_rows(tmp_path / name, FileMapping.of({}, "number"))


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        (
            ("Question", "ANSWER"),
            {"question: from the column 'Question'", "answer: from the column 'ANSWER'"},
        ),
        (
            ("Problem ", "AnswerKey"),
            {"question: from the column 'Problem '", "answer: from the column 'AnswerKey'"},
        ),
        (("question", "answer", "Question"), set[str]()),
    ],
)
def test_capitals_of_a_columns_name_do_not_matter_where_it_is_the_only_one(
    columns: tuple[str, ...], taken: set[str], tmp_path: Path
) -> None:
    file = write_jsonl(tmp_path, dict(zip(columns, ("How many?", "4", "another"), strict=False)))
    read = read_questions(file_source(file), FileMapping.of({}, "number"))
    assert [(row.text, row.answer) for row in read.rows] == [("How many?", "4")]
    assert set(read.taken) == taken


@pytest.mark.parametrize(
    ("row", "says"),
    [
        pytest.param(
            '{"question": "x", "answer": ' + "7" * 5001 + "}",
            "it has a number of 5,001 digits",
            id="digits",
        ),
        pytest.param(
            '{"question": "x", "answer": "' + "7" * 5001 + '"}',
            "has 5,001 characters as a number",
            id="text",
        ),
        pytest.param(
            '{"question": ' + "[" * 100_000 + "}",
            "it is nested deeper than can be read",
            id="nesting",
        ),
        pytest.param(
            '{"question": "x", "choices": "' + "[" * 90_000 + '", "answer": "4"}',
            "has choices that are not",
            id="list",
        ),
        pytest.param(
            '{"question": "' + "x" * 140_000 + '", "answer": "4"}',
            "has 140,000 characters",
            id="length",
        ),
        pytest.param(
            '{"question": "x", "answer": "4", "answer": "5"}', "it names 'answer' twice", id="names"
        ),
        pytest.param(
            '{"question": "x", "answer": "4"} {"question": "y"}', "found more behind it", id="two"
        ),
        pytest.param(
            '{"question": "\\ud800", "answer": "4"}', "half a character pair", id="surrogate"
        ),
    ],
)
def test_a_limit_is_named_with_file_and_row(row: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text(
        '{"question": "How many?", "answer": "4"}\n' + row + "\n", "utf-8"
    )
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        read_rows(tmp_path / "set.jsonl", FileMapping.of({}, "number"))
    assert says in str(caught.value)
    assert "set.jsonl: row 2" in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("second", "says"),
    [
        pytest.param(
            '{"question": "b?", "answer": ' + "7" * 5001 + "}", "row 2 must be one of", id="digits"
        ),
        pytest.param('{"question": ' + "[" * 100_000 + "}", "row 2 must be one of", id="nesting"),
        pytest.param(
            '{"question": "b?", "answer": "4"} {"question": "c?"}',
            "row 2 must be one of",
            id="comma",
        ),
        pytest.param('{"question": "b?", "answer": "N/A"}', "row 2 has 'N/A'", id="reference"),
        pytest.param("4", "row 2 must be a JSON object; found int", id="number"),
        pytest.param('{"question": "b?", "answer": "4"}]]', "row 2 must be one of", id="end"),
    ],
)
def test_a_row_of_a_list_is_named_too(second: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text(f'[{{"question": "a?", "answer": "4"}},\n{second}]', "utf-8")
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        read_rows(tmp_path / "set.json", FileMapping.of({}, "number"))
    assert f"set.json: {says}" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_parquet_file_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays(
        [pa.array(["x"]), pa.array(["4"]), pa.array(["5"])], names=["question", "answer", "answer"]
    )
    pq.write_table(table, tmp_path / "set.parquet")
    with pytest.raises(InputError, match="more than one column named 'answer'"):
        read_rows(tmp_path / "set.parquet", FileMapping.of({}, "number"))


@pytest.mark.parametrize(
    "column", [{"question": [b"How?"]}, {"question": [[["How?"]]]}, {"answer": [b"4"]}]
)
def test_bytes_and_nested_lists_of_a_parquet_file_are_refused_by_row(
    column: dict[str, object], tmp_path: Path
) -> None:
    pq.write_table(
        pa.table({"question": ["How?"], "answer": ["4"]} | column), tmp_path / "set.parquet"
    )
    with pytest.raises(InputError, match=r"set\.parquet: row 1 has"):
        read_rows(tmp_path / "set.parquet", FileMapping.of({}, "number"))


def test_rows_without_a_readable_reference_are_listed_or_left_out(tmp_path: Path) -> None:
    good, bad = {"question": "a?", "answer": "4"}, {"answer": "N/A"}
    file = write_jsonl(tmp_path, good, *({"question": f"{n}?"} | bad for n in range(12)))
    number = FileMapping.of({}, "number")
    with pytest.raises(
        InputError, match=r"12 of 13 references cannot be read: row 2 .*\(and 2 more\)"
    ):
        read_rows(file, number)
    read = read_questions(file_source(file), number, skip_unreadable=True)
    assert ([row.text for row in read.rows], len(read.left_out)) == (["a?"], 12)


def test_a_column_that_only_later_rows_have_counts_for_them(tmp_path: Path) -> None:
    rows = [{"question": "a?", "answer": "4"}, {"question": "b?", "answer": "5", "split": "test"}]
    assert [
        one.split for one in read_rows(write_jsonl(tmp_path, *rows), FileMapping.of({}, "number"))
    ] == ["", "test"]


def test_how_things_were_taken_is_counted(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Brief."}, {"role": "user", "content": "How many?"}]
    row = {"prompt": chat, "solution": "So.\n#### 4", "split": "Validation"}
    read = read_questions(
        file_source(write_jsonl(tmp_path, row, {**row, "prompt": "And now?"})), NO_MAPPING
    )
    assert read.taken == {
        "question: the last user turn of a chat (system message kept in `extra`, not asked)": 1,
        "question: from the column 'prompt'": 2,
        "answer: from the column 'solution'": 2,
        "answer: what stands behind '####'": 2,
        "kind number: shown by the row itself": 2,
        "split 'Validation': held out, divided between gate and final": 2,
    }
    assert [json.loads(row.extra) for row in read.rows] == [
        {"prompt": chat, "solution": "So.\n#### 4"},
        {"solution": "So.\n#### 4"},
    ]


def test_a_part_of_an_object_can_be_mapped_and_its_absence_is_said(tmp_path: Path) -> None:
    rows = [
        {"question": {"stem": "Up?"}, "reward": {"truth": "yes"}},
        {"question": {"stem": "Down?"}, "reward": {}},
    ]
    mapping = FileMapping.of({"question": "question.stem", "answer": "reward.truth"}, "boolean")
    assert read_rows(write_jsonl(tmp_path, rows[0]), mapping)[0].answer == "yes"
    with pytest.raises(InputError, match=r"row 2 has no 'reward.truth' for its answer"):
        read_rows(write_jsonl(tmp_path, *rows), mapping)


def test_two_columns_that_may_both_be_the_question_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'problem' and 'prompt', either of which may be the question"
    ):
        read_rows(
            write_jsonl(tmp_path, {"problem": "a", "prompt": "b", "answer": "4"}),
            FileMapping.of({}, "number"),
        )


def test_the_columns_beside_are_kept_as_json_that_anybody_reads(tmp_path: Path) -> None:
    text = (
        '{"question": "a?", "answer": "4", "score": NaN, "deep": {"x": [Infinity, 1]}, "half":'
        ' "\\ud800"}'
    )
    (tmp_path / "set.jsonl").write_text(text, "utf-8")
    [row] = read_rows(tmp_path / "set.jsonl", FileMapping.of({}, "number"))
    assert row.extra == '{"score": null, "deep": {"x": [null, 1]}, "half": "?"}'


HUB_FORMS: dict[str, list[dict[str, object]]] = {
    "gsm8k": [{"question": "How many clips?", "answer": "48/2 = <<48/2=24>>24.\n#### 72"}],
    "arc": [
        {
            "id": "Mercury_1",
            "question": "Which is a metal?",
            "answerKey": "2",
            "choices": {"text": ["oak", "iron"], "label": ["1", "2"]},
        },
        {
            "id": "Mercury_2",
            "question": "Which is a tree?",
            "answerKey": "A",
            "choices": {"text": ["oak", "iron"], "label": ["A", "B"]},
        },
    ],
    "strategyqa": [
        {
            "qid": "b8677742616fef051f00",
            "term": "Genghis Khan",
            "description": "founder",
            "question": "Are more?",
            "answer": True,
            "facts": ["Julius Caesar had three children."],
            "decomposition": ["How many?"],
        },
    ],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gsm8k", [("number", "72", ())]),
        ("arc", [("choice", "B", ("oak", "iron")), ("choice", "A", ("oak", "iron"))]),
        ("strategyqa", [("boolean", "yes", ())]),
    ],
)
def test_sets_as_the_hub_publishes_them_need_no_mapping(
    name: str, expected: list[object], tmp_path: Path
) -> None:
    pq.write_table(pa.Table.from_pylist(HUB_FORMS[name]), tmp_path / "train-00000-of-00001.parquet")
    rows = read_rows(tmp_path / "train-00000-of-00001.parquet", NO_MAPPING)
    assert [(row.kind, row.answer, row.choices) for row in rows] == expected


WORDS = ("A", "B", "text", "label", "role", "content", "value", "messages", "x")
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=12),
        st.sampled_from(
            [
                "A",
                "B) iron",
                "1",
                "#### 4",
                r"\boxed{4}",
                '["a", "b"]',
                "['a']",
                "A. x\nB. y",
                "test",
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=6,
)
ROWS = st.fixed_dictionaries(
    {"question": VALUES, "answer": VALUES}, optional={"choices": VALUES, "split": VALUES}
)


@settings(max_examples=300)
@given(ROWS, st.sampled_from(["", *ANSWER_KINDS]), st.sampled_from(KEY_KINDS))
def test_whatever_a_row_holds_it_is_taken_or_refused_in_one_line(
    row: RawRow, kind: str, key: str
) -> None:
    source = RowSource("set.jsonl", "set.jsonl", "", iter([(1, row)]))
    try:
        read = read_questions(source, FileMapping.of({}, kind, key))
    except InputError as error:
        lines = str(error).splitlines()
    else:
        lines = ["set.jsonl"]
        [taken] = read.rows
        assert taken.text
        assert not [
            one
            for one in (taken.text, taken.answer, *taken.choices)
            if one.startswith(("[{'", "{'"))
        ]
        assert taken.kind != "choice" or taken.answer in ("", *"ABCDEF"[: len(taken.choices)])
        assert taken.split in ("", "train", "test", "gate", "final")
        json.loads(taken.extra)
    assert len(lines) == 1
    assert "set.jsonl" in lines[0]
