"""What data cards and model cards share: YAML front matter, Markdown tables, the hub's licences.

Values come from files and models of others: none of them can open a tag, break a table or end a
block.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

# identifiers of licences as the hub lists them: `apache-2.0`, `cc-by-4.0`
_PLAIN = re.compile(r"[a-z][a-z0-9.]*-[a-z0-9.-]*[a-z0-9]|mit|gemma|unknown|other")
# https://huggingface.co/docs/hub/repositories-licenses, those that question sets and base models
# are likely to bear
_HUB_LICENCES = frozenset(
    {
        "apache-2.0",
        "mit",
        "gemma",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nc-nd-4.0",
        "cc0-1.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "gpl-3.0",
        "lgpl-3.0",
        "mpl-2.0",
        "odc-by",
        "openrail",
        "llama2",
        "llama3",
        "llama3.1",
        "llama3.2",
        "llama3.3",
    }
)
# the hub's size categories
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)


def front_matter(values: Mapping[str, object]) -> str:
    """The block between dashes that opens a card; JSON is YAML, so it needs no YAML library.

    Empty values go.
    """
    lines = [
        f"{name}: {_scalar(value)}" for name, value in values.items() if value not in ("", [], None)
    ]
    return "\n".join(["---", *lines, "---"])


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: object) -> str:
    """Text on one line that Markdown shows as it stands."""
    flat = _flat(str(value))
    for sign, shown in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        ("|", "&#124;"),
        ("`", "&#96;"),
        ("[", "&#91;"),
    ):
        flat = flat.replace(sign, shown)
    return flat or "-"


def hub_licence(licence: str) -> str:
    """The hub's name of a licence; `unknown` if none is stated, `other` if the hub has no name."""
    name = re.sub(r"[\s_]+", "-", licence.strip().lower())
    return "unknown" if not name else name if name in _HUB_LICENCES else "other"


def hub_licences(licences: Sequence[str]) -> str | list[str]:
    """The hub's name of one licence, or the list of several."""
    names = sorted({hub_licence(licence) for licence in licences})
    return names[0] if len(names) == 1 else names


def size_category(rows: int) -> str:
    """The hub's name of a size."""
    return next((name for limit, name in _SIZES if rows < limit), "n>100M")


def _scalar(value: object) -> str:
    value = _flattened(value)
    return (
        value
        if isinstance(value, str) and _PLAIN.fullmatch(value)
        else json.dumps(value, ensure_ascii=False)
    )


def _flattened(value: object) -> object:
    if isinstance(value, list):
        return [_flattened(one) for one in cast("list[object]", value)]
    return _flat(value) if isinstance(value, str) else value


def _flat(text: str) -> str:
    """One line of printable characters: no controls, no direction marks, nothing YAML refuses."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
