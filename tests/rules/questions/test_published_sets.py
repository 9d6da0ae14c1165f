"""The paper's question sets: published layouts become questions, published counts are checked."""

import pytest

from storage.errors import InputError
from tasks.rules.answers.verdicts import Case, Judgement, judged_quickly
from tasks.rules.questions.published_rows import PublishedRow, Row, is_usable
from tasks.rules.questions.published_sets import PUBLISHED_SETS, check_counts, published_set

ARC: Row = {
    "id": "M1",
    "question": "Which?",
    "choices": {"text": ["a", "b"], "label": ["1", "2"]},
    "answerKey": "2",
}
BBH_SORT = "Sort the following words alphabetically: List: b a"
ROWS: list[tuple[str, Row, PublishedRow | None]] = [
    (
        "gsm8k",
        {"question": "How many?", "answer": "48+24=72\n#### 1,072"},
        PublishedRow("", "How many?", "1072", "number"),
    ),
    (
        "numglue",
        {"type": "Type_1", "question": "Q?", "answer": 10},
        PublishedRow("", "Q?", "10", "number"),
    ),
    (
        "numglue",
        {
            "type": "Type_5",
            "passage": "P.",
            "question": "Q?",
            "answer": {"number": "7", "spans": [], "date": {}},
        },
        PublishedRow("", "P.\nQ?", "7", "number"),
    ),
    (
        "numglue",
        {
            "type": "Type_6",
            "passage": "P.",
            "question": "Q?",
            "answer": {"number": "", "spans": ["a", "b"]},
        },
        PublishedRow("", "P.\nQ?", "a, b", "text"),
    ),
    (
        "numglue",
        {
            "type": "Type_3",
            "question": "Which?",
            "option1": "x",
            "option2": "y",
            "answer": "Option 2",
        },
        PublishedRow("", "Which?", "B", "choice", ("x", "y")),
    ),
    (
        "numglue",
        {"type": "Type_7", "statement1": "S", "statement2": "T", "answer": "Neutral"},
        PublishedRow(
            "",
            "S\nT\nDoes the second statement follow from the first?",
            "B",
            "choice",
            ("entailment", "neutral", "contradiction"),
        ),
    ),
    (
        "strategyqa",
        {"qid": "q1", "question": "Is it?", "answer": False, "facts": ["F."]},
        PublishedRow("q1", "Is it?", "no", "boolean"),
    ),
    (
        "strategyqa_facts",
        {"qid": "q1", "question": "Is it?", "answer": True, "facts": ["F.", "G."]},
        PublishedRow("q1", "F.\nG.\nIs it?", "yes", "boolean"),
    ),
    (
        "reclor",
        {
            "id_string": "r",
            "context": "C.",
            "question": "Q?",
            "answers": ["a", "b", "c", "d"],
            "label": 2,
        },
        PublishedRow("r", "C.\nQ?", "C", "choice", ("a", "b", "c", "d")),
    ),
    ("reclor", {"id_string": "r", "context": "C.", "question": "Q?", "answers": ["a"]}, None),
    ("arc_challenge", ARC, PublishedRow("M1", "Which?", "B", "choice", ("a", "b"))),
    (
        "openbookqa",
        {
            "id": "7",
            "question_stem": "The sun",
            "choices": {"text": ["a", "b"], "label": ["A", "B"]},
            "answerKey": "A",
        },
        PublishedRow("7", "The sun", "A", "choice", ("a", "b")),
    ),
    (
        "svamp",
        {"ID": "chal-1", "Body": "B.", "Question": "Q?", "Answer": 51.0},
        PublishedRow("chal-1", "B. Q?", "51", "number"),
    ),
    (
        "asdiv",
        {"body": "B.", "question": "Q?", "answer": "9 (apples)"},
        PublishedRow("", "B. Q?", "9", "number"),
    ),
    (
        "asdiv",
        {"body": "B.", "question": "Q?", "answer": "Joe"},
        PublishedRow("", "B. Q?", "Joe", "text"),
    ),
    (
        "asdiv",
        {"body": "B.", "question": "Q?", "answer": "5:3"},
        PublishedRow("", "B. Q?", "5:3", "text"),
    ),
    (
        "aqua_rat",
        {"question": "Q?", "options": ["A)21", "B) 22"], "correct": "B"},
        PublishedRow("", "Q?", "B", "choice", ("21", "22")),
    ),
    (
        "bbh",
        {"input": "Q?\nOptions:\n(A) x\n(B) y", "target": "(B)"},
        PublishedRow("", "Q?", "B", "choice", ("x", "y")),
    ),
    (
        "bbh",
        {"input": "not True is", "target": "False"},
        PublishedRow("", "not True is", "false", "boolean"),
    ),
    (
        "bbh",
        {"input": "((1 + 2)) =", "target": "-3"},
        PublishedRow("", "((1 + 2)) =", "-3", "number"),
    ),
    ("bbh", {"input": BBH_SORT, "target": "a b"}, PublishedRow("", BBH_SORT, "a, b", "text")),
    (
        "bbh",
        {"input": "Complete: ( [", "target": "] )"},
        PublishedRow("", "Complete: ( [", "] )", "text"),
    ),
    (
        "anli",
        {"uid": "u", "premise": "P.", "hypothesis": "H.", "label": 2},
        PublishedRow(
            "u",
            "P.\nHypothesis: H.\nHow does the hypothesis relate to the text?",
            "C",
            "choice",
            ("entailment", "neutral", "contradiction"),
        ),
    ),
]


