"""Whether a state's rows have the ids of what they hold.

Most ids are hashes of content, and the store keeps the first row of an id: a stranger's row under
the id of one of ours would be read in its place. What a model wrote has the id of its request,
which is checked in the same way; its text cannot be.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from storage.ids import Part, content_id
from storage.records import Model
from tasks.comparison.contest import HOW, HOW_AT_FIRST, comparison_id
from tasks.comparison.training_sets import REFERENCE
from tasks.training.train_adapter import HOW as OF_NO_WEIGHTS

MOST = 32
"""Parents, or ways to ask, that one row's id is compared with; a chain has two, a model a few.

A row beyond them counts as one of another id: each row with each would take days.
"""
Row = Mapping[str, Any]
Rows = Mapping[str, list[dict[str, Any]]]


def rows_under_another_id(rows: Rows, base: Model) -> Iterator[tuple[str, UUID]]:
    """Table and id of each row whose id is not that of its content.

    Of a pool this cannot be said: its id is made of its questions' ids as well.
    """
    for table, ids_of in _rules(rows, base).items():
        yield from (
            (table, row["id"]) for row in rows.get(table, []) if not _has_id_of(row, ids_of)
        )


def _has_id_of(row: Row, ids_of: Callable[[Row], Iterable[UUID]]) -> bool:
    try:
        return row["id"] in ids_of(row)
    except (ValueError, TypeError, AttributeError, RecursionError):  # no JSON where its id needs it
        return False


def _rules(rows: Rows, base: Model) -> dict[str, Callable[[Row], Iterable[UUID]]]:
    """Table -> the ids that one of its rows may have."""
    above = _selections_above(rows)
    asked: defaultdict[UUID, set[tuple[UUID, str]]] = defaultdict(set)
    for row in rows.get("answers", []):
        asked[row["model_id"]].add((row["prompt_id"], row["sampling"]))
    candidates: defaultdict[UUID, list[Row]] = defaultdict(list)
    for row in rows.get("selections", []):
        candidates[row["training_set_id"]].append(row)
    comparisons = rows.get("comparisons", [])

    def of_columns(table: str, *columns: str) -> Callable[[Row], Iterable[UUID]]:
        return lambda row: [content_id(table, *(row[name] for name in columns))]

    return {
        "question_sets": _set_ids,
        "questions": _question_ids,
        "guidelines": of_columns("guidelines", "text"),
        "prompts": of_columns("prompts", "text"),
        "models": _model_ids(rows, base),
        "adapted_guidelines": lambda row: _chain_ids("adapted_guidelines", row, above),
        "structures": lambda row: _chain_ids("structures", row, above),
        "paths": lambda row: _path_ids(row, above),
        "verdicts": of_columns("verdicts", "path_id", "verifier", "verifier_version"),
        "failed_requests": _failure_ids,
        "selections": of_columns("selections", "training_set_id", "path_id"),
        "training_examples": of_columns("training_examples", "training_set_id", "path_id"),
        "training_sets": lambda row: _training_set_ids(row, candidates[row["id"]], comparisons),
        "adapters": _adapter_ids,
        "answers": of_columns(
            "answers", "question_id", "model_id", "prompt_id", "sampling", "draw", "sample"
        ),
        "evaluations": lambda row: _evaluation_ids(row, asked[row["model_id"]]),
        "evaluation_figures": of_columns(
            "evaluation_figures", "evaluation_id", "source", "name", "reading", "k"
        ),
        "comparisons": _comparison_ids,
        "trials": of_columns(
            "trials", "comparison_id", "method", "seed", "learning_rate", "iteration"
        ),
        "comparison_figures": _figure_ids,
    }


def _set_ids(row: Row) -> Iterator[UUID]:
    name, digest, domain = row["name"], row["digest"], row["domain"]
    yield content_id("question_sets", name, row["source"], digest, domain)
    # a published set: its id names what it is known as, its row says where it was read
    if known := _read(row["mapping"]).get("known"):
        yield content_id("question_sets", name, f"known:{known}", digest, domain)


def _question_ids(row: Row) -> list[UUID]:
    others: list[Part] = [row["other_answers"]] if row["other_answers"] else []
    columns = ("question_set_id", "text", "choices", "answer", "answer_kind")
    return [content_id("questions", *(row[name] for name in columns), *others)]


def _model_ids(rows: Rows, base: Model) -> Callable[[Row], Iterable[UUID]]:
    digests = {row["id"]: row["digest"] for row in rows.get("adapters", [])}
    answering = {row["model_id"] for row in rows.get("trials", [])}

    def ids(row: Row) -> list[UUID]:
        adapter = row["adapter_id"]
        if adapter is None:
            # its id covers files that do not travel; only the comparison's own base may come
            return [one.id for one in (base, REFERENCE) if _is_row_of(one, row)]
        if not _is_row_of(replace(base, id=row["id"], adapter_id=adapter), row):
            return []
        if row["id"] in answering:
            return [content_id("models", base.id, digests[adapter])] if adapter in digests else []
        # it only wrote paths: for another comparison of the same draws, whose adapters stay there,
        # or before its adapter was trained again
        return [row["id"]]

    return ids


def _is_row_of(model: Model, row: Row) -> bool:
    return all(row[name] == value for name, value in vars(model).items() if name != "name")


def _selections_above(rows: Rows) -> Mapping[tuple[object, ...], list[UUID]]:
    """Advice by chain: a chain's first text may be a selection of guidelines."""
    above: defaultdict[tuple[object, ...], list[UUID]] = defaultdict(list)
    for row in rows.get("adapted_guidelines", []):
        above[_chain_of(row)].append(row["id"])
    return above


