"""Charts as static SVG: rows in, markup out. No script and no network, and readable on a phone."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

# units of a chart's own coordinates, which the page scales
WIDTH = 360
ROLES = ("base", "champion", "control", "challenger")
Row = Mapping[str, object]


def number(value: object) -> float:
    """A cell as a number; 0 where it is none."""
    return float(value) if isinstance(value, int | float) else 0.0


def axis_end(shares: Sequence[float]) -> float:
    """The end of an axis of shares that begins at 0; small models stay below a tenth."""
    return next((end for end in (0.1, 0.2, 0.5) if max(shares, default=1.0) <= end), 1.0)


def interval_chart(rows: Sequence[Row]) -> str:
    """Accuracy of each model on each set as a dot on its interval.

    Rows have `question_set`, `model`, `role`, `accuracy`, `low` and `high`, those of a set
    together.
    """
    top = axis_end([number(row["high"]) for row in rows])
    return _intervals(
        rows, "accuracy", top, lambda value: f"{value:.1%}", "Accuracy with intervals"
    )


def length_chart(rows: Sequence[Row]) -> str:
    """The same for `value`, a mean length in tokens."""
    top = max([number(row["high"]) for row in rows] + [1.0])
    return _intervals(
        rows, "value", top, lambda value: f"{value:.0f}", "Mean length in tokens with intervals"
    )


def _intervals(
    rows: Sequence[Row], value: str, top: float, said: Callable[[float], str], label: str
) -> str:
    left, right, parts, height = 16, WIDTH - 46, list[str](), 16
    seen = ""
    for row in rows:
        if row["question_set"] != seen:
            seen = str(row["question_set"])
            height += 18
            parts.append(f'<text x="{left + 4}" y="{height}">{escape(seen)}</text>')
        height += 14
        low, middle, high = (
            left + (right - left) * number(row[name]) / top for name in ("low", value, "high")
        )
        role = _role(row)
        told = f"{row['model']} ({row['role']}): " + "{}, {} to {}".format(
            *(said(number(row[name])) for name in (value, "low", "high"))
        )
        parts.append(
            f'<g class="{role}"><title>{escape(told)}</title><line class="interval" x1="{low:.1f}"'
            f' x2="{high:.1f}" y1="{height - 4}" y2="{height - 4}"/><circle cx="{middle:.1f}"'
            f' cy="{height - 4}" r="3.6"/></g><text x="{right + 6}"'
            f' y="{height}">{said(number(row[value]))}</text>'
        )
    grid = [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{height + 4}"/><text'
        f' class="soft" text-anchor="middle" x="{x:.1f}"'
        f' y="12">{said(share * top).replace(".0%", "%")}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
        for x in [left + (right - left) * share]
    ]
    return _svg(height + 8, [*grid, *parts], label) + _legend([str(row["role"]) for row in rows])


def bar_chart(rows: Sequence[Row], label: str, value: str, part: str = "") -> str:
    """A bar per row; its filled part is the share of `part` in `value`."""
    top = max([number(row[value]) for row in rows] + [1.0])
    parts: list[str] = []
    height = 4
    for row in rows:
        length = (WIDTH - 84) * number(row[value]) / top
        said = (
            f"{number(row[part]):g} of {number(row[value]):g}"
            if part
            else f"{number(row[value]):g}"
        )
        height += 15
        parts.append(f'<text x="4" y="{height}">{escape(str(row[label]))}</text>')
        height += 4
        parts.append(f'<rect class="bar" x="4" y="{height}" width="{length:.1f}" height="7"/>')
        if part:
            inner = (WIDTH - 84) * number(row[part]) / top
            parts.append(f'<rect class="part" x="4" y="{height}" width="{inner:.1f}" height="7"/>')
        parts.append(f'<text class="soft" x="{length + 9:.1f}" y="{height + 7}">{said}</text>')
        height += 9
    return _svg(height + 6, parts, f"{value} by {label}")


def line_chart(
    rows: Sequence[Row], x: str, y: str, series: str = "", *, percent: bool = False
) -> str:
    """A curve per value of `series`, points in the order of rows; `percent` for shares."""
    left, right, top, bottom = 38, WIDTH - 12, 12, 170
    xs, ys = [number(row[x]) for row in rows], [number(row[y]) for row in rows]
    low_x, high_x, low_y, high_y = min(xs), max(xs), min([0.0, *ys]), max([*ys, 1e-9])
    if percent:
        high_y = axis_end(ys)

    def place(row: Row) -> tuple[float, float]:
        across = (number(row[x]) - low_x) / ((high_x - low_x) or 1)
        up = (number(row[y]) - low_y) / ((high_y - low_y) or 1)
        return left + (right - left) * across, bottom - (bottom - top) * up

    parts: list[str] = []
    for share in (0, 0.5, 1):
        value, level = low_y + (high_y - low_y) * share, bottom - (bottom - top) * share
        said = f"{value:.0%}" if percent else f"{value:.3g}"
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{level}" y2="{level}"/>')
        parts.append(
            f'<text class="soft" text-anchor="end" x="{left - 4}" y="{level + 4}">{said}</text>'
        )
    parts.append(f'<text class="soft" x="{left}" y="{bottom + 15}">{escape(x)} {low_x:g}</text>')
    parts.append(
        f'<text class="soft" text-anchor="end" x="{right}" y="{bottom + 15}">{high_x:g}</text>'
    )
    names = [str(row[series]) if series else "challenger" for row in rows]
    classes = _classes(names)
    for name in dict.fromkeys(names):
        points = [place(row) for row in rows if not series or str(row[series]) == name]
        path = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
        role = classes[name]
        parts.append(f'<polyline class="curve {role}" style="fill:none" points="{path}"/>')
        if len(points) < 40:
            parts += [
                f'<circle class="{role}" cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>' for a, b in points
            ]
    legend = _legend([str(row[series]) for row in rows]) if series else ""
    return _svg(bottom + 22, parts, f"{y} by {x}") + legend


def _role(row: Row) -> str:
    return str(row["role"]) if row["role"] in ROLES else "base"


def _classes(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name: a role has its own, others take turns."""
    others = [name for name in dict.fromkeys(names) if name not in ROLES]
    return {name: name for name in names if name in ROLES} | {
        name: ROLES[-1 - place % len(ROLES)] for place, name in enumerate(others)
    }


def _legend(roles: Sequence[str]) -> str:
    classes = _classes(roles)
    marks = [
        f'<tspan class="{classes[role]}" stroke="none">&#9679;</tspan> {escape(role)} &#160; '
        for role in dict.fromkeys(roles)
    ]
    return _svg(18, [f'<text x="8" y="13">{"".join(marks)}</text>'], "Legend")


def _svg(height: float, parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img"'
        f' aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
