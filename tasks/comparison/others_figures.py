"""Others' published figures from a CSV file, to stand beside ours.

A value is a percentage or a share. Nothing is computed from them: other models, splits, prompts and
readings.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.errors import InputError
from storage.records import ComparisonFigure
from tasks.comparison.comparison_figures import iterations
from tasks.comparison.contest import Contest

COLUMNS = ("method", "set", "value", "source", "split")
MORE = ("model", "prompt", "reading")
# thousands of figures take less; a larger file is something else, and is not read
MOST_BYTES = 5_000_000


@dataclass(frozen=True)
class Published:
    """One published figure; `value` is a share of 1."""

    method: str
    set: str
    value: float
    source: str
    split: str
    model: str = ""
    prompt: str = ""
    reading: str = ""


def read_published(file: Path) -> list[Published]:
    """The file's rows. Raises InputError naming file and row for the first thing that is wrong."""
    rows = _rows(file)
    return [_published(file, place, row) for place, row in enumerate(rows, start=2)]


def beside_ours(contest: Contest, theirs: Sequence[Published]) -> list[dict[str, object]]:
    """A row a published figure, with ours of the same method and set where there is one."""
    ours = {
        (row.method, row.scope, row.reading): row
        for row in contest.store.select(
            ComparisonFigure,
            comparison_id=contest.record.id,
            name="accuracy",
            rates="chosen",
            iteration=iterations(contest)[-1],
        )
    }

    def shown(one: Published, reading: str) -> str:
        row = ours.get((one.method, one.set, reading))
        return f"{row.value:.1%} ({row.low:.1%} to {row.high:.1%})" if row else "-"

    return [
        {
            "method": one.method,
            "set": one.set,
            "theirs": f"{one.value:.1%}",
            "ours, strict": shown(one, "strict"),
            "ours, lenient": shown(one, "lenient"),
            "their model": one.model or "not said",
            "their split": one.split or "not said",
            "source": one.source,
        }
        for one in theirs
    ]


def differences_of_setting(contest: Contest, theirs: Sequence[Published]) -> list[str]:
    """Every difference that makes two figures incomparable, unknown ones included."""

    def named(values: list[str]) -> str:
        return ", ".join(dict.fromkeys(value or "not said" for value in values))

    settings = contest.settings
    split = (
        f"{settings.questions.final_per_set} final questions per set at most, drawn by the seed,"
        " never trained on"
    )
    budget = (
        f"matched by {settings.comparison.match}, {settings.synthesis.chains_per_question} chains a"
        f" question, {settings.questions.train_per_set} train questions per set,"
        f" {settings.training.kind}"
    )
    prompt = repr(contest.prompts["answer"].text.strip())
    reading = "strict (stated as asked) and lenient (found anywhere at the end), greedy answers"
    return [
        f"Model: theirs {named([one.model for one in theirs])}; ours {contest.base.name}.",
        f"Split: theirs {named([one.split for one in theirs])}; ours {split}.",
        f"Prompt: theirs {named([one.prompt for one in theirs])}; ours, zero-shot: {prompt}.",
        f"Reading: theirs {named([one.reading for one in theirs])}; ours {reading}.",
        f"Budget: theirs not said in such a file; ours {budget}.",
    ]


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InputError(
                f"Published figures are a small table; {str(file)!r} has over {MOST_BYTES:,} bytes."
            )
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            names = [name.strip() for name in reader.fieldnames or []]
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                raise InputError(
                    f"Published figures have the columns {', '.join(COLUMNS)} (and"
                    f" {', '.join(MORE)} if known); {str(file)!r} lacks {missing[0]!r}. It has:"
                    f" {', '.join(names) or 'none'}."
                )
            reader.fieldnames = names
            rows = [
                {str(key): str(value or "").strip() for key, value in row.items()} for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"Published figures must be a readable UTF-8 CSV; {str(file)!r} is not ({error})."
        ) from error
    if not rows:
        raise InputError(f"Published figures must have a row; {str(file)!r} has none.")
    return rows


def _published(file: Path, place: int, row: dict[str, str]) -> Published:
    for name in ("method", "set", "source"):
        if not row[name]:
            raise InputError(
                f"{str(file)!r}, line {place}: {name!r} is empty; each figure says what it is and"
                " whose."
            )
    text = row["value"]
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    value = value / 100 if text.endswith("%") or value > 1 else value
    if not 0 <= value <= 1:
        raise InputError(
            f"{str(file)!r}, line {place}: 'value' is a share or a percentage; found {text!r}."
        )
    return Published(
        method=row["method"],
        set=row["set"],
        value=value,
        source=row["source"],
        split=row["split"],
        model=row.get("model", ""),
        prompt=row.get("prompt", ""),
        reading=row.get("reading", ""),
    )
