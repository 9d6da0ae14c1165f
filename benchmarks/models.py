"""What a model makes of the ladder: its free paths beside direct ones, at equal chains.

Runs `regenesis synthesize` twice on the same train questions of one set, once with the ladder and
once with direct paths: no hints, no early stop. A run that was ended goes on where it was. Prints
for each side the share of paths that are accepted (right, not cut, with work that reaches the
answer), questions solved, texts cut, tokens per chain and why right paths were refused; the ratio
is the ladder's accepted share over direct's. `--sample` writes accepted paths, drawn by seed, to
be read by a person: that a path is accepted says that its answer is right, not that it is sound.

    python benchmarks/models.py --model FILE.gguf --file gsm8k.jsonl --name gsm8k --home FOLDER
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.open_store import open_store
from storage.records import AdaptedGuideline, Question, Structure, Verdict
from storage.records import Path as RecordedPath
from storage.store.store import Store
from tasks.rules.answers.finish_reasons import is_natural_stop
from tasks.rules.gate.statistics import wilson_interval
from tasks.rules.training.acceptance import is_cut, refusal_of_path
from tasks.settings import load_settings

SIDES = {"ladder": "regenesis", "direct": "direct"}
SETTINGS = """
[model]
sequences = {sequences}
[questions]
in_domain = ["{name}"]
out_of_domain = []
train_per_set = {questions}
[synthesis]
strategy = "{strategy}"
chains_per_question = {chains}
adaptive = false
hinted_retry = false
"""


@dataclass(frozen=True)
class Side:
    """What one way of asking gave."""

    paths: int
    accepted: Sequence[RecordedPath]
    right: int
    solved: int
    questions: int
    tokens: int
    refusals: Counter[str]
    """Of right paths."""
    stages_cut: dict[str, tuple[int, int]]
    """Stage -> (cut, texts)."""

    @property
    def share(self) -> float:
        return len(self.accepted) / self.paths if self.paths else 0.0


def main() -> None:
    given = _options()
    given.home.mkdir(parents=True, exist_ok=True)
    texts = {}
    for side, strategy in SIDES.items():
        home = given.home / side
        _run(given, home, strategy)
        texts[side] = _read(open_store(f"duckdb:///{home / 'regenesis.duckdb'}"), given)
    for side, found in texts.items():
        print(_line(side, found))
    if given.sample:
        store = open_store(f"duckdb:///{given.home / 'ladder' / 'regenesis.duckdb'}")
        _write_sample(store, texts["ladder"], given)
    ladder, direct = texts["ladder"], texts["direct"]
    ratio = ladder.share / direct.share if direct.share else float("nan")
    print(
        json.dumps(
            {
                "benchmark": "models",
                "ratio": round(ratio, 3),
                "goal": 0.9,
                "solved": {side: found.solved for side, found in texts.items()},
            }
        )
    )


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", required=True, help="A folder, a GGUF file or a hub name")
    options.add_argument("--file", type=Path, required=True, help="Questions, as `ingest` reads")
    options.add_argument("--name", required=True, help="Name of the question set")
    options.add_argument("--home", type=Path, required=True, help="Kept: the next run goes on")
    options.add_argument("--questions", type=int, default=40)
    options.add_argument("--chains", type=int, default=8)
    options.add_argument("--sequences", type=int, default=64, help="Texts that grow at once")
    options.add_argument("--preset", default="default")
    options.add_argument("--prompts", default="", help="Folder of prompt files to try")
    options.add_argument("--sample", type=Path, help="Write accepted ladder paths there")
    options.add_argument("--sample-size", type=int, default=60)
    return options.parse_args()


def _run(given: argparse.Namespace, home: Path, strategy: str) -> None:
    home.mkdir(exist_ok=True)
    models = given.home / "models"  # converted once for both sides
    models.mkdir(exist_ok=True)
    if not (home / "models").exists():
        (home / "models").symlink_to(models)
    settings = home / "models.toml"
    text = SETTINGS.format(
        name=given.name,
        questions=given.questions,
        strategy=strategy,
        chains=given.chains,
        sequences=given.sequences,
    )
    if given.prompts:
        text += f"prompts = {json.dumps(str(Path(given.prompts).resolve()))}\n"
    settings.write_text(text, "utf-8")
    begin = [sys.executable, "-m", "flows.cli.main"]
    environment = os.environ | {"REGENESIS_HOME": str(home), "REGENESIS_CONFIG": str(settings)}
    for words in (
        ["ingest", str(given.file), "--name", given.name, "--licence", "as its source says"],
        ["synthesize", "--model", given.model, "--preset", given.preset, "--yes"],
    ):
        subprocess.run([*begin, *words], env=environment, stdout=sys.stderr, check=True)


def _read(store: Store, given: argparse.Namespace) -> Side:
    questions = {one.id: one for one in store.select(Question)}
    verdicts = {one.path_id: one for one in store.select(Verdict, verifier="reference")}
    selection = load_settings(given.preset).selection
    paths = store.select(RecordedPath, order_by="id")
    right, accepted, refusals = 0, list[RecordedPath](), Counter[str]()
    for path in paths:
        verdict = verdicts.get(path.id)
        if verdict is None or verdict.verdict != "correct":
            continue
        right += 1
        refusal = refusal_of_path(path, verdict, questions[path.question_id], selection)
        refusals[refusal or "accepted"] += 1
        accepted += [] if refusal else [path]
    rungs = {
        "adapted guideline": store.select(AdaptedGuideline),
        "structure": store.select(Structure),
    }
    stages = {
        name: (sum(not is_natural_stop(one.finish_reason) for one in rows), len(rows))
        for name, rows in rungs.items()
    }
    stages["path"] = (sum(map(is_cut, paths)), len(paths))
    tokens = sum(one.completion_tokens for rows in (*rungs.values(), paths) for one in rows)
    return Side(
        paths=len(paths),
        accepted=accepted,
        right=right,
        solved=len({one.question_id for one in accepted}),
        questions=given.questions,
        tokens=tokens,
        refusals=refusals,
        stages_cut=stages,
    )


def _line(side: str, found: Side) -> str:
    interval = wilson_interval(len(found.accepted), found.paths)
    stages = ", ".join(
        f"{name} {cut} of {texts}" for name, (cut, texts) in found.stages_cut.items() if texts
    )
    refused = ", ".join(
        f"{count} {reason}" for reason, count in found.refusals.items() if reason != "accepted"
    )
    return (
        f"{side:>7}: accepted {len(found.accepted)} of {found.paths} paths = {found.share:.1%}"
        f" [{interval.low:.1%}, {interval.high:.1%}]; right {found.right};"
        f" refused of the right: {refused or 'none'};"
        f" questions solved {found.solved} of {found.questions}; cut: {stages};"
        f" {found.tokens / max(found.paths, 1):.0f} tokens per chain"
    )


def _write_sample(store: Store, found: Side, given: argparse.Namespace) -> None:
    questions = {one.id: one for one in store.select(Question)}
    drawn = random.Random(1).sample(
        list(found.accepted), min(given.sample_size, len(found.accepted))
    )
    rows = [
        {
            "path_id": str(one.id),
            "question": questions[one.question_id].text,
            "answer": questions[one.question_id].answer,
            "path": one.text,
        }
        for one in drawn
    ]
    given.sample.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    main()
