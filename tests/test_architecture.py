"""docs/architecture.md is true: each place that it names is there; each word of the glossary is there once."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", (ROOT / "docs" / "architecture.md").read_text("utf-8"))))
FILES = sorted(set(re.findall(r"`((?:flows|tasks|storage)/[\w/.]*)`", (ROOT / "docs" / "architecture.md").read_text())))


def defined(body: list[ast.stmt], names: list[str]) -> bool:
    """Whether a function or class of this dotted name is defined here."""
    found = [
        one
        for one in body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and one.name == names[0]
    ]
    return bool(found) and (not names[1:] or any(defined(one.body, names[1:]) for one in found))


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_a_function_that_the_architecture_page_names_is_there(file: str, name: str) -> None:
    assert defined(ast.parse((ROOT / file).read_text("utf-8")).body, name.split(".")), f"{file}:{name}"


def test_the_page_reads_the_round_aloud_and_names_files_that_are_there() -> None:
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
    listed = {word for row in re.findall(r"^\| ([^|]+) \|", page, flags=re.MULTILINE) for word in row.split(", ")}

    assert set(wanted) - listed == set()
