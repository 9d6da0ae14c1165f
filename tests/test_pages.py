"""The documentation builds strictly, asks the network for nothing, and its reference holds all that
the code has.
"""

import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent


class Loads(HTMLParser):
    """What a page makes the browser load by itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.urls.append(known.get("src") or "")
        if tag == "link" and known.get("rel") in ("stylesheet", "icon", "preload"):
            self.urls.append(known.get("href") or "")


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The reference pages as Markdown."""
    return runpy.run_path(str(ROOT / ".ci" / "reference_pages.py"))["pages"]()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a broken link, or a page that the menu lacks, fails here."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(folder),
    ]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_built_and_in_the_menu(site: Path) -> None:
    menu = (site / "index.html").read_text("utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        address = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        assert (
            site / "index.html" if address == "index" else site / address / "index.html"
        ).is_file()
        assert address == "index" or f'href="{address}/"' in menu, address


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = {url for page in site.rglob("*.html") for url in Loads(page.read_text("utf-8")).urls}

    assert loaded
    assert [url for url in loaded if url.startswith(("http:", "https:", "//"))] == []
    assert "fonts.googleapis" not in "".join(
        page.read_text("utf-8") for page in site.rglob("*.css")
    )


def test_the_command_page_has_every_command_and_option(pages: dict[str, str]) -> None:
    import typer

    from flows.cli.main import app

    page = pages["reference/cli.md"]
    top = typer.main.get_command(app)
    known = {f"regenesis {name}": command for name, command in top.commands.items()}  # pyright: ignore
    known |= {
        f"regenesis storage {name}": one
        for name, one in known.pop("regenesis storage").commands.items()
    }
    assert re.findall(r"^## (regenesis .*)$", page, flags=re.MULTILINE)
    for name, command in known.items():
        section = (
            page.partition(f"## {name}\n")[2].partition("\n## ")[0]
            + page.partition("## Common options")[2]
        )
        assert section.strip(), name
        for one in command.params:
            assert one.name == "help" or any(
                f"`{word}`" in section for word in [*one.opts, one.name.upper()]
            ), one.name


def test_the_settings_page_has_every_setting_with_its_meaning(pages: dict[str, str]) -> None:
    from tasks.settings import Settings

    rows = dict(
        re.findall(r"^\| `([\w.]+)` \|(.*)\|$", pages["reference/settings.md"], flags=re.MULTILINE)
    )
    missing: list[str] = []

    def check(model: type, prefix: str) -> None:
        for name, field in model.model_fields.items():  # pyright: ignore[reportAttributeAccessIssue]
            if hasattr(field.annotation, "model_fields"):
                check(field.annotation, f"{prefix}{name}.")
            elif not field.description or " ".join(field.description.split()) not in rows.get(
                prefix + name, ""
            ).replace("&lt;", "<"):
                missing.append(prefix + name)

    check(Settings, "")
    assert missing == []


def test_the_view_page_has_every_table_and_view_with_every_column(pages: dict[str, str]) -> None:
    from storage.sql.sandbox import schema_text

    page = pages["reference/views.md"]
    for block in schema_text().strip().split("\n\n"):
        head, *columns = block.splitlines()
        name = head.split()[1].rstrip(":")
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        assert re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE) == [
            line.split()[0] for line in columns
        ]


def test_the_deployment_page_has_every_deployment_and_every_field_of_its_form(
    pages: dict[str, str],
) -> None:
    from prefect.utilities.importtools import import_object

    page = pages["reference/deployments.md"]
    for one in yaml.safe_load((ROOT / "flows" / "prefect.yaml").read_text("utf-8"))["deployments"]:
        assert f"| `{one['name']}` |" in page
        section = page.partition(f"\n## {one['entrypoint']}\n")[2].partition("\n## ")[0]
        for name in import_object(one["entrypoint"]).parameters.properties:
            assert f"| `{name}` |" in section, name
