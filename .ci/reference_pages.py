"""The reference pages, made from the code while the pages are built.

Commands, settings, tables and views, deployments.

A hook of mkdocs (mkdocs.yml); `pages()` is what it adds, as path -> Markdown.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))


def on_config(config: Any) -> Any:
    """Called by mkdocs.

    A page that the menu does not name goes to its end, so that none is left out.
    """
    folder = Path(config["docs_dir"])
    named = set(re.findall(r"[\w/-]+\.md", str(config["nav"])))
    left = sorted(str(page.relative_to(folder)) for page in folder.rglob("*.md"))
    more = [page for page in left if page not in named]
    config["nav"] = [*config["nav"], *([{"More": more}] if more else [])]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Called by mkdocs: the reference pages join the others."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> dict[str, str]:
    """Every reference page."""
    made = {"cli": cli(), "settings": settings(), "views": views(), "deployments": deployments()}
    return {f"reference/{name}.md": text for name, text in made.items()}


def cell(value: object) -> str:
    """Text in a Markdown table; a word in angle brackets stays a word."""
    return " ".join(str(value).replace("|", "\\|").replace("<", "&lt;").split())


def table(heads: list[str], rows: list[list[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cli() -> str:
    """Each command with its arguments, options and defaults."""
    import typer

    from flows.cli.main import app

    parts = [
        "# Command line",
        "Every command also takes the common options, listed once at the end. Made from the code.",
    ]
    common: dict[str, list[object]] = {}
    for name, command in _commands(typer.main.get_command(app), "regenesis"):
        parts += [f"## {name}", command.help or ""]
        rows: list[list[object]] = []
        for one in command.params:
            row: list[object] = [_spelled(one), getattr(one, "help", "") or "", _default(one)]
            if one.name in ("home", "json", "dry_run", "yes", "debug"):
                common[str(one.name)] = row
            elif one.name != "help":
                rows.append(row)
        parts += [table(["", "meaning", "default"], rows)] if rows else []
    parts += ["## Common options", table(["", "meaning", "default"], list(common.values()))]
    return "\n\n".join(parts) + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for key, one in command.commands.items():
            yield from _commands(one, f"{name} {key}")
    else:
        yield name, command


def _spelled(one: Any) -> str:
    if one.param_type_name == "argument":
        return f"`{str(one.name).upper()}`"
    return " ".join(f"`{word}`" for word in [*one.opts, *one.secondary_opts])


def _default(one: Any) -> str:
    value = one.default
    if value is None or value == "" or value is False or type(value).__name__ == "Sentinel":
        return ""
    return f"`{value}`"


def settings() -> str:
    """Each setting with type, default and meaning, and what the presets change."""
    from tasks.settings import PRESETS, Settings, preset_settings

    chosen = {name: _flat(preset_settings(name).model_dump()) for name in PRESETS}
    intro = (
        "Defaults, then the preset, then the TOML of `--settings` or `REGENESIS_CONFIG`, then"
        " flags. A setting `training.epochs` is `epochs` below `[training]` in TOML. Made from the"
        " code."
    )
    parts = ["# Settings", intro]
    for name, meaning, rows in _sections(Settings, chosen):
        parts += [
            f"## {name}",
            meaning,
            table(["setting", "type", "default", "in presets", "meaning"], rows),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sections(
    model: Any, chosen: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[str, str, list[list[object]]]]:
    nested = {
        name: field
        for name, field in model.model_fields.items()
        if hasattr(field.annotation, "model_fields")
    }
    own = [
        _row(name, field, chosen)
        for name, field in model.model_fields.items()
        if name not in nested
    ]
    yield "The whole", "", own
    for name, field in nested.items():
        meaning = " ".join((field.annotation.__doc__ or "").split())
        yield name, meaning, list(_rows(field.annotation, f"{name}.", chosen))


def _rows(
    model: Any, prefix: str, chosen: Mapping[str, Mapping[str, object]]
) -> Iterator[list[object]]:
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from _rows(field.annotation, f"{prefix}{name}.", chosen)
        else:
            yield _row(f"{prefix}{name}", field, chosen)


def _row(name: str, field: Any, chosen: Mapping[str, Mapping[str, object]]) -> list[object]:
    kind = re.sub(r"\btyping\.|<class '|'>", "", str(field.annotation))
    default = chosen["default"].get(name)
    others = {preset: values.get(name) for preset, values in chosen.items()}
    shown = [f"{preset}: `{value!r}`" for preset, value in others.items() if value != default]
    return [f"`{name}`", f"`{kind}`", f"`{default!r}`", ", ".join(shown), field.description or ""]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{name}.")
            if isinstance(value, dict) and value
            else {f"{prefix}{name}": value}
        )
    return flat


def views() -> str:
    """Tables and views with the comments that the database holds."""
    from storage.sql.sandbox import schema_text

    intro = (
        "As `regenesis sql --schema` prints them. Examples of each view, and a cookbook: [Ask in"
        " SQL](../sql.md)."
    )
    parts = ["# Tables and views", intro]
    for block in schema_text().strip().split("\n\n"):
        head, *columns = block.splitlines()
        kind, _, rest = head.partition(" ")
        name, _, meaning = rest.partition(": ")
        rows: list[list[object]] = []
        for line in columns:
            typed, _, text = line.strip().partition(": ")
            column, _, sql_type = typed.partition(" ")
            rows.append([f"`{column}`", f"`{sql_type}`", "" if text == "None" else text])
        parts += [
            f"## {name}",
            f"A {kind}. {cell(meaning)}",
            table(["column", "type", "meaning"], rows),
        ]
    return "\n\n".join(parts) + "\n"


def deployments() -> str:
    """Each deployment of prefect.yaml, and the form of each flow."""
    import yaml
    from prefect.utilities.importtools import import_object

    listed: list[dict[str, Any]] = yaml.safe_load(
        (ROOT / "flows" / "prefect.yaml").read_text("utf-8")
    )["deployments"]
    rows = [_deployment(one) for one in listed]
    parts = [
        "# Deployments",
        (
            "What `regenesis up` registers, from `flows/prefect.yaml`. Start one from Prefect's UI,"
            " or by its schedule."
        ),
        table(["deployment", "what", "when", "flow", "parameters"], rows),
    ]
    for entrypoint in dict.fromkeys(one["entrypoint"] for one in listed):
        flow = import_object(entrypoint)
        form: list[list[object]] = [
            [f"`{name}`", field.get("description", ""), f"`{field.get('default')!r}`"]
            for name, field in flow.parameters.properties.items()
        ]
        parts += [
            f"## {entrypoint}",
            flow.description.partition("\n\nArgs:")[0] if flow.description else "",
        ]
        parts += [table(["field", "meaning", "default"], form)] if form else []
    return "\n\n".join(parts) + "\n"


def _deployment(one: Mapping[str, Any]) -> list[object]:
    entrypoint: str = one["entrypoint"]
    given = ", ".join(f"`{name}={value!r}`" for name, value in one.get("parameters", {}).items())
    link = f"[{entrypoint.rpartition('.')[2]}](#{entrypoint.replace('.', '')})"
    return [f"`{one['name']}`", one["description"], _when(one), link, given]


def _when(one: Mapping[str, Any]) -> str:
    crons = [
        f"`{schedule['cron']}`" for schedule in one.get("schedules", [])
    ]  # all in the nights' time zone
    return ", ".join(crons) or "on demand"
