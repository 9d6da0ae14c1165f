"""Every path and answer of docs/study-135m judged again.

Each verdict that differs from the stored one, by reason.

Prints a table of (stored verdict, verdict today) with examples; writes every differing row as a
JSON line to --out.
"""

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import duckdb

from tasks.rules.answers.verdicts import Case
from tasks.verification.verify_paths import Judge

STUDY = Path(__file__).parents[1] / "docs" / "study-135m"
STORED = """
SELECT p.text, q.answer, q.answer_kind, q.choices, p.finish_reason, q.text, v.verdict, v.reason
FROM '{0}/verdicts.parquet' v
JOIN '{0}/paths.parquet' p ON p.id = v.path_id
JOIN '{0}/questions.parquet' q ON q.id = p.question_id
WHERE v.verifier = 'reference'
UNION ALL
SELECT a.text, q.answer, q.answer_kind, q.choices, a.finish_reason, q.text,
    a.strict_verdict, a.reason
FROM '{0}/answers.parquet' a JOIN '{0}/questions.parquet' q ON q.id = a.question_id
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--out", type=Path, default=Path(tempfile.gettempdir()) / "regenesis-benchmarks"
    )
    folder: Path = arguments.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    rows = duckdb.sql(STORED.format(STUDY)).fetchall()
    cases = [
        Case(text, answer, kind, tuple(choices or ()), finish, asked)
        for text, answer, kind, choices, finish, asked, *_ in rows
    ]
    began = time.process_time()
    with Judge() as judge:
        judgements = judge.judge(cases)
    seconds = time.process_time() - began
    changes: Counter[tuple[str, str]] = Counter()
    examples: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    with (folder / "rejudged.jsonl").open("w", encoding="utf-8") as file:
        for (text, answer, *_, verdict, reason), judged in zip(rows, judgements, strict=True):
            if (judged.verdict, judged.reason) == (verdict, reason):
                continue
            change = (f"{verdict} ({reason})", f"{judged.verdict} ({judged.reason})")
            changes[change] += 1
            examples[change].append(text[-60:].replace("\n", " ").replace("|", "/"))
            row = {
                "stored": change[0],
                "today": change[1],
                "reference": answer,
                "read": judged.extracted,
                "text": text,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print("| stored | today | rows | for example |\n| --- | --- | --- | --- |")
    for (stored, today), count in changes.most_common():
        print(f"| {stored} | {today} | {count} | `{examples[stored, today][0]}` |")
    accepted = sum(count for (_, today), count in changes.items() if today.startswith("correct"))
    figures = {
        "changed": sum(changes.values()),
        "newly_correct": accepted,
        "cases_per_cpu_second": round(len(rows) / seconds),
    }
    ratio = 1 - sum(changes.values()) / len(rows)
    print(
        json.dumps(
            {
                "name": "rejudge",
                "ratio": round(ratio, 4),
                "goal": 0.98,
                **figures,
                "size": len(rows),
            }
        )
    )


if __name__ == "__main__":
    main()
