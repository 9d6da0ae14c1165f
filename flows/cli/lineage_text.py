"""A record's tree for the terminal: what it came from above, what came of it below.

Model text is shown as text.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.lineage.lineage_tree import LineageNode
    from storage.lineage.taught_models import TaughtModel

# characters of a text that one line of the tree shows
WIDTH = 100


def lineage_text(tree: "LineageNode", taught: "Sequence[TaughtModel]" = ()) -> str:
    """The tree as indented lines, then every model that it taught, also by unshown siblings."""
    lines = ["came from", *_branches(tree, "parents", 1)] if tree.parents else []
    lines += [_line(tree, 0)]
    if tree.children:
        lines += ["led to", *_branches(tree, "children", 1)]
    if taught:
        lines += ["models it touched", *map(_model, taught)]
    return "\n".join(lines)


def _model(model: "TaughtModel") -> str:
    how = (
        "its own training set"
        if model.generation == 0
        else f"that of an ancestor, {model.generation} back"
    )
    return f"  models {str(model.id)[:8]}  {_shown(model.name)}: {model.examples} examples in {how}"


def _branches(node: "LineageNode", direction: str, depth: int) -> list[str]:
    lines: list[str] = []
    near: tuple[LineageNode, ...] = getattr(node, direction)
    for other in near:
        lines += [_line(other, depth), *_branches(other, direction, depth + 1)]
    more: int = getattr(node, f"more_{direction}")
    if more:
        lines.append("  " * depth + f"... and {more} more")
    return lines


def _line(node: "LineageNode", depth: int) -> str:
    text = " ".join(part for part in (_shown(node.label), _shown(node.text)) if part)
    return f"{'  ' * depth}{node.table} {str(node.id)[:8]}  {text}"


def _shown(text: str) -> str:
    """One line of printable characters: what a model wrote must not steer a terminal."""
    flat = " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in text).split())
    return flat if len(flat) <= WIDTH else f"{flat[: WIDTH - 3]}..."
