"""A second configuration of a round's synthesis: what it leaves as it was is paid for once."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.open_store import Store, open_store
from storage.records import AdaptedGuideline, Structure
from storage.records import Path as RecordedPath
from tasks.guidelines import builtin_guidelines
from tests.fakes.scripted_machinery import ScriptedMachinery

Command = Callable[..., tuple[int, str, str]]
# A scripted structure is numbered by its seed, and may hold the answer by chance: no chain is to
# end at it.
EVERY_CHAIN = """[synthesis]
adaptive = false
hinted_retry = false
refuse_telling_structures = false"""


@pytest.fixture
def begun(
    home: Path, small: str, tmp_path: Path, machinery: ScriptedMachinery, command: Command
) -> Path:
    """The settings of a round whose paths are written."""
    file = tmp_path / "small.toml"
    every = small.replace("chains_per_question = 4", "chains_per_question = 25")
    file.write_text(every.replace("[synthesis]", EVERY_CHAIN), "utf-8")
    assert command("synthesize", "--settings", str(file))[0] == 0
    return file


def counts(home: Path) -> tuple[int, int, int]:
    store: Store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    return (
        len(store.select(AdaptedGuideline)),
        len(store.select(Structure)),
        len(store.select(RecordedPath)),
    )


def test_other_sampling_of_paths_reuses_every_adapted_guideline_and_structure(
    home: Path, begun: Path, command: Command
) -> None:
    before = counts(home)
    begun.write_text(
        begun.read_text("utf-8") + "\n[synthesis.path]\ntemperature = 0.7\nmax_tokens = 128\n",
        "utf-8",
    )

    planned = json.loads(
        command("synthesize", "--plan", "--change", "--json", "--settings", str(begun))[1]
    )
    code, _, err = command("synthesize", "--change", "--settings", str(begun))

    assert (code, err.count("goes on with these synthesis settings")) == (0, 1)
    assert planned["to_generate"].keys() <= {"path", "close"}
    assert counts(home) == (*before[:2], before[2] + planned["to_generate"]["path"])


def test_a_guideline_more_generates_only_its_own_chains(
    home: Path, begun: Path, tmp_path: Path, command: Command
) -> None:
    before = counts(home)
    chosen, more = (
        "".join(_entry(one.name, one.text) for one in builtin_guidelines()),
        _entry("mine", "Draw it first."),
    )
    own = tmp_path / "guidelines.toml"
    own.write_text(chosen + more, "utf-8")
    widened = begun.read_text("utf-8").replace(
        "chains_per_question = 25", "chains_per_question = 26"
    )
    begun.write_text(
        widened.replace("[synthesis]", f"[synthesis]\nguidelines = {json.dumps(str(own))}"), "utf-8"
    )

    command("synthesize", "--change", "--settings", str(begun))

    assert counts(home) == tuple(count // 25 * 26 for count in before)


def test_settings_do_not_change_once_the_training_set_is_made(
    begun: Path, command: Command
) -> None:
    command("train", "--settings", str(begun))

    code, _, err = command("synthesize", "--change", "--settings", str(begun))

    assert code == 2
    assert "round 1 has its training set" in err


def _entry(name: str, text: str) -> str:
    return f"[[guideline]]\nname = {json.dumps(name)}\ntext = {json.dumps(text)}\n"
