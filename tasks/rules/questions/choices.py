"""The options of a question in the forms in which files hold them, and which of them the key names.

A letter or label that stands with an option belongs to it wherever it stands in the file: it is
never read as another option's. Messages go on from "row 3 ...".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from storage.errors import InputError
from tasks.rules.questions.cells import (
    UnreadReference,
    described,
    is_empty,
    parsed_list,
    scalar_text,
)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# how --choice-key says that an answer names its choice
KEY_KINDS = ("", "letter", "text", "0", "1")
# names under which choices that are objects hold label and text: ARC, OpenBookQA, MMLU and others
LABEL_NAMES = ("label", "key", "letter", "id", "option", "name", "index")
TEXT_NAMES = ("text", "value", "content", "choice", "answer", "option_text", "para")
# "A. oak", "(B) iron", "C) wool", "D: milk", "a ) 38", "2. two"; neither "1.5" nor the ratios "3:4"
# and "3: 4"
MARKED = re.compile(
    r"\s*(?:\((?P<round>[A-Za-z]|\d{1,2})\)|(?P<label>[A-Za-z]|\d{1,2}(?!\s?[:：]))\s?"
    r"(?:(?P<sure>[)）])|[.．、:：](?=\s|[^\d\s])))\s*(?P<text>\S[\s\S]*)"
)
# `A) Paris B) Rome`, `(A) Paris`, `A: Paris` in one text
INLINE = re.compile(r"(?:^|(?<=[\s,;]))\(?([A-Za-z])\s?[).:]\s")


@dataclass(frozen=True)
class Options:
    """The options' texts in the order shown, A first, and the file's label of each, if any."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    note: str = ""


def options_of(cell: object) -> Options:
    """The options of a cell, none for an empty one.

    Raises InputError for a form that has no plain meaning.
    """
    if is_empty(cell):
        return Options()
    pairs, note = _pairs(cell)
    if len(pairs) > len(LETTERS):
        raise InputError(
            f"has {len(pairs)} choices; at most {len(LETTERS)} have letters. Leave the row out."
        )
    for _, text in pairs:
        if not text:
            raise InputError(
                f"has null or an empty text among its choices ({described(cell)}). Fill or"
                " remove it."
            )
    labels = [label for label, _ in pairs]
    if not any(labels):
        return Options(tuple(text for _, text in pairs), (), note)
    if not all(labels) or len(set(labels)) < len(labels):
        raise InputError(
            f"has choices labelled {', '.join(map(repr, labels))}; each needs a label of its own."
        )
    pairs = _without_own_letters(pairs)
    if set(labels) == set(
        LETTERS[: len(labels)]
    ):  # other labels are not shown, so their order stays the file's
        pairs = sorted(pairs)
    return Options(tuple(text for _, text in pairs), tuple(label for label, _ in pairs), note)


def letter_of(key: str, options: Options, key_kind: str = "") -> str:
    """The letter, as shown, of the option that the key names; empty for an empty key.

    `key_kind` is how the file's keys are meant: a letter (or "", as they look), an option's text,
    or a place counted from 0 or 1. Raises UnreadReference where that is not plain.
    """
    if not key:
        return ""
    place = _place(key, options, key_kind)
    return LETTERS[place]


def _place(key: str, options: Options, key_kind: str) -> int:
    if key_kind in ("0", "1"):
        place = int(key) - int(key_kind) if key.isascii() and key.isdigit() and len(key) < 4 else -1
        if not 0 <= place < len(options.texts):
            raise UnreadReference(
                f"has the key {key!r}, counted from {key_kind}, with {len(options.texts)} choices."
                " Correct the key."
            )
        return place
    readings = {"text": _by_text, "letter": _by_letter}.get(key_kind, _readings)
    places = readings(key, options)
    if len(places) == 1:
        return places.pop()
    if places:
        raise UnreadReference(
            f"has the key {key!r}, which may name"
            f" {' or '.join(LETTERS[one] for one in sorted(places))}. Say how keys are meant with"
            f" --choice-key ({', '.join(KEY_KINDS[1:])})."
        )
    last = LETTERS[max(len(options.texts), 1) - 1]
    hint = (
        " A key that is a place needs --choice-key 0 or 1, whichever it counts from."
        if key.isdigit()
        else ""
    )
    raise UnreadReference(
        f"must answer with a letter A-{last}, a label or a choice's text; found {key!r}.{hint}"
    )


