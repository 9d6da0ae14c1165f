"""The shape of the code in figures: arguments, lines, imports, folders, comments.

Reads the source, imports nothing.

`python .ci/house.py` prints the table. tests/test_architecture.py holds the limits.
"""

import ast
import io
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("flows", "tasks", "storage")
MOST_ARGUMENTS, MOST_LINES, MOST_FILES = 7, 40, 14
# Bodies that are one table of data, in which a person looks things up.
TABLES = {
    "flows/stack/automations.py:automations",
    "tasks/reports/text_figures.py:text_figures",
}
# Programs of their own, which their parents start: what they import, the parent must not.
CHILDREN = {"tasks/engines/registered_model.py", "tasks/engines/trainer/trainer_child.py"}
# What the command line imports at its start: DuckDB comes in when a store is opened, not for
# `--help`.
DOORS = {"storage/open_store.py"}
PRAGMAS = ("fmt:", "noqa", "pyright:", "type:")


@dataclass(frozen=True)
class Function:
    """One function of the product."""

    place: str
    """`file:name`."""
    arguments: int
    """Keyword-only ones, `*args` and `**kwargs` too; not `self` or `cls`."""
    lines: int
    """Of the whole function."""
    body_lines: int
    """Without signature and docstring, which no reader must keep in mind."""
    is_interface: bool
    """A command, a flow or a notebook's cell: its arguments are a form that a person or a program
    fills in.
    """


def sources() -> list[Path]:
    """Every file of the product."""
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


@cache
def parsed(file: Path) -> ast.Module:
    """The file's tree, read once."""
    return ast.parse(file.read_text("utf-8"))


def functions() -> list[Function]:
    """Every function of the product, nested ones and methods too."""
    return [found for file in sources() for found in _functions_of(file)]


def _functions_of(file: Path) -> Iterator[Function]:
    tree = parsed(file)
    place = file.relative_to(ROOT).as_posix()
    commands = _commands_of(tree) if place.startswith("flows/cli/") else set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = " ".join(ast.unparse(one) for one in node.decorator_list)
            is_interface = node.name in commands or any(
                word in decorators for word in ("flow(", ".command", ".callback", "app.cell")
            )
            body = node.body[1:] if _is_text(node.body[0]) and len(node.body) > 1 else node.body
            end = node.end_lineno or node.lineno
            yield Function(
                f"{place}:{node.name}",
                _arguments(node.args),
                end - node.lineno + 1,
                end - body[0].lineno + 1,
                is_interface,
            )


def _commands_of(tree: ast.Module) -> set[str]:
    """Names that a module's `register` hands to typer."""
    registers = [
        one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "register"
    ]
    return {one.id for found in registers for one in ast.walk(found) if isinstance(one, ast.Name)}


def _arguments(found: ast.arguments) -> int:
    named = [one.arg for one in (*found.posonlyargs, *found.args, *found.kwonlyargs)]
    own = bool(named) and named[0] in ("self", "cls")
    return len(named) - own + bool(found.vararg) + bool(found.kwarg)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def long_trains() -> list[str]:
    """Functions with more than seven arguments, commands, flows and cells left out."""
    return sorted(
        f"{one.place} {one.arguments}"
        for one in functions()
        if one.arguments > MOST_ARGUMENTS and not one.is_interface
    )


def long_bodies() -> list[str]:
    """Functions whose body has more than forty lines, without commands, flows, cells and tables of
    data.
    """
    return sorted(
        f"{one.place} {one.body_lines}"
        for one in functions()
        if one.body_lines > MOST_LINES and not one.is_interface and one.place not in TABLES
    )


def imports_inside_functions() -> list[str]:
    """Imports of our own modules that stand in a function, outside the command line, cells, child
    processes and the door of the store.
    """
    return sorted(
        f"{file.relative_to(ROOT).as_posix()}:{node.lineno}"
        for file in sources()
        for node in _inner_imports(file)
        if "flows/cli/" not in file.as_posix()
        and file.relative_to(ROOT).as_posix() not in CHILDREN | DOORS
    )


