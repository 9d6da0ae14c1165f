"""Layers hold: flows -> tasks -> storage, rules pure, heavy libraries behind one door each."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("flows", "tasks", "storage", "tests")


def test_imports_go_only_the_way_that_the_layers_allow() -> None:
    program = (
        "import sys; from importlinter.cli import lint_imports_command;"
        " sys.exit(lint_imports_command())"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_every_import_of_ours_finds_what_it_names() -> None:
    """Those inside functions and inside scripts for child processes too.

    Only running them would show it. In a process of its own, because some of the imported programs
    change what the product does.
    """
    program = "from tests.test_layers import wrong_imports; print(*wrong_imports(), sep='\\n')"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2000:]


def wrong_imports() -> list[str]:
    """`file:line: module.name` of each import of ours whose name is not there."""
    return [
        f"{file.relative_to(ROOT)}:{line}: {module}.{name}"
        for file in checked_in("*.py")
        for line, module, name in imports_of_ours(file.read_text("utf-8"))
        if not is_there(module, name)
    ]


def checked_in(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", pattern], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return [ROOT / name for name in listed.stdout.splitlines()]


def imports_of_ours(source: str) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of every import of ours.

    The file's own, and those of a string that is a script.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            yield from ((node.lineno, node.module or "", one.name) for one in node.names)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "import" in node.value
        ):
            with suppress(SyntaxError, ValueError):
                yield from (
                    (node.lineno, module, name) for _, module, name in imports_of_ours(node.value)
                )


def is_there(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name) or bool(
            importlib.util.find_spec(f"{module}.{name}")
        )
    except ImportError:
        return False
