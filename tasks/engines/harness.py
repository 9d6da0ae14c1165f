"""EleutherAI's lm-evaluation-harness in a process of its own.

Tasks and a server's address go in, its figures come out. Nothing of it is imported here; run as a
program this module is that process.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from storage.child_process import die_with_parent
from storage.errors import InputError, PermanentError
from tasks.rules.gate.harness_tasks import HarnessTask

# EleutherAI's lm-evaluation-harness
PACKAGE = "lm_eval"
# a night's worth: a harness that hangs must not hold the round for ever
TIMEOUT_SECONDS = 6 * 3600.0


def harness_version() -> str:
    """Name and version of the harness; raises InputError where it is not installed."""
    if find_spec(PACKAGE) is None:
        raise InputError(
            "The cross-check needs the package lm_eval, which is not installed here. Run:"
            " .venv/bin/python -m uv pip install -e '.[harness]' -c"
            " deploy/requirements/constraints.txt"
        )
    return f"lm-eval {metadata.version(PACKAGE)}"


@dataclass(frozen=True)
class Target:
    """A server that the harness asks, and the folder of the tokenizer with which it renders."""

    url: str
    model_name: str
    tokenizer: Path
    key: str = field(default="", repr=False)


def run_harness(
    tasks: Sequence[HarnessTask], target: Target, *, system: str = "", concurrent: int = 64
) -> dict[str, dict[str, Any]]:
    """Results by task name.

    The harness renders with the model's chat template and asks the target; no hub is asked.
    """
    with tempfile.TemporaryDirectory(prefix="regenesis-harness-") as name:
        folder = Path(name)
        for task in tasks:
            (folder / f"{task.name}.jsonl").write_text(task.jsonl(), "utf-8")
        job = _job(tasks, target, folder, system, concurrent)
        (folder / "job.json").write_text(json.dumps(job), "utf-8")
        # nothing is fetched: data sets come from the folder, the tokenizer from the model
        offline = {
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "HF_HOME": str(folder / "cache"),
        }
        offline |= {"OPENAI_API_KEY": target.key} if target.key else {}
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__, str(folder)],
                env=os.environ | offline,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PermanentError(
                f"lm-evaluation-harness must evaluate {[task.name for task in tasks]} within"
                f" {TIMEOUT_SECONDS / 3600:g} hours; it did not. Give it fewer questions."
            ) from error
        if done.returncode:
            last = " | ".join(done.stderr.strip().splitlines()[-3:])
            raise PermanentError(
                f"lm-evaluation-harness must evaluate {[task.name for task in tasks]}; it says:"
                f" {last}"
            )
        return json.loads((folder / "results.json").read_text("utf-8"))


def _job(
    tasks: Sequence[HarnessTask], target: Target, folder: Path, system: str, concurrent: int
) -> dict[str, object]:
    """What the child process is to do."""
    return {
        "tasks": [
            {
                **task.config,
                "dataset_kwargs": {"data_files": {"test": str(folder / f"{task.name}.jsonl")}},
            }
            for task in tasks
        ],
        "model_args": {
            "model": target.model_name,
            "base_url": f"{target.url}/v1/completions",
            "tokenizer": str(target.tokenizer),
            "tokenizer_backend": "huggingface",
            "num_concurrent": concurrent,
            "max_retries": 3,
        },
        "system": system,
    }


def _main(folder: Path) -> None:
    die_with_parent()
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    job = json.loads((folder / "job.json").read_text("utf-8"))
    found = simple_evaluate(
        model="local-completions",
        model_args=job["model_args"],
        tasks=job["tasks"],
        num_fewshot=0,
        batch_size=1,
        apply_chat_template=True,
        system_instruction=job["system"] or None,
        # intervals are ours (Wilson), so the harness's bootstrap would be lost time
        bootstrap_iters=0,
        log_samples=False,
        # its own thousands of tasks take half a minute to read
        task_manager=TaskManager(include_defaults=False),
    )
    results = found.get("results", {}) if found else {}
    (folder / "results.json").write_text(json.dumps(results, default=str), "utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
