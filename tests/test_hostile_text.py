"""The same hostile texts through every surface where text of a model, a file or a user is shown,
parsed or run.
"""

import ast
import csv
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from markdown_it import MarkdownIt

from storage.care.check_and_gc import check_store
from storage.errors import InputError
from storage.open_store import Store
from storage.records import Guideline, Promotion, Question, Round, TrainingSet
from storage.records import Path as RecordedPath
from storage.sql.sandbox import run_user_sql
from tests.fakes.hostile import ALL, HOSTILE, hostile_store
from tests.storage.story import round_id

ROOT = Path(__file__).parent.parent
STEERS_A_TERMINAL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ud800-\udfff]"
)
HARMLESS_TAGS = set(
    re.findall(
        r"\w+",
        "html head meta title style body header footer main section h1 h2 h3 p div strong em code"
        " pre details summary table thead tbody tr th td dl dt dd ul ol li svg g text tspan line"
        " circle rect polyline hr blockquote br span",
    )
)
Command = Any


class Tags(HTMLParser):
    """Every tag and attribute, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return hostile_store(folder / "regenesis.duckdb")


@pytest.fixture(scope="module")
def last(store: Store) -> Round:
    return store.select(Round, id=round_id(3))[0]


@pytest.fixture
def command(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`regenesis ...` with this store: exit code, standard output, standard error."""
    from flows.cli.common import COMMON
    from flows.cli.main import main

    monkeypatch.setenv("REGENESIS_HOME", str(folder))
    monkeypatch.delenv("REGENESIS_STORE", raising=False)
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["regenesis", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        COMMON.__init__()
        shown = capsys.readouterr()
        return int(cast(int, end.value.code) or 0), shown.out, shown.err

    return run


def shows(html: str, text: str) -> bool:
    """Whether a reader of the page reads this text, whatever happens to its blanks and unprintable
    signs.
    """
    flat = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", "", text)
    return flat in re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", "", Tags(html).text)


def test_a_report_shows_hostile_texts_and_runs_none(store: Store, last: Round) -> None:
    from tasks.reports.round_report import draw_report

    html = draw_report(store, last).page
    page = Tags(html)

    assert page.tags <= HARMLESS_TAGS
    assert not {name for name in page.attributes if name.startswith("on")} | (
        page.attributes & {"src", "href", "srcdoc"}
    )
    assert shows(html, store.select(Promotion, round_id=last.id)[0].reasons)
    assert shows(html, last.line)
    assert html.count("http-equiv") == 1


def test_a_chart_escapes_every_label() -> None:
    from tasks.reports.drawing import bar_chart, interval_chart, line_chart

    row = {
        "question_set": ALL,
        "model": ALL,
        "role": ALL,
        "accuracy": 0.5,
        "low": 0.4,
        "high": 0.6,
        "guideline": ALL,
    }
    charts = [
        interval_chart([row]),
        bar_chart([row], "guideline", "accuracy", "low"),
        line_chart([row | {ALL: 1.0}], ALL, "accuracy", "role"),
    ]

    assert all(Tags(chart).tags <= HARMLESS_TAGS for chart in charts)


def rendered(markdown: str) -> Tags:
    """As a viewer shows it that lets HTML through."""
    page = Tags(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))
    page.text = " ".join(page.text.split())
    return page


@pytest.mark.parametrize("name", HOSTILE)
def test_the_description_of_an_artifact_is_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import prefect.artifacts

    from flows.steps.artifacts import ProgressInPrefect, tabulate_results
    from flows.steps.progress import Quiet

    described: list[str] = []
    monkeypatch.setattr(
        prefect.artifacts,
        "create_progress_artifact",
        lambda _, key, description: described.append(description),
    )
    monkeypatch.setattr(
        prefect.artifacts,
        "create_table_artifact",
        lambda _, key, description: described.append(description),
    )
    monkeypatch.setattr("flows.steps.artifacts.accuracy_rows", lambda *_: [])
    monkeypatch.setattr(
        "flows.steps.artifacts.promotion_of", lambda *_: SimpleNamespace(reasons=HOSTILE[name])
    )

    ProgressInPrefect(Quiet())._post_one("title", 1.0, HOSTILE[name])  # pyright: ignore[reportPrivateUsage]
    tabulate_results(
        cast(Any, SimpleNamespace(store=None, round=SimpleNamespace(number=1, status="running")))
    )

    assert len(described) == 2
    for one in described:
        assert rendered(one).tags <= {"p", "em", "ul", "ol", "li"}
        assert "\n" not in one
        assert not STEERS_A_TERMINAL.search(one)