def _chain_of(row: Row) -> tuple[object, ...]:
    """What all texts of a chain share."""
    names = ("question_id", "guideline_id", "model_id", "draw", "sample", "hinted")
    return tuple(row[name] for name in names)


def _chain_ids(
    table: str, row: Row, above: Mapping[tuple[object, ...], list[UUID]]
) -> Iterator[UUID]:
    """The ids of the requests that a row's own columns allow; see `request_id`."""
    for each in _parents(row, above):
        yield content_id(
            table,
            *map(str, each),
            str(row["model_id"]),
            str(row["prompt_id"]),
            row["sampling"],
            row["draw"],
            row["sample"],
            row["hinted"],
        )


def _parents(
    row: Row, above: Mapping[tuple[object, ...], list[UUID]]
) -> Iterator[tuple[UUID, ...]]:
    if nearest := row.get("structure_id") or row.get("adapted_guideline_id"):
        yield (nearest,)
    elif row["guideline_id"] is None:
        yield (row["question_id"],)
    else:
        head = (row["question_id"], row["guideline_id"])
        yield head
        yield from ((*head, one) for one in above.get(_chain_of(row), [])[:MOST])


def _path_ids(row: Row, above: Mapping[tuple[object, ...], list[UUID]]) -> Iterator[UUID]:
    if row["strategy"] != "reference":
        return _chain_ids("paths", row, above)
    names = ("question_id", "model_id", "prompt_id")
    return iter([content_id("paths", *(str(row[name]) for name in names), row["draw"])])


def _failure_ids(row: Row) -> Iterator[UUID]:
    when: datetime = row["created_at"]
    for time in (when.replace(tzinfo=UTC), when.replace(tzinfo=None)):
        yield content_id("failed_requests", row["request_id"], time.isoformat())


def _training_set_ids(
    row: Row, candidates: list[Row], comparisons: list[dict[str, Any]]
) -> Iterator[UUID]:
    described = _read(row["settings"])
    for comparison in comparisons:
        yield content_id(
            "training_sets",
            row["method"],
            described.get("selection"),
            row["seed"],
            described.get("prompt_id"),
            _read(comparison["settings"]).get("training", {}).get("max_tokens"),
            sorted(str(one["path_id"]) for one in candidates if one["kept"]),
            sorted(str(one["path_id"]) for one in candidates),
        )


def _adapter_ids(row: Row) -> list[UUID]:
    settings = _read(row["settings"])
    what = {name: value for name, value in settings.items() if name not in OF_NO_WEIGHTS}
    above = (row["base_model_id"], row["parent_adapter_id"], row["training_set_id"])
    return [content_id("adapters", *above, what)]


def _comparison_ids(row: Row) -> list[UUID]:
    base, settings = row["base_model_id"], row["settings"]
    return [comparison_id(base, settings, how) for how in (HOW, HOW_AT_FIRST)]


def _evaluation_ids(row: Row, asked: Iterable[tuple[UUID, str]]) -> Iterator[UUID]:
    """Of no round, under a prompt and sampling that the state has answers to."""
    counted = (row["model_id"], row["question_set_id"], row["part"])
    return (content_id("evaluations", None, *counted, *each) for each in islice(asked, MOST))


def _figure_ids(row: Row) -> Iterator[UUID]:
    comparison, name, rates = row["comparison_id"], row["name"], row["rates"]
    columns = ("reading", "scope", "method", "against", "iteration")
    yield content_id(
        "comparison_figures", comparison, name, rates, *(row[column] for column in columns)
    )
    # of the development questions, which choose a learning rate
    yield content_id("comparison_figures", comparison, name, row["method"], rates)


def _read(text: str) -> dict[str, Any]:
    found = json.loads(text)
    return found if isinstance(found, dict) else {}
