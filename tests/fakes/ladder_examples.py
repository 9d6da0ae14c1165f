"""Questions, guidelines, a model and settings for tests of the ladder; and a script that solves or
fails at will.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from storage.ids import content_id
from storage.records import Guideline, Model, Question
from tasks.settings import Settings, load_settings
from tests.fakes.scripted_engine import Asked, Script

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = Model(
    id=UUID(int=7),
    name="scripted",
    base_model_id=UUID(int=7),
    adapter_id=None,
    revision="r",
    chat_template_hash="h",
)


def question(number: int, answer: str | None = None) -> Question:
    """Question `number`, whose answer is its number unless another is given."""
    text = f"What is question {number}?"
    return Question(
        id=content_id("questions", text),
        question_set_id=UUID(int=1),
        source_row_id=str(number),
        part="train",
        draw=1,
        text=text,
        choices=[],
        answer=str(number) if answer is None else answer,
        answer_kind="number",
        extra="{}",
        created_at=NOW,
    )


def guidelines(count: int = 25) -> list[Guideline]:
    """Guidelines 1 to `count`; the last three are left out of hinted retries where there are 25."""
    return [
        Guideline(
            id=content_id("guidelines", f"advice {place}"),
            name=f"advice {place}",
            position=place,
            text=f"advice {place}",
            in_hinted_retry=place <= 22,
        )
        for place in range(1, count + 1)
    ]


def settings(preset: str = "default", **synthesis: object) -> Settings:
    """Settings with some of synthesis replaced.

    Commits come quickly, and the default preset's tuning moves no test.
    """
    fixed = (
        {"chains_per_question": 8, "enough_accepted": 5, "hinted_chains": 4}
        if preset == "default"
        else {}
    )
    values: Mapping[str, object] = {"commit_seconds": 0.05} | fixed | synthesis
    return load_settings(preset, overrides={"synthesis": values})


def always_right(asked: Asked) -> str:
    """Every path ends in the right answer; texts differ by seed."""
    return _text(asked, right=True)


def always_wrong(asked: Asked) -> str:
    """No path ends in the right answer."""
    return _text(asked, right=False)


def right_sometimes(share: float, hinted: bool = True) -> Script:
    """A path is right with probability `share`, decided by its seed; hinted paths always where
    `hinted`.
    """

    def script(asked: Asked) -> str:
        lucky = asked.seed / 2**31 < share
        return _text(asked, right=lucky or (hinted and asked.prompt_name.endswith("_hinted")))

    return script


def _text(asked: Asked, *, right: bool) -> str:
    name = asked.prompt_name
    if name == "self_check":
        return "Yes."
    if name == "select_guidelines":
        return "2, 5"
    if name not in (
        "path",
        "path_hinted",
        "direct",
        "direct_hinted",
        "no_structure_path",
        "no_structure_path_hinted",
    ):
        return f" {name} text {asked.seed}"
    number = int("".join(filter(str.isdigit, asked.question)))
    stated = number if right else number + 1
    return f"I count {asked.seed} things, of which I want {stated}. The answer is {stated}."