@pytest.mark.parametrize("kind", ["training set", "paths"])
@pytest.mark.parametrize("format", ["parquet", "chat"])
def test_an_export_holds_hostile_texts_as_they_are_and_its_card_stays_a_card(
    store: Store,
    folder: Path,
    tmp_path: Path,
    kind: str,
    format: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from storage.environment import read_environment
    from tasks.export.export_rows import export_rows
    from tasks.export.wanted_rows import wanted_paths, wanted_training_set

    wanted = wanted_paths(store, 0) if kind == "paths" else wanted_training_set(store, "", 3)
    export_rows(store, wanted, tmp_path / "out", read_environment(folder), format=format)
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    _, front, body = card.split("---\n", 2)
    page = rendered(body)

    assert yaml.safe_load(front)["license"] == "other"
    assert page.tags <= HARMLESS_TAGS
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file())[0] == "README.md"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    if format == "chat":
        rows = [
            json.loads(line)
            for line in (tmp_path / "out" / "train.jsonl").read_text("utf-8").splitlines()
        ]
        assert all(ALL in row["prompt"][0]["content"] for row in rows)


def commands(store: Store) -> list[tuple[str, ...]]:
    path = str(store.select(RecordedPath, draw=3, order_by="id")[0].id)
    guideline = str(store.select(Guideline)[0].id)
    return [
        ("lineage", path),
        ("lineage", guideline),
        ("lineage", str(store.select(Question)[0].id), "--json"),
        ("lineage", str(store.select(TrainingSet)[0].id), "--json"),
        ("report",),
        ("report", "--json"),
        ("audit",),
        ("audit", "--json"),
        ("sql", "SELECT * FROM paths"),
        ("sql", "SELECT * FROM round_summary"),
        ("sql", 'SELECT name AS "\x1b[31m" FROM guidelines'),
        ("sql", "SELECT text FROM paths", "--json"),
        ("storage", "check"),
        ("storage", "check", "--json"),
    ]


@pytest.mark.parametrize("number", range(14))
def test_no_command_that_reads_steers_the_terminal(
    store: Store, command: Command, number: int
) -> None:
    words = commands(store)[number]
    _, out, err = command(*words)

    assert out.strip()
    assert not STEERS_A_TERMINAL.search(out + err), words
    if "--json" in words:
        json.loads(out)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_argument_is_refused_in_one_harmless_line(
    command: Command, name: str, folder: Path, store: Store
) -> None:
    text = HOSTILE[name]
    before = sorted(folder.iterdir())
    refused = [
        command("lineage", "--", text),
        command("sql", "--", text),
        command("report", "--round", text),
        command("ingest", "--", text),
        command("judge", "--", text),
        command("export", "--training-set", text, "out"),
    ]

    for code, out, err in refused:
        assert code == 2
        assert out == ""
        assert len(err.splitlines()) == 1
        assert not STEERS_A_TERMINAL.search(err)
    assert sorted(folder.iterdir()) == before
    assert {one.code for one in check_store(store, folder)} == {
        "adapter_files_missing"
    }  # of the story, always


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_a_traceback_does_not_steer_the_terminal(command: Command, debug: list[str]) -> None:
    _, _, err = command("judge", "\x1b[31mno such file", *debug)

    assert "no such file" in err  # the name is told, and nothing in it is obeyed
    assert not STEERS_A_TERMINAL.search(err)