def _readings(key: str, options: Options) -> set[int]:
    """Every option that the key may name; one where its meaning is plain."""
    bare = _label(key)
    if options.labels and bare in options.labels:
        return {options.labels.index(bare)}
    places = _by_text(key, options)
    by_labels_alone = bool(options.labels) and not _counts(list(options.labels))
    if len(bare) == 1 and bare in LETTERS[: len(options.texts)] and not by_labels_alone:
        # ["C", "CO"] holds carbon, and its keys are letters; of ["B", "A"] nobody can tell what
        # they are
        all_letters = all(len(_label(text)) == 1 for text in options.texts)
        return {LETTERS.index(bare)} | (places if all_letters else set())
    if key.isdigit() and places:  # a text that looks like a place
        return places | {
            int(key) - start for start in (0, 1) if 0 <= int(key) - start < len(options.texts)
        }
    marked = MARKED.fullmatch(key)
    if places or not marked:
        return places
    named = _readings(marked["round"] or marked["label"], options)
    return named if named == _by_text(marked["text"], options) else set()


def _by_letter(key: str, options: Options) -> set[int]:
    bare = _label(key)
    letters = options.labels or tuple(LETTERS[: len(options.texts)])
    return {place for place, letter in enumerate(letters) if letter == bare}


def _by_text(key: str, options: Options) -> set[int]:
    wanted = _folded(key)
    return {place for place, text in enumerate(options.texts) if _folded(text) == wanted}


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _label(text: str) -> str:
    return text.strip().strip("().:[]").strip().upper()


def _counts(labels: Sequence[str]) -> bool:
    """Whether labels are the numbers from 0 or from 1."""
    numbers = {int(label) for label in labels if label.isascii() and label.isdigit()}
    return numbers in (set(range(len(labels))), set(range(1, len(labels) + 1)))


Pairs = list[tuple[str, str]]


def _pairs(cell: object) -> tuple[Pairs, str]:
    """(label or "", text) of each option in file order, and how they were found."""
    if isinstance(cell, str):
        return _of_text(cell)
    if isinstance(cell, Mapping):
        return _of_object(cast("Mapping[str, object]", cell))
    if not isinstance(cell, (list, tuple)):
        raise InputError(f"must give choices as a list of texts; found {described(cell)}.")
    entries = cast("Sequence[object]", cell)
    if entries and all(isinstance(one, Mapping) for one in entries):
        pairs = [_of_entry(cast("Mapping[str, object]", one)) for one in entries]
        return pairs, (
            "choices: objects of label and text" if any(label for label, _ in pairs) else ""
        )
    return _of_texts([scalar_text(one, "one of its choices") for one in entries])


def _of_text(text: str) -> tuple[Pairs, str]:
    stripped = text.strip()
    if stripped.startswith("["):
        listed = parsed_list(stripped)
        if listed is not None:
            return _pairs(listed)
        if "\n" not in stripped:
            raise InputError(
                f'has choices that are not a JSON list: {stripped[:60]!r}. Write ["...", "..."].'
            )
    if stripped.startswith("{"):
        wrapped = parsed_list(f"[{stripped}]")
        if wrapped is None:
            raise InputError(f"has choices that are not JSON: {stripped[:60]!r}.")
        return _pairs(wrapped[0])
    lines = [line.strip() for line in stripped.splitlines() if line.strip()]
    if len(lines) > 1:
        pairs, note = _of_texts(lines)
        return pairs, note or "choices: one per line"
    found = list(INLINE.finditer(stripped))
    if len(found) > 1 and "".join(one[1].upper() for one in found) == LETTERS[: len(found)]:
        ends = [*(one.start() for one in found[1:]), len(stripped)]
        texts = [
            stripped[one.end() : end].strip(" ,;") for one, end in zip(found, ends, strict=True)
        ]
        return [
            (one[1].upper(), text) for one, text in zip(found, texts, strict=True)
        ], "choices: lettered in one line"
    raise InputError(f"must give choices as a JSON list, or one per line; found {stripped[:60]!r}.")


