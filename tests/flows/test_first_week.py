"""The page of a first week is lived through.

Its commands in their order, its file, its settings and its nights.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.fakes.pages import blocks_of
from tests.fakes.scripted_machinery import ScriptedMachinery
from tests.flows.test_documented_commands import ROOT, commands_of

PAGE = "docs/how-to/first-week.md"
TEXT = (ROOT / PAGE).read_text("utf-8")
Command = Callable[..., tuple[int, str, str]]


def the_shops_file(folder: Path) -> None:
    """As long as the shop's is; the page shows its first lines."""
    shown = blocks_of(TEXT, "text")[0]
    sums = (
        (n, f"A crate holds 6 bottles. How many bottles do {n + 3} crates hold?", 6 * (n + 3))
        for n in range(1, 201)
    )
    rows = [f"{n};{problem};{result};{'east' if n % 2 else 'west'}" for n, problem, result in sums]
    text = "\n".join([shown.splitlines()[0], *rows]) + "\n"
    assert text.startswith(shown)
    (folder / "shop.csv").write_text(text, "utf-8-sig")


def the_pages_settings(small: str, folder: Path) -> Path:
    """The page's TOML, over which a test's small sizes are laid; the page's own values stay."""
    [page] = (tomllib.loads(one) for one in blocks_of(TEXT, "toml"))
    merged: dict[str, Any] = tomllib.loads(small)
    for name, value in page.items():
        merged[name] = merged.get(name, {}) | value if isinstance(value, dict) else value
    file = folder / "shop.toml"
    file.write_text(tomli_w.dumps(merged), "utf-8")
    return file


@pytest.mark.slow
def test_a_first_week_goes_as_its_page_says(
    home: Path,
    small: str,
    tmp_path: Path,
    machinery: ScriptedMachinery,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    the_shops_file(tmp_path)
    said: dict[str, list[str]] = {}

    for words in commands_of(PAGE):
        if words[0] == "settings":  # behind the page's `export`
            monkeypatch.setenv("REGENESIS_CONFIG", str(the_pages_settings(small, tmp_path)))
        if words[0] == "round" and len(said.get("round", [])) == 1:
            machinery.trained_share = 0.1
        if words[:2] == ["storage", "check"]:
            machinery.trained_share, machinery.deaths = 0.9, [40, 0, 0]
            code, _, err = command("round")
            assert (code, "The engine must live until its work is done" in err) == (1, True)
        code, out, err = command(*words)
        assert (code, bool(out.strip())) == (0, True), (words, err)
        said.setdefault(words[0], []).append(out + err)

    assert "columns: divided by semicolons" in said["ingest"][0]
    assert "question: from the column 'Problem'" in said["ingest"][0]
    assert said["ingest"][1].startswith("shop: 200 questions")
    assert "my-model" in said["settings"][0]
    assert "no worse outside than the margin allows, and promoted" in said["report"][0]
    assert "Worse in domain, and refused because" in said["report"][1]
    [rows] = (one for one in said["sql"] if "till" in one)
    assert {"east", "west"} <= set(rows.split())

    names: dict[str, Any] = {}
    for block in blocks_of(TEXT, "python"):
        exec(block, names)
    assert list(names["nights"]["outcome"])[:2] == ["promoted", "refused"]
    assert list(names["nights"]["round"]) == [1, 2, 3]  # the night that failed was gone on with
    assert len(names["examples"]) > 0
    assert "crates hold?" in capsys.readouterr().out