@pytest.mark.parametrize(("name", "raw", "expected"), ROWS)
def test_a_published_row_becomes_a_question(name: str, raw: Row, expected: PublishedRow | None):
    assert published_set(name).row(raw) == expected


@pytest.mark.parametrize(("name", "raw", "expected"), [row for row in ROWS if row[2] is not None])
def test_its_reference_is_judged_equal_to_itself(name: str, raw: Row, expected: PublishedRow):
    judged = judged_quickly(
        Case(
            f"The answer is {expected.answer}",
            expected.answer,
            expected.answer_kind,
            expected.choices,
        )
    )

    assert isinstance(judged, Judgement)
    assert judged.verdict == "correct"


@pytest.mark.parametrize(
    ("row", "usable"),
    [
        (PublishedRow("", "Q?", "1,072", "number"), True),
        (PublishedRow("", "Q?", "because", "number"), False),
        (PublishedRow("", "Q?", "", "text"), False),
        (PublishedRow("", " ", "x", "text"), False),
        (PublishedRow("", "Q?", "B", "choice", ("x", "y")), True),
        (PublishedRow("", "Q?", "C", "choice", ("x", "y")), False),
        (PublishedRow("", "Q?", "A", "choice", ("x",)), False),
    ],
)
def test_a_row_is_usable_where_its_reference_can_be_compared(row: PublishedRow, usable: bool):
    assert is_usable(row) == usable


def test_an_out_of_domain_set_never_takes_a_split_that_trains():
    assert published_set("gsm8k").splits_taken == ["train", "test"]
    assert published_set("openbookqa").splits_taken == ["test"]
    assert published_set("anli").splits_taken == [
        "dev_r1",
        "test_r1",
        "dev_r2",
        "test_r2",
        "dev_r3",
        "test_r3",
    ]


def test_every_set_of_the_paper_is_known_with_licence_and_citation():
    names = {one.name for one in PUBLISHED_SETS}

    assert names == {
        "gsm8k",
        "numglue",
        "strategyqa",
        "strategyqa_facts",
        "reclor",
        "arc_challenge",
        "svamp",
        "asdiv",
        "aqua_rat",
        "openbookqa",
        "bbh",
        "anli",
    }
    assert all(one.licence and one.citation and one.counts and one.files for one in PUBLISHED_SETS)
    assert not any(published_set(name).redistributable for name in ("reclor", "anli", "asdiv"))


def test_a_wrong_count_says_what_was_published():
    check_counts(published_set("gsm8k"), {"train": 7473, "test": 1319})
    check_counts(published_set("numglue"), {"train": 71_285, "validation": 10_183, "test": 20_367})

    with pytest.raises(InputError, match="7473 rows as published; found 7000"):
        check_counts(published_set("gsm8k"), {"train": 7000})


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="gsm8k, numglue"):
        published_set("gsm9k")
