"""A wrong file that a user names is refused with one line that names it; exit code 2."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli.main import main
from storage.errors import InputError
from tasks.guidelines import chosen_guidelines
from tasks.prompt_files import load_prompts
from tests.fakes.homes import use_home

Command = Callable[..., tuple[int, str]]

# a table's place taken by something else, what is no TOML, and what makes its reader give up
WRONG_TOML = [
    "synthesis = 3",
    "synthesis = [1]",
    "[[synthesis]]\nchains_per_question = 1",
    "seed = {}",
    "model = 'a'",
    "nonsense = 1",
    "[",
    "seed = " + "7" * 5000,
    "seed = " + "[" * 5000,
]
WRONG_GUIDELINES = [
    "",
    "[guideline]\ntext = 'a'",
    "guideline = 3",
    "guideline = [1]",
    "guideline = [[{text = 'a'}]]",
    "[[guideline]]\ntext = 3",
    "[[guideline]]\ntext = ' '",
    "[[guideline]]\nname = 'a'",
    "[",
    "guideline = " + "[" * 5000,
]
WRONG_PROMPTS = ["", "[user]\na\n[user]\nb"]
UNREADABLE = ["missing", "a folder", "not UTF-8"]
WORDS = {
    "settings": ["settings", "--settings", "FILE"],
    "settings with an option": ["round", "--dry-run", "--chains", "4", "--settings", "FILE"],
    "the comparison's settings": ["compare", "--dry-run", "--rates", "1e-4", "--settings", "FILE"],
    "REGENESIS_CONFIG": ["settings"],
    "a statement": ["sql", "--file", "FILE"],
    "answers": ["judge", "FILE"],
}
OF_SETTINGS = ["settings", "settings with an option", "REGENESIS_CONFIG"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.txt"


@pytest.fixture
def command(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """A command of WORDS on the file: its exit code and standard error."""
    use_home(monkeypatch, tmp_path / "home")

    def run(name: str) -> tuple[int, str]:
        if name == "REGENESIS_CONFIG":
            monkeypatch.setenv(name, str(file))
        words = [str(file) if word == "FILE" else word for word in WORDS[name]]
        monkeypatch.setattr(sys, "argv", ["regenesis", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().err

    return run


def make_unreadable(file: Path, how: str) -> None:
    if how == "a folder":
        file.mkdir()
    elif how == "not UTF-8":
        file.write_bytes(b"name = '\xff\xfe'")


@pytest.mark.parametrize("how", UNREADABLE)
@pytest.mark.parametrize("name", WORDS)
def test_a_file_that_no_text_can_be_read_from_is_named(
    name: str, how: str, file: Path, command: Command
) -> None:
    make_unreadable(file, how)

    code, err = command(name)

    assert (code, len(err.strip().splitlines())) == (2, 1), err
    assert str(file) in err
    assert "defect" not in err


@pytest.mark.parametrize("text", WRONG_TOML)
@pytest.mark.parametrize("name", OF_SETTINGS)
def test_settings_of_a_wrong_shape_are_refused_with_one_line(
    name: str, text: str, file: Path, command: Command
) -> None:
    file.write_text(text, "utf-8")

    code, err = command(name)

    assert (code, len(err.strip().splitlines())) == (2, 1), err
    assert "defect" not in err


@pytest.mark.parametrize("name", OF_SETTINGS)
def test_an_empty_file_of_settings_sets_nothing(name: str, file: Path, command: Command) -> None:
    file.touch()

    assert command(name) == (0, "")


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_list_of_guidelines_that_cannot_be_read_is_named(how: str, file: Path) -> None:
    make_unreadable(file, how)

    with pytest.raises(InputError, match="list of guidelines") as refused:
        chosen_guidelines(str(file))
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("text", WRONG_GUIDELINES)
def test_a_list_of_guidelines_of_a_wrong_shape_is_refused(text: str, file: Path) -> None:
    file.write_text(text, "utf-8")

    with pytest.raises(InputError, match=r"mine\.txt"):
        chosen_guidelines(str(file))


@pytest.mark.parametrize("how", ["a folder", "not UTF-8", *WRONG_PROMPTS])
def test_a_wrong_prompt_file_is_refused(how: str, tmp_path: Path) -> None:
    file = tmp_path / "path.txt"
    make_unreadable(file, how)
    if how in WRONG_PROMPTS:
        file.write_text(how, "utf-8")

    with pytest.raises(InputError, match="path"):
        load_prompts(str(tmp_path))


@pytest.mark.parametrize("named", ["nowhere", "~nobody-of-this-name/prompts", "a" * 300, "a\0b"])
def test_a_folder_or_list_that_cannot_be_there_is_named(named: str) -> None:
    for read in (load_prompts, chosen_guidelines):
        with pytest.raises(InputError) as refused:
            read(named)
        assert repr(named) in str(refused.value)


def test_a_file_may_be_named_from_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "advice.toml").write_text("[[guideline]]\ntext = 'a'", "utf-8")

    assert [one.text for one in chosen_guidelines("~/advice.toml")] == ["a"]
