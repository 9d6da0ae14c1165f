"""A comparison that is killed three times on its way gives the very table that an undisturbed one
gives.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.fakes.small_round import write_marked_prompts

SETTINGS = """
[questions]
in_domain = ["chain_sum"]
out_of_domain = ["lcm"]
train_per_set = 6
gate_per_set = 8
final_per_set = 10
[synthesis]
prompts = "{prompts}"
chains_per_question = 3
hinted_chains = 1
commit_seconds = 0.05
[verification]
majority_min_paths = 2
[training]
min_examples = 1
[comparison]
methods = ["base", "lmsi", "star"]
seeds = 1
learning_rates = [5e-4, 1e-3]
"""


def test_a_comparison_killed_three_times_gives_the_same_table(tmp_path: Path) -> None:
    settings = tmp_path / "small.toml"
    settings.write_text(SETTINGS.format(prompts=write_marked_prompts(tmp_path)), "utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("REGENESIS_")
    }

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.faults.dying_comparison",
            str(tmp_path),
            str(settings),
            "20261125",
        ],
        env=environment | {"PREFECT_LOGGING_LEVEL": "CRITICAL"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["died"]) == 3
    assert found["undisturbed"] == found["killed"] != []
