"""Layers hold: flows -> tasks -> storage, rules pure, heavy libraries behind one door each."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("flows", "tasks", "storage", "tests")


def test_imports_go_only_the_way_that_the_layers_allow() -> None:
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_every_script_that_stands_in_a_string_imports_what_there_is() -> None:
    """Scripts for child processes: nothing but running them would tell that a module has moved."""
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {module}.{name}"
        for file in checked_in("*.py")
        for line, module, name in imports_in_strings(file.read_text("utf-8"))
        if not is_there(module, name)
    ]

    assert wrong == []


def checked_in(pattern: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", pattern], capture_output=True, text=True, check=True, cwd=ROOT)
    return [ROOT / name for name in listed.stdout.splitlines()]


def imports_in_strings(source: str) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of every import of ours in a string that is a script."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and "import" in node.value):
            continue
        try:
            script = ast.parse(node.value)
        except (SyntaxError, ValueError):
            continue
        for found in ast.walk(script):
            if isinstance(found, ast.ImportFrom) and (found.module or "").split(".")[0] in OURS:
                yield from ((node.lineno, found.module or "", one.name) for one in found.names)


def is_there(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name) or bool(importlib.util.find_spec(f"{module}.{name}"))
    except ImportError:
        return False
