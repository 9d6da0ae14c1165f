# ruff: noqa: E501
"""Makes docs/sql.md: every view with its columns, an example and its output, then a cookbook.

Its queries are here.

`.venv/bin/python -m tests.storage.sql.sql_page` writes the page; a test fails while the page
is stale.
"""

import tempfile
from pathlib import Path

from storage.open_store import Store, open_store
from storage.sql.presenting import as_table
from storage.views import all_views
from tests.storage.story import whole_story

PAGE = Path(__file__).parents[3] / "docs" / "sql.md"

EXAMPLES: dict[str, str] = {
    "lineage_links": "SELECT child_table, relation, parent_table, count(*) AS edges\nFROM lineage_links\n"
    "WHERE child_table = 'paths'\nGROUP BY ALL ORDER BY ALL",
    "glossary": "SELECT code, meaning FROM glossary WHERE kind = 'verdict' ORDER BY code",
    "current_verdicts": "SELECT verifier, verifier_version, verdict, count(*) AS paths\nFROM current_verdicts\n"
    "GROUP BY ALL ORDER BY ALL",
    "lineage": "SELECT round, question, guideline, verdict, trained_models\nFROM lineage\n"
    "WHERE draw = 1 AND len(trained_models) > 1\nORDER BY question, guideline LIMIT 3",
    "accepted_paths": "SELECT question_set, strategy, hinted, count(*) AS paths\nFROM accepted_paths\n"
    "GROUP BY ALL ORDER BY ALL",
    "guideline_attempts": "SELECT draw, sum(attempts)::BIGINT AS attempts, sum(correct)::BIGINT AS correct\n"
    "FROM guideline_attempts\nGROUP BY draw ORDER BY draw",
    "guideline_history": "SELECT guideline, draw, attempts, correct, unique_solves\nFROM guideline_history\n"
    "WHERE draw = 3 ORDER BY guideline",
    "guideline_leaderboard": "SELECT guideline, attempts, correct, solved, unique_solves, round(tokens_per_correct, 1) AS"
    " tokens_per_correct\nFROM guideline_leaderboard\nORDER BY correct DESC, guideline",
    "judge_confusion": "SELECT draw, chosen, first_verdict, second_verdict, paths\nFROM judge_confusion\n"
    "WHERE draw = 1 ORDER BY ALL",
    "majority_votes": "SELECT question, strategy, voters, winner, share, winner_is_right\nFROM majority_votes\n"
    "WHERE draw = 1 ORDER BY question, voters DESC, strategy LIMIT 3",
    "rejections": "SELECT method, round, reason, explanation, count(*) AS paths\nFROM rejections\n"
    "GROUP BY ALL ORDER BY ALL LIMIT 4",
    "question_history": "SELECT question, draw, answers, correct_answers, right_models\nFROM question_history\n"
    "WHERE part = 'gate' AND question_set = 'sums'\nORDER BY draw, source_row_id LIMIT 4",
    "token_costs": "SELECT round, model, stage, texts, completion_tokens\nFROM token_costs\nWHERE round = 1\n"
    "ORDER BY stage, model",
    "round_summary": "SELECT round, outcome, paths, correct_paths, training_examples,\n"
    "       round(in_domain_before, 2) AS before, round(in_domain_after, 2) AS after\n"
    "FROM round_summary ORDER BY round",
    "hint_share": "SELECT round, method, examples, hinted_examples, round(hinted_share, 2) AS share\nFROM hint_share\n"
    "ORDER BY round, method",
    "training_set_contents": "SELECT position, question_set, guideline, hinted, completion\nFROM training_set_contents\n"
    "WHERE round = 1 AND method = 'regenesis'\nORDER BY position LIMIT 3",
    "model_lineage": "SELECT model, generation, round, guideline, examples\nFROM model_lineage\n"
    "WHERE model = 'small+round2'\nORDER BY generation, guideline",
    "answers_fixed": "SELECT question, before_model, after_model\nFROM answers_fixed\n"
    "WHERE after_model = 'small+round1' AND domain = 'in_domain'",
    "answers_broken": "SELECT domain, before_model, after_model, count(*) AS answers\nFROM answers_broken\n"
    "GROUP BY ALL ORDER BY ALL LIMIT 4",
}

