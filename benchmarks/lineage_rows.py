# ruff: noqa: E501
"""A store of any size for benchmarks.

Paths with texts of real lengths and everything they came from and led to.

Made in SQL, the same rows every time: ten rounds, 25 guidelines, eight chains a question; each path
has its adapted guideline, structure, verdict and selection, each round its training set, adapter,
answers, evaluations and decision. `filled_store` keeps what it made in a folder, so that the next
benchmark finds it there.

`.venv/bin/python benchmarks/lineage_rows.py FOLDER --paths 1000000` makes one and prints its URL.
"""

import argparse
import hashlib
import shutil
import sys
import time
from pathlib import Path

import duckdb

from storage.file.file_store import FileStore
from storage.open_store import Store, open_store
from storage.store.arrow import ArrowTable

CHAINS, GUIDELINES, ROUNDS, GATE_QUESTIONS = 8, 25, 10, 500
BYTES_A_PATH = 1_000
# Means in characters; a model of 7B writes about so much in 60, 120 and 200 tokens.
_LENGTHS = {
    "adapted_guidelines": "120 + (hash(n, 1) % 260)::INT",
    "structures": "250 + (hash(n, 2) % 500)::INT",
    "paths": "300 + (((hash(n, 3) % 1000) ** 2) * 0.0015)::INT",
}
_WORDS = (
    "the of to and so if then each first second total number answer step add subtract multiply divide count left right"
    " apples trains hours minutes price sold bought remaining therefore because we have is are equals sum product half"
    " twice per cost distance speed box boxes group groups know need find check work carefully problem 2 3 5 7 12 15 24"
    " 36 48 60 100"
)
_MACROS = (
    "qid(n) AS md5('q' || n)::UUID",
    "gid(n) AS md5('g' || n)::UUID",
    "aid(n) AS md5('a' || n)::UUID",
    "sid(n) AS md5('s' || n)::UUID",
    "pid(n) AS md5('p' || n)::UUID",
    "vid(n) AS md5('v' || n)::UUID",
    "rid(n) AS md5('r' || n)::UUID",
    "tid(n) AS md5('t' || n)::UUID",
    "mid(n) AS md5('m' || n)::UUID",
    "did(n) AS md5('d' || n)::UUID",
    "said(words, n, length) AS substr(words, 1 + (hash(n, length) % 390000)::INT, length)",
    "moment(n) AS TIMESTAMP '2026-01-01' + to_seconds(n)",
    "verdict_of(n) AS CASE hash(n, 4) % 5 WHEN 0 THEN 'correct' WHEN 1 THEN 'unjudged' ELSE 'wrong' END",
    "kept(n) AS n % 3 < 2 AND hash(n, 4) % 5 = 0",
)


