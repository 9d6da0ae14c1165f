"""`regenesis judge FILE`: rows in order, other fields kept, malformed rows in their place."""

import json

from tasks.verification.judge_file import judge_file


def row(text: str, answer: object = "5", answer_kind: str = "number", **more: object) -> str:
    return json.dumps({"text": text, "answer": answer, "answer_kind": answer_kind, **more}) + "\n"


def judged(*lines: str, lenient: bool = False) -> tuple[list[dict[str, object]], list[str]]:
    complaints: list[str] = []
    return [
        json.loads(line) for line in judge_file(lines, lenient, complain=complaints.append)
    ], complaints


def test_rows_come_back_in_order_with_their_other_fields():
    rows, _ = judged(
        row("The answer is 5.", id=7), row("The answer is 6.", id=8), row("Five.", id=9)
    )

    assert [(one["id"], one["verdict"], one["reason"]) for one in rows] == [
        (7, "correct", "equal"),
        (8, "wrong", "answer_differs"),
        (9, "unjudged", "no_final_answer"),
    ]
    assert rows[0]["extracted"] == "5"
    assert rows[0]["text"] == "The answer is 5."


def test_a_malformed_row_is_reported_with_its_line_and_the_rest_go_on():
    rows, complaints = judged(
        "{oops\n",
        "\n",
        "[1]\n",
        row("x", answer_kind="colour"),
        '{"text": "x"}\n',
        row("The answer is 5."),
    )

    assert [one["reason"] for one in rows] == ["malformed_row"] * 4 + ["equal"]
    assert [complaint.partition(":")[0] for complaint in complaints] == [
        "Line 1",
        "Line 3",
        "Line 4",
        "Line 5",
    ]


def test_the_lenient_reading_is_asked_for():
    line = row("So there are 5.")

    assert judged(line)[0][0]["verdict"] == "unjudged"
    assert judged(line, lenient=True)[0][0]["verdict"] == "correct"


def test_numbers_and_truth_values_of_json_are_references_too():
    rows, _ = judged(
        row("The answer is 0.5", 0.5),
        row("The answer is yes", True, "boolean"),
        row("The answer is 5", 5),
    )

    assert [one["verdict"] for one in rows] == ["correct"] * 3


def test_any_answer_of_a_list_is_right_as_in_a_question_file():
    kinds = [("Niger", ["Niger", "Republic of Niger"], "text"), ("7", [5, 7.0, "9"], "number")]
    for said, accepted, kind in kinds:
        right, wrong = (row(f"The answer is {one}.", accepted, kind) for one in (said, "11"))

        assert [one["verdict"] for one in judged(right, wrong)[0]] == ["correct", "wrong"]


def test_a_list_that_accepts_nothing_is_a_malformed_row():
    rows, complaints = judged(
        row("The answer is 5.", []), row("The answer is 5.", [["5"]]), row("5", [None])
    )

    assert [one["reason"] for one in rows] == ["malformed_row"] * 3
    assert all("'answer' is" in one for one in complaints)


def test_lone_surrogates_come_back_as_escapes():
    (line,) = judge_file(
        ['{"text": "The answer is 5 \\ud800", "answer": "5", "answer_kind": "number"}']
    )

    assert "\\ud800" in line
    assert json.loads(line)["text"].endswith("\ud800")
