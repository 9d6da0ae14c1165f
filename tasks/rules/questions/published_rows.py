"""Published layouts, one function each: a raw row in, a `PublishedRow` or None out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from storage.records import AnswerKind
from tasks.rules.answers.values.numbers import Number, number_offered

Row = Mapping[str, object]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# `(A) text` on a line of its own, as in BIG-Bench Hard
BBH_OPTION = re.compile(r"^\s*\(([A-Z])\)\s*(.*?)\s*$", re.MULTILINE)
# `- valid`, `- invalid`: its options without letters
BBH_DASH = re.compile(r"^\s*-\s*(.+?)\s*$", re.MULTILINE)
BOOLEANS = frozenset({"yes", "no", "true", "false", "valid", "invalid"})
# in the order of their numbers in ANLI: 0, 1, 2
NLI_LABELS = ("entailment", "neutral", "contradiction")


@dataclass(frozen=True)
class PublishedRow:
    """What a question needs from a published row."""

    source_row_id: str
    text: str
    answer: str
    answer_kind: AnswerKind
    choices: tuple[str, ...] = ()


def is_usable(row: PublishedRow) -> bool:
    """Whether a row asks something and has a reference that can be compared."""
    if row.answer_kind == "choice":
        letters = tuple(LETTERS[: len(row.choices)])
        return bool(row.text.strip()) and len(letters) > 1 and row.answer in letters
    is_number = row.answer_kind != "number" or isinstance(number_offered(row.answer), Number)
    return bool(row.text.strip() and row.answer.strip()) and is_number


def gsm8k(row: Row) -> PublishedRow:
    """question, answer with its rationale and `#### 72`."""
    answer = _text(row, "answer").rpartition("####")[2].strip().replace(",", "")
    return PublishedRow(_id(row), _text(row, "question"), answer, "number")


def numglue(row: Row) -> PublishedRow | None:
    """NumGLUE. Types 1, 2, 4, 8: question, answer; 3: two options; 5, 6: passage; 7: inference."""
    kind = _text(row, "type").removeprefix("Type_")
    if kind == "7":
        text = (
            f"{_text(row, 'statement1')}\n{_text(row, 'statement2')}\nDoes the second statement"
            " follow from the first?"
        )
        label = _text(row, "answer").lower()
        return (
            _option(row, text, NLI_LABELS, NLI_LABELS.index(label)) if label in NLI_LABELS else None
        )
    if kind == "3":
        options = (_text(row, "option1"), _text(row, "option2"))
        place = re.search(r"([12])", _text(row, "answer"))
        return (
            _option(row, _text(row, "question"), options, int(place[1]) - 1)
            if place and all(options)
            else None
        )
    if kind in ("5", "6"):
        return _from_passage(row)
    answer = _text(row, "answer")
    return (
        PublishedRow(_id(row), _text(row, "question"), answer, _number_or_text(answer))
        if answer
        else None
    )


def strategyqa(row: Row) -> PublishedRow:
    """qid, question, answer as a truth value."""
    return PublishedRow(
        _id(row),
        _text(row, "question"),
        "yes" if row["answer"] in (True, "true", "yes") else "no",
        "boolean",
    )


def strategyqa_with_facts(row: Row) -> PublishedRow:
    """The same with the published facts before the question."""
    plain = strategyqa(row)
    facts = row.get("facts") or []
    lines = (
        [facts]
        if isinstance(facts, str)
        else [str(fact) for fact in cast("Sequence[object]", facts)]
    )
    return PublishedRow(
        plain.source_row_id, "\n".join([*lines, plain.text]), plain.answer, "boolean"
    )


def reclor(row: Row) -> PublishedRow | None:
    """context, question, answers, label from 0; without a label (test) not usable."""
    if row.get("label") is None:
        return None
    options = tuple(str(answer) for answer in cast("Sequence[object]", row["answers"]))
    return _option(
        row, f"{_text(row, 'context')}\n{_text(row, 'question')}", options, int(str(row["label"]))
    )


def labelled_choices(row: Row) -> PublishedRow:
    """ARC, OpenBookQA: question or question_stem, choices {text, label}, answerKey (A-E or 1-5)."""
    question = row.get("question")
    nested = cast(Row, question) if isinstance(question, Mapping) else row
    choices = nested["choices"]
    if isinstance(choices, Mapping):
        columns = cast("Mapping[str, Sequence[object]]", choices)
        texts, labels = (
            [str(t) for t in columns["text"]],
            [str(label) for label in columns["label"]],
        )
    else:
        pairs = cast("Sequence[Row]", choices)
        texts, labels = (
            [str(pair["text"]) for pair in pairs],
            [str(pair["label"]) for pair in pairs],
        )
    stem = nested.get("question_stem") or nested.get("stem") or nested["question"]
    return _option(row, str(stem).strip(), tuple(texts), labels.index(_text(row, "answerKey")))


def svamp(row: Row) -> PublishedRow:
    """Body, Question, Answer as 51.0."""
    answer = _text(row, "Answer").removesuffix(".0")
    return PublishedRow(
        _id(row), f"{_text(row, 'Body')} {_text(row, 'Question')}", answer, "number"
    )


def asdiv(row: Row) -> PublishedRow:
    """body, question, answer as `9 (apples)`; what is no single number is text."""
    # `9 (apples)` -> `9`; `(3) + 4` keeps its brackets
    answer = re.sub(r"\s*\([^()]*\)\s*$", "", _text(row, "answer"))
    return PublishedRow(
        _id(row), f"{_text(row, 'body')} {_text(row, 'question')}", answer, _number_or_text(answer)
    )


def aqua_rat(row: Row) -> PublishedRow:
    """question, options as `A)21`, correct as a letter."""
    options = tuple(
        # `A)21` -> `21`
        re.sub(r"^\s*[A-E]\)\s*", "", str(o))
        for o in cast("Sequence[object]", row["options"])
    )
    return _option(row, _text(row, "question"), options, LETTERS.index(_text(row, "correct")))


def bbh(row: Row) -> PublishedRow:
    """input, target; the kind follows from the target. Sorted words become a list."""
    text, target = _text(row, "input"), _text(row, "target")
    letter = re.fullmatch(r"\(([A-Z])\)", target)
    if letter:
        stem, _, tail = text.partition("Options:")
        return _option(
            row,
            stem.strip(),
            tuple(found[1] for found in BBH_OPTION.findall(tail)),
            LETTERS.index(letter[1]),
        )
    if target.lower() in BOOLEANS:
        return PublishedRow(_id(row), BBH_DASH.sub(r"- \1", text), target.lower(), "boolean")
    if isinstance(number_offered(target), Number) and re.fullmatch(r"-?[\d,.]+", target):
        return PublishedRow(_id(row), text, target, "number")
    is_sorting = text.lower().startswith("sort the following words")
    return PublishedRow(_id(row), text, ", ".join(target.split()) if is_sorting else target, "text")


def anli(row: Row) -> PublishedRow | None:
    """premise, hypothesis, label 0 entailment, 1 neutral, 2 contradiction."""
    label = int(str(row["label"]))
    text = (
        f"{_text(row, 'premise')}\nHypothesis: {_text(row, 'hypothesis')}\nHow does the hypothesis"
        " relate to the text?"
    )
    return _option(row, text, NLI_LABELS, label) if 0 <= label < len(NLI_LABELS) else None


def _from_passage(row: Row) -> PublishedRow | None:
    answer = row["answer"]
    text = f"{_text(row, 'passage')}\n{_text(row, 'question')}"
    if not isinstance(answer, Mapping):
        return (
            PublishedRow(_id(row), text, str(answer), _number_or_text(str(answer)))
            if str(answer).strip()
            else None
        )
    fields = cast("Mapping[str, object]", answer)
    if str(fields.get("number") or "").strip():
        return PublishedRow(_id(row), text, str(fields["number"]).strip(), "number")
    spans = [str(span) for span in cast("Sequence[object]", fields.get("spans") or [])]
    date = cast("Mapping[str, object]", fields.get("date") or {})
    words = (
        ", ".join(spans)
        or " ".join(str(date.get(part) or "") for part in ("day", "month", "year")).strip()
    )
    return PublishedRow(_id(row), text, words, "text") if words else None


def _option(row: Row, text: str, options: tuple[str, ...], place: int) -> PublishedRow:
    return PublishedRow(_id(row), text, LETTERS[place], "choice", options)


def _number_or_text(answer: str) -> AnswerKind:
    return "number" if isinstance(number_offered(answer), Number) else "text"


def _text(row: Row, name: str) -> str:
    value = row[name]
    return "" if value is None else str(value).strip()


def _id(row: Row) -> str:
    return next(
        (
            str(row[name])
            for name in ("id", "qid", "ID", "id_string", "uid")
            if row.get(name) is not None
        ),
        "",
    )