class LineageRows:
    """SELECTs that make the rows of a store of `paths` paths, on a connection that was prepared for
    them.
    """

    def __init__(self, paths: int, rounds: int = ROUNDS) -> None:
        self.paths, self.rounds = paths, rounds
        self.a_round = -(-paths // rounds)

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """The macros, and a text to cut texts from."""
        connection.execute(
            "CREATE TEMP TABLE corpus AS SELECT string_agg(words[1 + (hash(n) % len(words))::INT], ' ' ORDER BY n) AS words"
            f" FROM range(110000) AS t(n), (SELECT string_split('{_WORDS}', ' ') AS words)"
        )
        for macro in _MACROS:
            connection.execute(f"CREATE TEMP MACRO {macro}")

    def chain(self, table: str, first: int, last: int) -> str:
        """adapted_guidelines, structures, paths, verdicts or selections of the paths first..last,
        all of one round.
        """
        draw = self.draw(first)
        span = f"range({first}, {last}) AS t(n)"
        if table == "verdicts":
            return (
                f"SELECT vid(n) AS id, pid(n) AS path_id, {draw} AS draw, 'reference' AS verifier, '1' AS verifier_version,"
                " verdict_of(n) AS verdict, if(verdict_of(n) = 'correct', 'equal', 'answer_differs') AS reason,"
                " (hash(n, 5) % 1000)::VARCHAR AS extracted, verdict_of(n) AS lenient_verdict,"
                " (hash(n, 5) % 1000)::VARCHAR AS lenient_extracted, NULL::VARCHAR AS rater, '{}' AS details,"
                f" moment(n) AS created_at FROM {span}"
            )
        if table == "selections":
            return (
                f"SELECT md5('k' || n)::UUID AS id, tid({draw}) AS training_set_id, pid(n) AS path_id,"
                f" vid(n) AS verdict_id, {draw} AS draw, kept(n) AS kept,"
                f" if(kept(n), 'kept', if(verdict_of(n) = 'correct', 'over_keep', 'answer_differs')) AS reason FROM {span}"
            )
        own = {
            "adapted_guidelines": f"aid(n) AS id, gid(n % {GUIDELINES}) AS guideline_id",
            "structures": f"sid(n) AS id, gid(n % {GUIDELINES}) AS guideline_id, aid(n) AS adapted_guideline_id",
            "paths": (
                f"pid(n) AS id, 'regenesis' AS strategy, gid(n % {GUIDELINES}) AS guideline_id,"
                " aid(n) AS adapted_guideline_id, sid(n) AS structure_id, false AS closed"
            ),
        }[table]
        return (
            f"SELECT {own}, qid(n // {CHAINS}) AS question_id, mid(0) AS model_id, gid(-2) AS prompt_id,"
            f' \'{{"max_tokens":512,"temperature":0.85,"top_p":1.0}}\' AS sampling, {draw} AS draw, 0 AS sample,'
            f" hash(n, 6) % 10 = 0 AS hinted, said(words, n, length) AS text, 'stop' AS finish_reason, 200 AS prompt_tokens,"
            " length // 4 AS completion_tokens, n % 1000000 AS seed, 'http://127.0.0.1:8000' AS endpoint,"
            f" rid({draw}) AS round_id, moment(n) AS created_at"
            f" FROM (SELECT n, {_LENGTHS[table]} AS length, words FROM {span}, corpus)"
        )

    def few(self) -> dict[str, str]:
        """Questions, training examples and everything there is once a round or once at all."""
        rounds, gate = (
            f"range(1, {self.rounds + 1}) AS t(n)",
            f"range({self.rounds * GATE_QUESTIONS}) AS t(n)",
        )
        return {
            "question_sets": "SELECT gid(-3) AS id, 'sums' AS name, 'in_domain' AS domain, 'sums.jsonl' AS source, 'd' AS digest,"
            " '{}' AS mapping, '' AS licence, '' AS citation, true AS redistributable, moment(0) AS created_at",
            "guidelines": "SELECT gid(n) AS id, 'guideline ' || n AS name, n AS position, 'advice' AS text,"
            f" true AS in_hinted_retry FROM range({GUIDELINES}) AS t(n)",
            "prompts": "SELECT gid(-2) AS id, 'path' AS name, 'Solve it.' AS text",
            "questions": self.questions(
                "n",
                "'train'",
                f"range({self.paths // CHAINS + 1}) AS t(n)",
                f"n * {CHAINS} // {self.a_round} + 1",
            )
            + " UNION ALL BY NAME "
            + self.questions("-1 - n", "'gate'", gate, f"n // {GATE_QUESTIONS} + 1"),
            "rounds": "SELECT rid(n) AS id, n AS number, 'base/sums' AS line, mid(0) AS base_model_id, mid(n - 1) AS champion_model_id,"
            " 1 AS seed, 'finished' AS status, 'promoted' AS outcome, '' AS reason, '{}' AS settings, '{}' AS timings,"
            f" moment(n) AS started_at, moment(n + 3600) AS finished_at FROM {rounds}",
            "training_sets": f"SELECT tid(n) AS id, rid(n) AS round_id, 'regenesis' AS method, '{{}}' AS settings, 1 AS seed,"
            f" 1 AS examples, 0 AS hinted_examples, 'd' AS digest, moment(n) AS created_at FROM {rounds}",
            "adapters": f"SELECT did(n) AS id, 'round-' || n AS name, tid(n) AS training_set_id, mid(0) AS base_model_id,"
            " if(n > 1, did(n - 1), NULL) AS parent_adapter_id, 'lora' AS kind, 'adapters/' || n AS location, 'd' AS digest,"
            " '{}' AS settings, [1.0] AS losses, 1 AS tokens_trained, 1.0 AS seconds, 'bfloat16' AS precision,"
            f" NULL::VARCHAR AS mlflow_run_id, moment(n) AS created_at, rid(n) AS round_id FROM {rounds}",
            "models": "SELECT mid(n) AS id, if(n > 0, 'base+round' || n, 'base') AS name, mid(0) AS base_model_id,"
            " if(n > 0, did(n), NULL) AS adapter_id, 'r' AS revision, 'h' AS chat_template_hash"
            f" FROM range({self.rounds + 1}) AS t(n)",
            "answers": f"SELECT md5('w' || n || '-' || m)::UUID AS id, qid(-1 - n) AS question_id, mid((n // {GATE_QUESTIONS} + 1) * m) AS model_id,"
            f" gid(-2) AS prompt_id, '{{}}' AS sampling, n // {GATE_QUESTIONS} + 1 AS draw, 0 AS sample, false AS hinted,"
            " said(words, n * 2 + m, 400) AS text, 'stop' AS finish_reason, 100 AS prompt_tokens, 100 AS completion_tokens,"
            f" 1 AS seed, 'http://127.0.0.1:8000' AS endpoint, rid(n // {GATE_QUESTIONS} + 1) AS round_id, moment(n) AS created_at,"
            " if(hash(n, m) % 3 = 0, 'correct', 'wrong') AS strict_verdict, '1' AS strict_extracted, 'wrong' AS lenient_verdict,"
            f" '1' AS lenient_extracted, 'equal' AS reason, '1' AS verifier_version FROM {gate}, range(2) AS u(m), corpus",
            "evaluations": "SELECT md5('e' || n || '-' || m)::UUID AS id, rid(n) AS round_id, mid(n * m) AS model_id, gid(-3) AS question_set_id,"
            " 'in_domain' AS domain, 'gate' AS part, n AS draw, if(m = 0, 'base', 'challenger') AS role, 500 AS questions,"
            " 160 + m AS strict_correct, 170 AS lenient_correct, 0 AS unjudged, 500 AS stopped, 100.0 AS mean_tokens,"
            " 0.3 AS strict_low, 0.4 AS strict_high, 0.3 AS lenient_low, 0.4 AS lenient_high, moment(n) AS created_at"
            f" FROM {rounds}, range(2) AS u(m)",
            "promotions": "SELECT md5('o' || n)::UUID AS id, rid(n) AS round_id, mid(n) AS challenger_model_id, mid(n - 1) AS champion_model_id,"
            " 'promoted' AS outcome, 'done' AS state, 'gate' AS decided_by, 'It gained.' AS reasons, '{}' AS statistics,"
            f" n AS tests_so_far, moment(n) AS created_at FROM {rounds}",
            "training_examples": f"SELECT md5('x' || n)::UUID AS id, tid(n // {self.a_round} + 1) AS training_set_id, pid(n) AS path_id,"
            f" qid(n // {CHAINS}) AS question_id, n % {self.a_round} AS position, 'What is ' || n // {CHAINS} || ' + 1?' AS prompt,"
            f" said(words, n, {_LENGTHS['paths']}) AS completion, n // {self.a_round} + 1 AS draw"
            f" FROM range({self.paths}) AS t(n), corpus WHERE kept(n)",
        }

    @staticmethod
    def questions(number: str, part: str, span: str, draw: str) -> str:
        """Questions by number; those below zero are held out."""
        return (
            f"SELECT qid({number}) AS id, gid(-3) AS question_set_id, ({number})::VARCHAR AS source_row_id, {part} AS part,"
            f" {draw} AS draw, said(words, n, 180) || ' What is ' || ({number}) || ' + 1?' AS text, []::VARCHAR[] AS choices,"
            f" (({number}) + 1)::VARCHAR AS answer, 'number' AS answer_kind, '{{}}' AS extra, moment(0) AS created_at FROM {span}, corpus"
        )

    def draw(self, number: int) -> int:
        """The draw of the path of this number, which is its round's number."""
        # the last round has fewer where the rounds do not divide the paths
        return self.rounds + 1 if number >= self.paths else number // self.a_round + 1

    def arrow(self, first: int, last: int, table: str = "paths") -> ArrowTable:
        """Rows of one table as Arrow, ids as UUIDs.

        Beyond `paths` they are of a round after the last.
        """
        with duckdb.connect(config={"memory_limit": "512MB"}) as connection:
            self.prepare(connection)
            connection.execute("SET arrow_lossless_conversion = true")
            return connection.execute(self.chain(table, first, last)).to_arrow_table()


def filled_store(folder: Path, paths: int, rounds: int = ROUNDS) -> Store:
    """The store of so many paths and rounds in `folder`.

    Made there where it is not there yet, whole or not at all.
    """
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    place = folder / f"lineage-{paths}-{rounds}-{version}"
    if not place.exists():
        free, needed = shutil.disk_usage(folder).free, paths * BYTES_A_PATH
        if free < needed * 1.2:
            sys.exit(
                f"{paths:,} paths take about {needed / 1e9:.0f} GB in {folder}; only {free / 1e9:.1f} GB are free."
            )
        partial = folder / f".{place.name}.part"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        _fill(open_store(f"duckdb:///{partial / 'regenesis.duckdb'}"), LineageRows(paths, rounds))
        partial.rename(place)
    return open_store(f"duckdb:///{place / 'regenesis.duckdb'}", keep_log=True)  # as a run does


def _fill(store: Store, rows: LineageRows) -> None:
    began = time.perf_counter()
    assert isinstance(store, FileStore)  # this benchmark is of a file
    with store.writing_alone() as connection:
        rows.prepare(connection)
        for draw in range(rows.rounds):
            first, last = draw * rows.a_round, min((draw + 1) * rows.a_round, rows.paths)
            for table in ("adapted_guidelines", "structures", "paths", "verdicts", "selections"):
                connection.execute(f"INSERT INTO {table} BY NAME {rows.chain(table, first, last)}")
            print(
                f"  {last:>10,} paths, {time.perf_counter() - began:6.1f} s",
                file=sys.stderr,
                flush=True,
            )
        for table, sql in rows.few().items():
            connection.execute(f"INSERT INTO {table} BY NAME {sql}")
        connection.execute("CHECKPOINT")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--paths", type=int, default=1_000_000)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(filled_store(arguments.folder.absolute(), arguments.paths).url)