def _inner_imports(file: Path) -> list[ast.Import | ast.ImportFrom]:
    tree = parsed(file)
    cells = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any("app.cell" in ast.unparse(one) for one in node.decorator_list)
        for inner in ast.walk(node)
    }
    inner = {
        id(found): found
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for found in ast.walk(node)
        if isinstance(found, ast.Import | ast.ImportFrom)
        and id(found) not in cells
        and _targets(found)
    }
    return list(inner.values())


def _targets(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules of ours that an import may mean."""
    if isinstance(node, ast.Import):
        names = [one.name for one in node.names]
    else:
        names = [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]
    return [name for name in names if name.split(".")[0] in PACKAGES]


def cycles() -> list[list[str]]:
    """Groups of modules that import each other, imports in functions counted, those for types alone
    left out.
    """
    graph = {_module_of(file): _imported(file) for file in sources()}
    graph = {name: targets & graph.keys() - {name} for name, targets in graph.items()}
    return sorted(sorted(group) for group in _strong_groups(graph) if len(group) > 1)


def _module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(file: Path) -> set[str]:
    tree = parsed(file)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    return {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in for_types
        for name in _targets(node)
    }


def _strong_groups(graph: dict[str, set[str]]) -> list[set[str]]:
    """Modules that import each other.

    What imports nothing that is left, or is imported by nothing, is in no circle.
    """
    left = {name: set(targets) for name, targets in graph.items()}
    while free := {name for name, targets in left.items() if not targets & left.keys()}:
        for name in free:
            del left[name]
    groups: list[set[str]] = []
    for name in left:
        if not any(name in group for group in groups):
            there = _reachable(left, name)
            groups.append({other for other in there if name in _reachable(left, other)})
    return groups


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """What `start` imports, directly or not, among the modules of the graph."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] & graph.keys() - found:
            found.add(name)
            waiting.append(name)
    return found


def folder_sizes() -> Counter[str]:
    """Modules of each folder, without `__init__`."""
    return Counter(
        file.parent.relative_to(ROOT).as_posix() for file in sources() if file.name != "__init__.py"
    )


def comment_share() -> float:
    """Comments a line of the product, at a line's end or on one of their own; marks for tools are
    none.
    """
    lines = comments = 0
    for file in sources():
        text = file.read_text("utf-8")
        lines += text.count("\n")
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                comments += not token.string.lstrip("# ").startswith(PRAGMAS)
    return comments / lines


def table() -> list[tuple[str, str]]:
    """What is counted, and the figure."""
    found = functions()
    largest, files = folder_sizes().most_common(1)[0]
    text = [one.lines for one in found]
    ninth = sorted(text)[int(0.9 * len(text))]
    return [
        (
            "function lines, median / p90 / max",
            f"{statistics.median(text):.0f} / {ninth} / {max(text)}",
        ),
        ("functions with more than 7 arguments", str(len(long_trains()))),
        (
            "the same, commands, flows and cells counted",
            str(sum(one.arguments > MOST_ARGUMENTS for one in found)),
        ),
        ("bodies over 40 lines outside tables", str(len(long_bodies()))),
        (
            "whole functions over 40 lines, all counted",
            str(sum(one.lines > MOST_LINES for one in found)),
        ),
        ("imports of our own inside functions", str(len(imports_inside_functions()))),
        ("import cycles, those inside functions counted", str(len(cycles()))),
        ("largest folder", f"{largest}, {files} files"),
        ("comment lines", f"{comment_share():.1%}"),
        ("fmt: skip", str(sum(file.read_text("utf-8").count("# fmt: skip") for file in sources()))),
    ]


if __name__ == "__main__":
    for what, figure in table():
        print(f"{what:48} {figure}")
