"""How exported rows look to the tools that train on them: TRL, Axolotl, LLaMA-Factory.

Each row is a conversation, whose assistant's turn alone is to be learnt; the tool renders it with
its own model's chat template. Rows of one format have one schema, whatever kind of question they
answer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import pyarrow as pa

from tasks.export.wanted_rows import Kind, Wanted
from tasks.rules.ladder.prompts import lettered

if TYPE_CHECKING:
    from storage.store.arrow import ArrowTable

Format = Literal["parquet", "chat", "datasets", "axolotl", "llama-factory", "preference", "kto"]
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
# The columns whose text goes into the conversation: what is asked, then what the assistant says.
TEXTS: dict[Kind, tuple[str, ...]] = {
    "training_set": ("prompt", "completion"),
    "paths": ("question", "path"),
    "pairs": ("question", "chosen", "rejected"),
    "judged": ("question", "path"),
}
AXOLOTL = """\
# Axolotl: these lines go into the configuration of a run, beside `base_model` and the rest.
chat_template: tokenizer_default
datasets:
  - path: FOLDER/train.jsonl
    ds_type: json
    type: chat_template
    field_messages: messages
    message_property_mappings:
      role: role
      content: content
    roles_to_train: ["assistant"]
    train_on_eos: turn
# A model that ends its turns by another token than its eos_token learns to end them only \
where it is named here:
# eot_tokens: ["<|eot_id|>"]
"""
LLAMA_FACTORY = {
    "regenesis": {
        "file_name": "train.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }
}


@dataclass(frozen=True)
class Shape:
    """The file of a format, its columns of messages, and what lies beside it."""

    file: str
    """Empty where the package `datasets` names the files."""
    messages: tuple[str, ...] = ("prompt", "completion")
    beside: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_lines(self) -> bool:
        """Whether it is JSON lines, whose readers guess the types of columns."""
        return self.file.endswith(".jsonl")


# file and columns as the documentation of TRL, Axolotl and LLaMA-Factory names them
SHAPES: dict[Format, Shape] = {
    "parquet": Shape("train.parquet"),
    "chat": Shape("train.jsonl"),
    "datasets": Shape(""),
    "axolotl": Shape("train.jsonl", ("messages",), {"axolotl.yaml": AXOLOTL}),
    "llama-factory": Shape(
        "train.jsonl",
        ("messages",),
        {"dataset_info.json": json.dumps(LLAMA_FACTORY, indent=2) + "\n"},
    ),
    "preference": Shape("train.parquet", ("prompt", "chosen", "rejected")),
    "kto": Shape("train.parquet"),
}


def conversations(rows: "ArrowTable", wanted: Wanted, shape: Shape) -> "ArrowTable":
    """The rows with their texts as messages, the other columns as they are."""
    said = [_turns(row, wanted) for row in rows.to_pylist()]
    columns = {
        name: pa.array([_column(turns, name) for turns in said], MESSAGES)
        for name in shape.messages
    }
    for name in rows.column_names:
        if name not in TEXTS[wanted.kind]:
            columns[name] = cast(Any, rows.column(name))
    return pa.table(columns)


def line_of(row: Mapping[str, Any], schema: Any) -> dict[str, object]:
    """A row for JSON lines, whose readers guess types: no nulls, no lists that may be empty."""
    kept = [
        (column.name, column.type)
        for column in schema
        if column.type == MESSAGES or not pa.types.is_list(column.type)
    ]
    return {name: _blank(kind) if row[name] is None else row[name] for name, kind in kept}


def _blank(kind: Any) -> object:
    # a value of the column's own type: a reader that guesses from the first rows guesses right
    return 0 if pa.types.is_integer(kind) else False if pa.types.is_boolean(kind) else ""


Message = dict[str, str]


def _turns(row: Mapping[str, Any], wanted: Wanted) -> list[list[Message]]:
    """The user's turn, then each of the assistant's; a begun turn begins what it says."""
    asked, *answers = TEXTS[wanted.kind]
    opening: list[Message] = [{"role": "system", "content": wanted.system}] if wanted.system else []
    user = lettered(row[asked], row.get("choices") or ()).strip()
    begun = (
        wanted.prefill
        if wanted.prefill[-1:].isspace() or not wanted.prefill
        else f"{wanted.prefill} "
    )
    spoken = [[{"role": "assistant", "content": begun + row[one].strip()}] for one in answers]
    return [[*opening, {"role": "user", "content": user}], *spoken]


def _column(turns: list[list[Message]], name: str) -> list[Message]:
    if name == "messages":
        return [message for part in turns for message in part]
    return turns[{"prompt": 0, "completion": 1, "chosen": 1, "rejected": 2}[name]]
