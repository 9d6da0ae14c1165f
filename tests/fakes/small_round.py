"""Settings of a round of seconds, with prompts that the scripted engine can read."""

from pathlib import Path

from tests.fakes.scripted_engine import marked_prompts

_SMALL = """
[questions]
in_domain = ["chain_sum", "gcd"]
out_of_domain = ["lcm"]
train_per_set = 4
gate_per_set = 40
final_per_set = 4
[synthesis]
prompts = "{prompts}"
chains_per_question = 4
hinted_chains = 2
commit_seconds = 0.05
[training]
min_examples = 4
"""


def small_settings(folder: Path) -> str:
    """TOML of a small round; its prompts are written below the folder."""
    return _SMALL.format(prompts=write_marked_prompts(folder))


def write_marked_prompts(folder: Path) -> Path:
    """The folder to name in `synthesis.prompts`."""
    prompts = folder / "prompts"
    prompts.mkdir(parents=True)
    for name, prompt in marked_prompts().items():
        (prompts / f"{name}.txt").write_text(prompt.text, "utf-8")
    return prompts
