"""A few rows of each published question set, and files of them in the published layout."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.rules.questions.published_rows import Row
from tasks.rules.questions.published_sets import PublishedSet, published_set

Splits = Mapping[str, Sequence[Row]]


def _choices(stem: str, key: str, **more: str) -> Row:
    return {
        **more,
        stem: "Which is warm?",
        "choices": {"text": ["ice", "fire"], "label": ["A", "B"]},
        "answerKey": key,
    }


def _anli(uid: str, label: int) -> Row:
    return {
        "uid": uid,
        "premise": "It rains.",
        "hypothesis": f"It is wet {uid}.",
        "label": label,
        "reason": "",
    }


STRATEGY: Splits = {
    "train": [
        {
            "qid": "a1",
            "question": "Is ice cold?",
            "answer": True,
            "facts": ["Ice is frozen."],
            "evidence": [],
        }
    ],
    "validation": [
        {"qid": "a2", "question": "Is fire cold?", "answer": False, "facts": ["Fire burns."]}
    ],
}
PUBLISHED: Mapping[str, Splits] = {
    "gsm8k": {
        "train": [
            {
                "question": "What is 500 + 572?",
                "answer": "500+572=<<500+572=1072>>1,072\n#### 1,072",
            }
        ],
        "test": [{"question": "What is 1 + 1?", "answer": "1+1=2\n#### 2"}],
    },
    "numglue": {
        "train": [{"type": "Type_1", "question": "What is 2 + 3?", "answer": 5}],
        "validation": [
            {"type": "Type_5", "passage": "P.", "question": "How many?", "answer": {"number": "7"}}
        ],
        "test": [
            {
                "type": "Type_3",
                "question": "Which?",
                "option1": "x",
                "option2": "y",
                "answer": "Option 2",
            }
        ],
    },
    "strategyqa": STRATEGY,
    "strategyqa_facts": STRATEGY,
    "reclor": {
        "train": [
            {
                "id_string": "r1",
                "context": "C.",
                "question": "Q?",
                "answers": ["a", "b"],
                "label": 1,
            }
        ],
        "validation": [
            {
                "id_string": "r2",
                "context": "D.",
                "question": "Q?",
                "answers": ["a", "b"],
                "label": 0,
            }
        ],
        "test": [{"id_string": "r3", "context": "E.", "question": "Q?", "answers": ["a", "b"]}],
    },
    "arc_challenge": {
        "train": [_choices("question", "B", id="M1")],
        "validation": [{**_choices("question", "A", id="M2"), "question": "Which is cold?"}],
        "test": [{**_choices("question", "A", id="M3"), "question": "Which is solid?"}],
    },
    "svamp": {
        "test": [{"ID": "chal-1", "Body": "Ann has 5.", "Question": "How many?", "Answer": 5.0}]
    },
    "asdiv": {
        "validation": [{"body": "Seven apples.", "question": "How many?", "answer": "7 (apples)"}]
    },
    "aqua_rat": {
        "train": [
            {"question": "Not taken", "options": ["A)1", "B)2"], "rationale": "", "correct": "A"}
        ],
        "validation": [
            {"question": "Nor this", "options": ["A)1", "B)2"], "rationale": "", "correct": "A"}
        ],
        "test": [
            {
                "question": "Twenty-two?",
                "options": ["A)21", "B)22"],
                "rationale": "",
                "correct": "B",
            }
        ],
    },
    "openbookqa": {"test": [_choices("question_stem", "B", id="7-1")]},
    "bbh": {"test": [{"input": "Which is warm?\nOptions:\n(A) ice\n(B) fire", "target": "(B)"}]},
    "anli": {
        split: [_anli(split, label)]
        for split, label in (
            ("dev_r1", 0),
            ("test_r1", 1),
            ("dev_r2", 2),
            ("test_r2", 0),
            ("dev_r3", 1),
            ("test_r3", 2),
        )
    },
}


def known_with_counts_of(name: str, splits: Splits) -> PublishedSet:
    """The known set, as if exactly these rows had been published."""
    return replace(published_set(name), counts={split: len(rows) for split, rows in splits.items()})


def write_published(
    folder: Path, name: str, splits: Splits, *, lines: bool = False, gz: bool = False
) -> Path:
    """Files in the layout of the set; of `*` folders one, `task_a`.

    `lines` writes .json files one object a line.
    """
    for split, rows in splits.items():
        file = folder / published_set(name).files[split].replace("*", "task_a")
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, rows, lines)
        if gz:
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    return folder


def _write(file: Path, rows: Sequence[Row], lines: bool) -> None:
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), file)
    elif lines:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    else:
        file.write_text(json.dumps(rows, indent=1), "utf-8")
