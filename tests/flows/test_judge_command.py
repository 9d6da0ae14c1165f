"""`regenesis judge` in a pipe."""

import json
import subprocess
import sys
from pathlib import Path

ROW = {"text": "The answer is 5.", "answer": "5", "answer_kind": "number"}
PIPE_HOLDS = 65_536  # bytes
CLICKS_OWN = 1  # click ends a command whose reader has gone with this code, and says nothing


def test_a_reader_that_has_enough_ends_the_command_without_a_word(tmp_path: Path) -> None:
    lines = 4 * PIPE_HOLDS // len(json.dumps(ROW))
    (tmp_path / "answers.jsonl").write_text(f"{json.dumps(ROW)}\n" * lines, "utf-8")
    command = [sys.executable, "-m", "flows.cli.main", "judge", "answers.jsonl"]

    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        first = json.loads(running.stdout.readline())
        running.stdout.close()
        said = running.stderr.read()

    assert first["verdict"] == "correct"
    assert said == ""
    assert running.returncode == CLICKS_OWN
