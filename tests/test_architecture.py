"""docs/architecture.md is true.

Each place that it names is there; each word of the glossary is there once.

The shape of the code keeps the limits of CONTRIBUTING.md; `python .ci/house.py` prints the figures.
"""

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PLACES = sorted(
    set(
        re.findall(
            r"`([\w/]+\.py):([\w.]+)`", (ROOT / "docs" / "architecture.md").read_text("utf-8")
        )
    )
)
FILES = sorted(
    {
        file
        for page in ("architecture.md", "newcomers-test.md")
        for file in re.findall(
            r"`((?:flows|tasks|storage)/[\w/.]*)`", (ROOT / "docs" / page).read_text("utf-8")
        )
    }
)


def defined(body: list[ast.stmt], names: list[str]) -> bool:
    """Whether a function or class of this dotted name is defined here."""
    found = [
        one
        for one in body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and one.name == names[0]
    ]
    return bool(found) and (not names[1:] or any(defined(one.body, names[1:]) for one in found))


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_a_function_that_the_architecture_page_names_is_there(file: str, name: str) -> None:
    assert defined(ast.parse((ROOT / file).read_text("utf-8")).body, name.split(".")), (
        f"{file}:{name}"
    )


def test_the_pages_read_the_round_aloud_and_name_files_that_are_there() -> None:
    assert len(PLACES) > 25
    assert [file for file in FILES if not (ROOT / file).exists()] == []


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    words = re.findall(r"^\| ([^|]+) \|", page, flags=re.MULTILINE)[2:]

    assert len(words) > 50
    assert words == sorted(set(words))


def test_every_word_of_the_method_is_in_the_glossary() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    wanted = (
        "question",
        "question set",
        "guideline",
        "adapted guideline",
        "structure",
        "path",
        "verdict",
        "training example",
        "training set",
        "adapter",
        "evaluation",
        "champion",
        "challenger",
        "promotion",
        "round",
        "ladder",
        "draw",
        "line",
        "pool",
        "fate",
    )
    listed = {
        word
        for row in re.findall(r"^\| ([^|]+) \|", page, flags=re.MULTILINE)
        for word in row.split(", ")
    }

    assert set(wanted) - listed == set()


@pytest.fixture(scope="module")
def house() -> ModuleType:
    """`.ci/house.py`, which counts."""
    spec = importlib.util.spec_from_file_location("house", ROOT / ".ci" / "house.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_no_function_takes_a_train_of_arguments(house: ModuleType) -> None:
    """Commands, flows and cells are forms; elsewhere what travels together is one value."""
    assert house.long_trains() == []


def test_no_function_is_longer_than_a_screen(house: ModuleType) -> None:
    assert house.long_bodies() == []


def test_modules_import_at_their_top_and_never_each_other(house: ModuleType) -> None:
    assert house.imports_inside_functions() == []
    assert house.cycles() == []


def test_a_folder_is_small_enough_to_be_read(house: ModuleType) -> None:
    assert {folder: files for folder, files in house.folder_sizes().items() if files > 14} == {}


def test_comments_say_why_often_enough_that_a_reader_need_not_ask(house: ModuleType) -> None:
    assert house.comment_share() >= 0.03


def test_the_count_sees_what_it_is_to_see(
    house: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flows" / "cli").mkdir(parents=True)
    train = "(a, b, *, c, d, e, f, g, **h):"
    (tmp_path / "flows" / "one.py").write_text(f"def long{train}\n    import flows.two\n", "utf-8")
    (tmp_path / "flows" / "two.py").write_text(
        f"import flows.one\n@flow(name='x')\ndef form{train}\n    pass\n", "utf-8"
    )
    command = f"def register(app):\n    app.command()(typed)\ndef typed{train}\n    pass\n"
    (tmp_path / "flows" / "cli" / "three.py").write_text(
        command + "def screen():\n" + "    pass\n" * 41, "utf-8"
    )
    monkeypatch.setattr(house, "ROOT", tmp_path)

    assert house.long_trains() == ["flows/one.py:long 8"]
    assert house.long_bodies() == ["flows/cli/three.py:screen 41"]
    assert house.imports_inside_functions() == ["flows/one.py:2"]
    assert house.cycles() == [["flows.one", "flows.two"]]


CHILDREN = [
    file
    for folder in ("tasks", "storage")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if '__name__ == "__main__"' in file.read_text("utf-8")
]


@pytest.mark.parametrize("file", CHILDREN, ids=lambda file: file.stem)
def test_a_child_process_ends_with_its_parent(file: Path) -> None:
    # the watchdog reads whether its owner lives, because it has still to end the server then
    assert file.stem == "watchdog" or "die_with_parent()" in file.read_text("utf-8")