def _of_object(cell: Mapping[str, object]) -> tuple[Pairs, str]:
    """ARC's {text: [...], label: [...]}, or {A: ..., B: ...}."""
    lists = {name: value for name, value in cell.items() if isinstance(value, (list, tuple))}
    texts = next(
        (lists[name] for name in ("text", "texts", "choices", "options") if name in lists), None
    )
    if texts is not None:
        labels = next(
            (lists[name] for name in ("label", "labels", "key", "letter") if name in lists), None
        )
        plain = [scalar_text(one, "one of its choices") for one in cast("Sequence[object]", texts)]
        if labels is None:
            return _of_texts(plain)
        named = [
            _label(scalar_text(one, "a choice's label")) for one in cast("Sequence[object]", labels)
        ]
        if len(named) != len(plain):
            raise InputError(f"has {len(plain)} choices and {len(named)} labels. Correct the row.")
        return list(zip(named, plain, strict=True)), "choices: lists of text and label"
    names = [_label(name) for name in cell]
    if names and (set(names) == set(LETTERS[: len(names)]) or _counts(names)):
        texts = [scalar_text(value, "one of its choices") for value in cell.values()]
        return list(zip(names, texts, strict=True)), "choices: an object by letter"
    raise InputError(
        f"has choices as an object with {', '.join(map(repr, cell))}; expected text and label, or"
        " letters from A. Name its part with --map choices=COLUMN.PART"
    )


def _of_entry(entry: Mapping[str, object]) -> tuple[str, str]:
    label = next((name for name in LABEL_NAMES if name in entry), None)
    text = next((name for name in TEXT_NAMES if name in entry), None)
    if text is not None and len(entry) <= 2:
        named = "" if label is None else _label(scalar_text(entry[label], "a choice's label"))
        return named, scalar_text(entry[text], "one of its choices")
    if len(entry) == 1:
        [(name, value)] = entry.items()
        return _label(name), scalar_text(value, "one of its choices")
    raise InputError(
        f"has a choice with {', '.join(map(repr, entry))}; expected a label and a text."
    )


def _of_texts(texts: Sequence[str]) -> tuple[Pairs, str]:
    """Separate texts from letters before them, where all have one that can be nothing else."""
    marked = [MARKED.fullmatch(text) for text in texts]
    labels = [(one["round"] or one["label"]).upper() for one in marked if one]
    sure = [one for one in marked if one and (one["round"] or one["sure"])]
    run = set(labels) == set(LETTERS[: len(texts)]) or _counts(labels)
    if (
        len(labels) == len(texts) > 1
        and len(set(labels)) == len(labels)
        and (run or len(sure) == len(texts))
    ):
        pairs = [
            (label, one["text"].strip()) for label, one in zip(labels, marked, strict=True) if one
        ]
        return pairs, "choices: texts that carry their letters"
    if sure and any(one["label"] or one["round"] in LETTERS for one in sure):
        raise InputError(
            f"has {len(texts)} choices of which {len(labels)} carry a letter"
            f" ({texts[marked.index(sure[0])][:40]!r}). Give each its own, or none."
        )
    return [("", text) for text in texts], ""


def _without_own_letters(pairs: Pairs) -> Pairs:
    """{"A": "A. oak"} says its letter twice; a text that carries another's letter is refused."""
    marked = [MARKED.fullmatch(text) for _, text in pairs]
    if not all(marked):
        return pairs
    own = [(one["round"] or one["label"]).upper() for one in marked if one]
    if own == [label for label, _ in pairs]:
        return [(label, one["text"].strip()) for label, one in zip(own, marked, strict=True) if one]
    if set(own) == set(LETTERS[: len(own)]):
        raise InputError(
            f"labels its choices {[label for label, _ in pairs]} and letters them {own}. Correct"
            " the row."
        )
    return pairs