COOKBOOK: list[tuple[str, str]] = [
    (
        "How have the rounds gone?",
        (
            "SELECT round, status, outcome, round(in_domain_after - in_domain_before, 3) AS gain, decision\n"
            "FROM round_summary ORDER BY round"
        ),
    ),
    (
        "Which guideline is worth most?",
        (
            "SELECT guideline, round(accuracy, 2) AS accuracy, unique_solves\nFROM guideline_leaderboard\n"
            "ORDER BY unique_solves DESC, accuracy DESC, guideline"
        ),
    ),
    (
        "Which guidelines taught the model that fixed an answer? (Co-occurrence, not cause.)",
        (
            "SELECT DISTINCT f.question, f.after_model, l.guideline, l.examples\n"
            "FROM answers_fixed AS f JOIN model_lineage AS l ON l.model_id = f.after_model_id\n"
            "WHERE f.after_model = 'small+round1' AND f.domain = 'in_domain' AND l.generation = 0\n"
            "ORDER BY f.question, l.examples DESC, l.guideline"
        ),
    ),
    (
        "Why were paths not taken?",
        "SELECT reason, count(*) AS paths FROM rejections GROUP BY reason ORDER BY paths DESC, reason",
    ),
    (
        "What does a reason mean?",
        "SELECT meaning FROM glossary WHERE kind = 'reason' AND code = 'answer_differs'",
    ),
    (
        "Which questions did no path solve without a hint?",
        (
            "SELECT draw, question_set, question FROM question_history\n"
            "WHERE paths > 0 AND correct_paths = 0 ORDER BY draw, question"
        ),
    ),
    (
        "Which questions were only solved with the answer shown?",
        (
            "SELECT draw, question FROM question_history\nWHERE correct_paths = 0 AND hinted_correct_paths > 0"
            " ORDER BY draw, question"
        ),
    ),
    (
        "What share of each training set is hinted?",
        "SELECT round, method, hinted_examples || ' of ' || examples AS hinted FROM hint_share ORDER BY round, method",
    ),
    (
        "From a training example back to everything it came from",
        (
            "SELECT l.question, l.guideline, l.adapted_guideline, l.structure, l.verdict\n"
            "FROM training_set_contents AS t JOIN lineage AS l USING (path_id)\n"
            "WHERE t.round = 1 AND t.method = 'regenesis' ORDER BY t.position LIMIT 1"
        ),
    ),
    (
        "And on to the adapter and its evaluations",
        (
            "SELECT DISTINCT a.name AS adapter, m.name AS model, e.domain, e.part, e.strict_correct, e.questions\n"
            "FROM training_sets AS t JOIN adapters AS a ON a.training_set_id = t.id\n"
            "JOIN models AS m ON m.adapter_id = a.id JOIN evaluations AS e ON e.model_id = m.id\n"
            "WHERE a.name = 'round-1' AND e.role = 'challenger' ORDER BY e.domain"
        ),
    ),
    (
        "The whole walk in one query: from a training example to its question and on to the evaluations it led to",
        (
            "SELECT l.question, l.guideline, l.adapted_guideline, l.structure, l.path, l.verdict, a.name AS adapter,\n"
            "    s.name AS evaluated_on, e.part, e.strict_correct, e.questions\n"
            "FROM training_examples AS t JOIN lineage AS l USING (path_id)\n"
            "JOIN adapters AS a ON a.training_set_id = t.training_set_id JOIN models AS m ON m.adapter_id = a.id\n"
            "JOIN evaluations AS e ON e.model_id = m.id JOIN question_sets AS s ON s.id = e.question_set_id\n"
            "WHERE a.name = 'round-1' AND t.position = 0 AND e.role = 'challenger' ORDER BY evaluated_on"
        ),
    ),
    (
        "Which answers did a model break?",
        (
            "SELECT domain, question, before_extracted, after_extracted FROM answers_broken\n"
            "WHERE after_model = 'small+round2' ORDER BY domain, question LIMIT 3"
        ),
    ),
    (
        "What does a round cost in tokens, by stage?",
        "SELECT round, stage, sum(completion_tokens)::BIGINT AS tokens FROM token_costs GROUP BY ALL ORDER BY ALL LIMIT 4",
    ),
    (
        "Tokens for each accepted path, by round",
        "SELECT round, generated_tokens // nullif(correct_paths, 0) AS tokens_per_accepted FROM round_summary ORDER BY round",
    ),
    (
        "Do direct paths do better than the ladder?",
        (
            "SELECT strategy, count(*) AS paths, round(avg((verdict = 'correct')::INT), 2) AS accuracy\n"
            "FROM lineage WHERE NOT hinted GROUP BY strategy ORDER BY strategy"
        ),
    ),
    (
        "Did a re-judging change verdicts?",
        (
            "SELECT old.verdict AS was, new.verdict AS is_now, count(*) AS paths\n"
            "FROM verdicts AS old JOIN current_verdicts AS new ON new.path_id = old.path_id\n"
            "WHERE old.verifier_version = '1' AND old.verifier = 'reference' GROUP BY ALL ORDER BY ALL"
        ),
    ),
    (
        "Where did a person overrule the rules?",
        (
            "SELECT p.question, p.extracted, c.verdict FROM current_verdicts AS c JOIN lineage AS p USING (path_id)\n"
            "WHERE c.verifier = 'human' ORDER BY p.question LIMIT 2"
        ),
    ),
    (
        "How did one question fare over time?",
        (
            "SELECT draw, paths, correct_paths, answers, correct_answers FROM question_history\n"
            "WHERE source_row_id = 'train-2-1' ORDER BY draw"
        ),
    ),
    (
        "Accuracy of each model on each set, with its interval",
        (
            "SELECT m.name AS model, s.name AS question_set, e.part, e.strict_correct / e.questions AS accuracy\n"
            "FROM evaluations AS e JOIN models AS m ON m.id = e.model_id JOIN question_sets AS s ON s.id = e.question_set_id\n"
            "WHERE e.role = 'challenger' ORDER BY m.name, s.name"
        ),
    ),
    (
        "Which paths are used by more than one model?",
        "SELECT path_id, trained_models FROM lineage WHERE len(trained_models) = 3 ORDER BY path_id LIMIT 2",
    ),
    (
        "Requests that failed for good",
        "SELECT stage, reason, count(*) AS requests FROM failed_requests GROUP BY ALL ORDER BY ALL",
    ),
    (
        "Join back to the file the questions came from",
        (
            "SELECT s.source, q.source_row_id, q.text FROM questions AS q JOIN question_sets AS s ON s.id = q.question_set_id\n"
            "WHERE s.name = 'sums' AND q.part = 'train' ORDER BY q.source_row_id LIMIT 2"
        ),
    ),
]