@pytest.mark.parametrize("name", HOSTILE)
def test_progress_lines_do_not_steer_the_terminal(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.steps.progress import LiveLines, PlainLines

    for watcher in (PlainLines(), LiveLines()):
        watcher.step(HOSTILE[name])
        watcher.update(1, 2, HOSTILE[name])
        watcher.say(HOSTILE[name])
        watcher.close()
    shown = capsys.readouterr().err

    assert shown.strip()
    assert not STEERS_A_TERMINAL.search(shown)


def test_csv_holds_no_formula_and_every_text(store: Store) -> None:
    statement = "SELECT text, -1 AS n, '=1' AS \"=head\" FROM paths ORDER BY id"
    head, *rows = csv.reader(io.StringIO(run_user_sql(store.url, statement, "csv")))

    assert {row[1] for row in rows} == {"-1"}
    assert not any(
        cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        for row in [head, *rows]
        for cell in (row[0], row[2])
        if cell
    )
    assert {HOSTILE["formula_at"], HOSTILE["formula_plus"]} <= {
        row[0].removeprefix("'") for row in rows
    }
    assert head[2] == "'=head"


def test_json_gives_every_text_back(store: Store) -> None:
    rows = json.loads(run_user_sql(store.url, "SELECT DISTINCT text FROM paths", "json"))

    assert {row["text"] for row in rows} == {path.text for path in store.select(RecordedPath)}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_a_value_in_sql(store: Store, name: str) -> None:
    from tasks.ingestion.ingest_questions import set_named

    with pytest.raises(InputError, match="is not in the store"):
        set_named(store, HOSTILE[name], "in_domain")
    assert store.select(Round, line=HOSTILE[name]) == []
    assert store.select(RecordedPath)


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\x00" not in HOSTILE[name]])
def test_a_file_may_have_any_name_and_its_questions_stay_in_the_home(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.steps.ingest_file import AskedFile, ingest_question_file

    monkeypatch.setenv("REGENESIS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REGENESIS_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"{HOSTILE[name].replace('/', '_')[:60]}.jsonl"
    rows = [{"question": f"{n} {HOSTILE[name]}", "answer": str(n)} for n in range(10)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    wanted = AskedFile(
        file, name=f"../{HOSTILE[name]}", answer_kind="number", licence=HOSTILE[name]
    )
    done = ingest_question_file(wanted)

    assert sum(cast("dict[str, int]", done.figures["parts"]).values()) == 10
    assert sorted(tmp_path.iterdir()) == sorted([file, tmp_path / "home"])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_of_any_name_is_a_registered_model_whose_name_is_plain(name: str) -> None:
    from storage.mlflow_tracking import registered_name

    assert re.fullmatch(r"[\w.-]+", registered_name(f"embedded · {HOSTILE[name]}"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_settings_are_data(name: str) -> None:
    from tasks.settings import load_settings

    assert load_settings(overrides={"name": HOSTILE[name]}).name == HOSTILE[name]
    with pytest.raises(InputError) as refused:
        load_settings(toml_text=f"seed = {json.dumps(HOSTILE[name])}")
    assert not STEERS_A_TERMINAL.search(str(refused.value))


def test_a_model_folder_of_pickles_is_refused(tmp_path: Path) -> None:
    from storage.environment import read_environment
    from tasks.engines.models.base_models import prepare_model
    from tasks.settings import ModelSettings

    (tmp_path / "config.json").write_text("{}", "utf-8")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}", "utf-8")
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")

    with pytest.raises(InputError, match=r"\*\.safetensors"):
        prepare_model(ModelSettings(name=str(tmp_path)), read_environment(tmp_path / "home"))


def test_nothing_here_unpickles_evaluates_or_runs_code_of_a_model() -> None:
    """Only safetensors and JSON are loaded. marshal goes between our own processes only."""
    forbidden_imports = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
    forbidden_calls = {"eval", "exec", "load", "unsafe_load", "literal_eval"}
    found: list[str] = []
    for file in [
        file for layer in ("flows", "tasks", "storage") for file in (ROOT / layer).rglob("*.py")
    ]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else [alias.name for alias in node.names]
                )
                found += [
                    f"{file.name}: import {name}"
                    for name in names
                    if name.split(".")[0] in forbidden_imports
                ]
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in forbidden_calls or called in (
                    "torch.load",
                    "yaml.load",
                    "numpy.load",
                    "np.load",
                ):
                    found.append(f"{file.name}:{node.lineno}: {called}")
                found += [
                    f"{file.name}:{node.lineno}: {keyword.arg}"
                    for keyword in node.keywords
                    if keyword.arg in ("trust_remote_code", "allow_pickle", "shell")
                    and ast.unparse(keyword.value) != "False"
                ]

    assert found == []


@pytest.mark.parametrize("name", HOSTILE)
def test_the_morning_summary_is_a_table_of_texts(name: str) -> None:
    from tasks.rules.nights.night_summary import RoundLine, RunLine, summary_markdown

    text = HOSTILE[name]
    one = RoundLine(1, text, text, "", text, 1, 1, 1, 1, None, None, None, None, 1, 0, 1.0)
    run = RunLine(text, text, text, text, "http://127.0.0.1:4200/runs/1", is_well=False)

    markdown = summary_markdown([one], [run], 24)

    assert rendered(markdown).tags <= HARMLESS_TAGS | {"a"}
    assert re.findall(
        r'href="([^"]*)"', MarkdownIt("commonmark").enable("table").render(markdown)
    ) == [run.link]
    assert not STEERS_A_TERMINAL.search(markdown)
