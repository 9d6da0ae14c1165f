"""What README and the pages tell a user to type is typed here, in their order, after a real first
round.
"""

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.improve import improve
from flows.steps.edges import use_edges
from flows.steps.progress import Quiet
from storage.open_store import open_store
from storage.records import Path as RecordedPath
from tests.fakes.homes import at_home
from tests.fakes.pages import blocks_of
from tests.fakes.scripted_machinery import ScriptedMachinery
from tests.fakes.small_round import small_settings

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/tutorial.md",
    "docs/verdicts.md",
    "docs/evaluation.md",
    "docs/gate.md",
    "docs/how-to/own-data.md",
    "docs/how-to/export.md",
    "docs/compare.md",
)
TYPED_BY_OTHERS = {
    "docs/storage.md": "tests/flows/test_lake_round.py",
    "docs/how-to/first-week.md": "tests/flows/test_first_week.py",
}
ELSEWHERE = {
    "--help": "tests/test_light_base.py",
    "explore": "tests/browser/test_explore.py",
    "up": "tests/stack/test_up.py",
    "down": "tests/stack/test_up.py",
}
NOT_RUN, PROGRAMS = (
    ("not run by a test: ", "tests/"),
    (
        "regenesis",
        "make",
        "python",
        ".venv/bin/",
        "docker",
        "helm",
        "kubectl",
        "REGENESIS_",
        "curl",
        "pip",
        "git",
    ),
)


def commands_of(page: str) -> list[list[str]]:
    """The words after `regenesis` of every command of a page that a test can run, what redirects
    left off.
    """
    blocks = blocks_of((ROOT / page).read_text("utf-8"))
    lines = [
        line for block in blocks for line in block.splitlines() if line.startswith("regenesis ")
    ]
    lines = [line for line in lines if NOT_RUN[0] not in line]
    return [shlex.split(line.partition(" > ")[0], comments=True)[1:] for line in lines]


def files_of_a_user(folder: Path) -> None:
    sums = [{"prompt": f"What is {n} + {n + 1}?", "target": str(2 * n + 1)} for n in range(200)]
    (folder / "my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in sums), "utf-8")
    answers = {"text": "The answer is 5.", "answer": "5", "answer_kind": "number"}
    (folder / "answers.jsonl").write_text(json.dumps(answers) + "\n", "utf-8")


@dataclass(frozen=True)
class FirstRound:
    """A home after a real first round on scripted machinery, and the settings of that."""

    home: Path
    settings: str


@pytest.fixture(scope="module")
def first_round(tmp_path_factory: pytest.TempPathFactory) -> FirstRound:
    folder = tmp_path_factory.mktemp("first-round")
    found = FirstRound(folder / "home", small_settings(folder))
    with at_home(found.home), use_edges(ScriptedMachinery(), Quiet()):
        improve(settings_toml=found.settings)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_does_what_it_says(
    page: str,
    first_round: FirstRound,
    home: Path,
    tmp_path: Path,
    command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = tmp_path / "small.toml"
    settings.write_text(first_round.settings, "utf-8")
    monkeypatch.setenv("REGENESIS_CONFIG", str(settings))
    monkeypatch.chdir(tmp_path)
    files_of_a_user(tmp_path)
    shutil.copytree(first_round.home, home)
    path = open_store(f"duckdb:///{home / 'regenesis.duckdb'}").select(RecordedPath, order_by="id")[
        0
    ]

    for words in commands_of(page):
        if not ELSEWHERE.keys() & set(words):
            code, out, err = command(*(str(path.id) if word == "7c1e" else word for word in words))
            assert code == 0, (words, err)
            assert out.strip(), words


@pytest.mark.parametrize(
    "page",
    ["README.md", *(str(one.relative_to(ROOT)) for one in sorted((ROOT / "docs").rglob("*.md")))],
)
def test_a_command_of_any_page_is_run_or_says_why_not(page: str) -> None:
    run = (
        {tuple(words) for words in commands_of(page)}
        if page in (*PAGES, *TYPED_BY_OTHERS)
        else set[tuple[str, ...]]()
    )
    for block in blocks_of((ROOT / page).read_text("utf-8")):
        for line in block.splitlines() if "never run" not in block else ():
            words = (
                tuple(shlex.split(line.partition(" > ")[0], comments=True))
                if line.startswith(PROGRAMS)
                else ()
            )
            elsewhere = bool(ELSEWHERE.keys() & set(words)) or words[:1] == ("make",)  # .ci/run
            assert (
                not words or words[1:] in run or elsewhere or any(sign in line for sign in NOT_RUN)
            ), line


def test_what_is_typed_is_found_behind_blocks_of_any_language() -> None:
    page = (
        "a\n```toml\nx = 1\n```\nb\n```\nregenesis doctor\n```\nc\n```text\nnot"
        " this\n```\n```\nregenesis up\n```\n"
    )

    assert blocks_of(page) == ["regenesis doctor\n", "regenesis up\n"]
    assert blocks_of(page, "toml") == ["x = 1\n"]


def test_what_is_run_elsewhere_is_run_there() -> None:
    for word, file in ELSEWHERE.items():
        assert word in (ROOT / file).read_text("utf-8"), file
    for page, file in TYPED_BY_OTHERS.items():
        assert page in (ROOT / file).read_text("utf-8"), file