_HEAD = """# SQL over the store

`regenesis sql "SELECT …"` runs one reading statement in a process of its own, also while a round writes
(`--format table|csv|json|parquet`, `--out FILE`, `--file FILE`; `regenesis sql --schema` prints every table and view with its columns).
DBeaver, Metabase, a notebook or DuckDB's own client should open `reader.duckdb`, the copy that is made after each
round, because a client that stays in `regenesis.duckdb` keeps writers waiting:

    duckdb -readonly .regenesis/reader.duckdb      # `regenesis sql --client` prints this line for your store

The view `reader_age` in it tells how old it is. Tables are named after the method's things (`paths`, `verdicts`,
`training_sets`, …) and commented; the views below are what stays stable. Look at one round by `draw`, the number that
every generated row carries: the database then skips the others.

## What may be asked

One statement: SELECT, WITH, set operations, PIVOT, UNPIVOT, DESCRIBE, SUMMARIZE, SHOW, and EXPLAIN or EXPLAIN ANALYZE
of such a one. It may name the store's tables and views, its own WITH names and `information_schema`. Functions are those
of a list, `storage/sql/allowed_functions.toml`: nearly all of DuckDB's that compute something from their arguments, none
that reads a file, runs SQL from a text, or shows settings or secrets. Whatever is on no list is refused, and so is a
function that a newer DuckDB brings until somebody has looked at it. The same holds for a file and a lake, and for the
SQL page of `regenesis explore`. Keys and passwords are not in the environment of the process that runs the statement.

Behind the list stands the operating system: the process shuts itself in with Landlock (Linux 5.13 and later;
`regenesis doctor` says which) before it runs the statement. It can then open no file to write and none to read but the
lake's own, start no program, and reach no port but those of the lake's servers. A file's statement reads a copy, never
the live file.

| limit | default | flag |
| --- | --- | --- |
| time | 60 s | `--timeout` |
| memory of DuckDB; the process as a whole may take some 400 MiB and 24 MiB per thread more | 1 GB | `--memory` |
| temporary disk for what does not fit into memory; the folder is removed | 4 GB | `--disk` |
| rows of a table on the screen | 1,000 | `--out FILE` (a new file) or another format writes all |
| bytes of one row in CSV, JSON and Parquet; cells of a table are cut | 64 MiB | |

CSV, JSON and Parquet go out piece by piece, however large they are. Columns of one name all come out; in JSON and Parquet
the second `text` is called `text_1`. Types that Arrow or Python cannot hold exactly (HUGEINT beyond 64 bits in text
outputs, infinite dates, dates before year 1, intervals, bit strings) come as DuckDB writes them. On a terminal whatever
would steer it or hide, such as U+202E, is made visible in every format; a file or a pipe gets the exact characters.

The outputs below come from a small made-up store of three rounds.

## Views
"""


def page(store: Store) -> str:
    """The whole page."""
    parts = [_HEAD]
    for view in sorted(all_views(), key=lambda view: view.name):
        rows = "\n".join(f"| `{column}` | {text} |" for column, text in view.columns.items())
        parts.append(
            f"### {view.name}\n{view.comment}\n\n| column | meaning |\n| --- | --- |\n{rows}\n\n"
            f"{_shown(store, EXAMPLES[view.name])}"
        )
    parts.append("## Cookbook\n")
    parts += [
        f"### {number}. {question}\n{_shown(store, sql)}"
        for number, (question, sql) in enumerate(COOKBOOK, 1)
    ]
    return "\n".join(parts)


def _shown(store: Store, sql: str) -> str:
    rows = store.query(sql)
    return f"```sql\n{sql}\n```\n```text\n{as_table(rows.column_names, [list(row.values()) for row in rows.to_pylist()])}\n```\n"


def story_store(folder: Path) -> Store:
    """The made-up store."""
    store = open_store(f"duckdb:///{folder / 'story.duckdb'}")
    store.append(whole_story())
    return store


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(page(story_store(Path(folder))), "utf-8")


if __name__ == "__main__":
    main()
