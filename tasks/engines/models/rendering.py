"""THE function that renders (model, chat template, system prompt, turns) to token ids.

Synthesis, training and evaluation all call it. Text of ours and text of the template are told
apart: what looks like a special token inside a question stays ordinary text and cannot close a
turn.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from storage.errors import InputError
from tasks.engines.models.chat_template import (
    TemplateRefused,
    chat_template_hash,
    chat_template_text,
    compile_chat_template,
    read_json,
)
from tasks.settings import ModelSettings

if TYPE_CHECKING:
    from tasks.rules.ladder.prompts import Turns

_MARK = (  # private-use characters stand for special-token text while the template renders
    "\U000f5a1e"
)
_MARKS = re.compile(f"{_MARK}(\\d+){_MARK}")
# half a pair, which UTF-8 cannot hold and tokenizers refuse
_SURROGATE = re.compile("[\ud800-\udfff]")
# a word that no template holds, to see where a text comes out
_PROBE = "regenesisprobe"
# <think>, </think>, [THINK]: the names of such tokens
_THOUGHT = re.compile("think", re.IGNORECASE)


class _Encoding(Protocol):
    @property
    def ids(self) -> list[int]: ...


class _AddedToken(Protocol):
    @property
    def content(self) -> str: ...
    @property
    def special(self) -> bool: ...


class _Tokenizer(Protocol):
    """The part of `tokenizers.Tokenizer` that is used."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> _Encoding: ...
    def token_to_id(self, token: str) -> int | None: ...
    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str: ...
    def get_added_tokens_decoder(self) -> Mapping[int, _AddedToken]: ...


class Renderer:
    """Renders for one model; cheap to call (about 0.1 ms), built once in some 0.2 s."""

    def __init__(self, model_folder: Path, settings: ModelSettings | None = None) -> None:
        self.settings = settings or ModelSettings()
        self._tokenizer = _load_tokenizer(model_folder)
        self.chat_template_hash = chat_template_hash(model_folder)
        names = _special_names(model_folder)
        self._template = compile_chat_template(chat_template_text(model_folder), names)
        added = self._tokenizer.get_added_tokens_decoder()
        # Text of questions and models may spell `<|im_end|>`. Read as that token it would end a
        # turn, so each such spelling is put aside before rendering and encoded as plain characters.
        self._special_pattern = _any_of(token.content for token in added.values())
        self._added_ids = frozenset(added)
        # a server adds it to texts
        self._begins_with = self._tokenizer.encode("", add_special_tokens=True).ids[:1]
        self._takes_system = self._accepts_system()
        self.end_of_turn = self._find_end_of_turn(names.get("eos_token"))
        self.stop_token_ids, self.stop_strings = self._stops(model_folder, names.get("eos_token"))
        thoughts = _thought_tokens(added, self.stop_token_ids)
        self._foreign_pattern = _any_of(
            token.content for token in added.values() if token.content not in thoughts
        )
        self._require_thinking(thoughts, model_folder.name)

    def prompt_ids(self, turns: "Turns") -> list[int]:
        """Ids up to where the model goes on: system, user, generation prompt, then the prefill.

        The prefill's last blanks are left out: a blank would be a token of its own, and the model's
        natural next token (" yes", " C") begins with one. `whole_text` puts the blank back into the
        stored text.
        """
        kept: list[str] = []
        system = turns.system or self.settings.system_prompt
        rendered = self._render(self._guard(system, kept), self._guard(turns.user, kept))
        # a prefill may quote a thought of the model's own, whose tags are then tokens
        prefill = self._guard(turns.prefill.rstrip(), kept, self._foreign_pattern)
        return self._encode(rendered + prefill, kept)

    def completion_ids(self, text: str) -> list[int]:
        """Ids of an assistant's text with its end-of-turn token; what bears the loss in training.

        The tags of a thought are the tokens that the model wrote; every other special-token text is
        ordinary.
        """
        kept: list[str] = []
        return [
            *self._encode(self._guard(text, kept, self._foreign_pattern), kept),
            self.end_of_turn,
        ]

    def text_ids(self, text: str) -> list[int]:
        """Ids of plain text; special-token text in it stays ordinary."""
        kept: list[str] = []
        return self._encode(self._guard(text, kept), kept)

    def count(self, text: str) -> int:
        """Tokens of plain text."""
        return len(self.text_ids(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens shown: for people (`lineage --prompt`), never for prompts."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    def prompt_text(self, ids: Sequence[int]) -> str:
        """A prompt's ids as text, for servers that take no ids and use their own tokenizer.

        A beginning that they add themselves is left out, and text that only looks like a special
        token is broken up by a zero-width space: there it would become one.
        """
        added = self._added_ids
        own = list(ids[1:]) if ids and [*ids[:1]] == self._begins_with else list(ids)
        pieces: list[str] = []
        for special, group in groupby(own, key=added.__contains__):
            text = self._tokenizer.decode(list(group), skip_special_tokens=False)
            pieces.append(text if special else self._special_pattern.sub(_broken_up, text))
        return "".join(pieces)

    def _guard(self, text: str, kept: list[str], pattern: re.Pattern[str] | None = None) -> str:
        """`text` with look-alikes of special tokens put aside into `kept`."""

        def put_aside(match: re.Match[str]) -> str:
            kept.append(match.group())
            return f"{_MARK}{len(kept) - 1}{_MARK}"

        # the mark itself may not come from outside
        clean = _SURROGATE.sub("\ufffd", text).replace(_MARK, "\ufffd")
        return (pattern or self._special_pattern).sub(put_aside, clean)

    def _encode(self, rendered: str, kept: Sequence[str]) -> list[int]:
        if not kept:
            return self._tokenizer.encode(rendered, add_special_tokens=False).ids
        ids: list[int] = []
        for place, piece in enumerate(_MARKS.split(rendered)):
            if place % 2:
                ids.extend(self._literal(kept[int(piece)]))
            elif piece:
                ids.extend(self._tokenizer.encode(piece, add_special_tokens=False).ids)
        return ids

    def _literal(self, text: str) -> list[int]:
        """Ids of special-token text as plain characters: it is cut, so no token is seen."""
        ids: list[int] = []
        for piece in (text[:1], text[1:]):
            if piece and self._special_pattern.search(piece):
                parts = self._special_pattern.split(piece)
                ids.extend(
                    token for part in [*parts, *piece] if part for token in self._plain(part)
                )
            elif piece:
                ids.extend(self._plain(piece))
        return ids

    def _plain(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _render(self, system: str, user: str) -> str:
        return self._template.render(
            self._messages(system, user),
            add_generation_prompt=True,
            enable_thinking=self.settings.thinking,
        )

    def _messages(self, system: str, user: str) -> list[dict[str, str]]:
        if (
            system and not self._takes_system
        ):  # such as Mistral's and Gemma's: the system text opens the user's turn
            return [{"role": "user", "content": f"{system}\n\n{user}"}]
        opening = [{"role": "system", "content": system}] if system else []
        return [*opening, {"role": "user", "content": user}]

    def _accepts_system(self) -> bool:
        self._takes_system = True
        try:
            return _PROBE in self._render(_PROBE, "question")
        except TemplateRefused:
            return False

    def _require_thinking(self, thoughts: Sequence[str], name: str) -> None:
        """Refuse a template that opens a thought itself (DeepSeek-R1's) without `thinking`."""
        tags = list(_any_of(thoughts).finditer(self._render("", _PROBE).rpartition(_PROBE)[2]))
        if tags and "/" not in tags[-1].group() and not self.settings.thinking:
            raise InputError(
                "A model whose chat template opens a thought is asked with model.thinking = true;"
                f" {name!r} writes {tags[-1].group()!r} at the start of each reply, and"
                " model.thinking is false. Set it to true, and raise the lengths (max_tokens) so"
                " that a thought fits."
            )

    def _find_end_of_turn(self, eos_token: str | None) -> int:
        """The first special token after an assistant's text, else the tokenizer's own."""
        conversation = [
            {"role": "user", "content": "question"},
            {"role": "assistant", "content": _PROBE},
        ]
        try:
            rendered = self._template.render(conversation, enable_thinking=self.settings.thinking)
        except TemplateRefused as error:
            raise InputError(
                f"A chat template takes a user's and an assistant's turn; this one says: {error}."
            ) from error
        found = self._special_pattern.search(rendered.rpartition(_PROBE)[2])
        token = found.group() if found else eos_token
        token_id = self._tokenizer.token_to_id(token) if token else None
        if token_id is None:
            raise InputError(
                f"A chat model has an end-of-turn token; found {token!r}, which its vocabulary"
                " lacks. Set eos_token in the model's tokenizer_config.json."
            )
        return token_id

    def _stops(
        self, folder: Path, eos_token: str | None
    ) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Every token that ends a turn; stop tokens of several tokens are strings."""
        ids = {self.end_of_turn}
        # some models end a turn by one token and a text by another (Llama 3: `<|eot_id|>`,
        # `<|end_of_text|>`)
        for name in ("generation_config.json", "config.json"):
            declared: object = read_json(folder / name).get("eos_token_id")
            ids |= (
                {declared} if isinstance(declared, int) else set(cast("list[int]", declared or []))
            )
        eos_id = self._tokenizer.token_to_id(eos_token) if eos_token else None
        ids |= set() if eos_id is None else {eos_id}
        strings: list[str] = []
        for token in self.settings.stop_tokens:
            token_id = self._tokenizer.token_to_id(token)
            if token_id is None:
                strings.append(token)
            else:
                ids.add(token_id)
        return tuple(sorted(ids)), tuple(strings)


def _any_of(tokens: Iterable[str]) -> re.Pattern[str]:
    """Matches any of these texts, the longest first; nothing where there are none."""
    # the longest first, or `<|im` would be found in `<|im_end|>`
    listed = sorted({token for token in tokens if token.strip()}, key=len, reverse=True)
    return re.compile("|".join(re.escape(token) for token in listed) or r"(?!)")


def _broken_up(token: re.Match[str]) -> str:
    return f"{token.group()[:1]}\u200b{token.group()[1:]}"


def _thought_tokens(added: Mapping[int, _AddedToken], stops: Sequence[int]) -> list[str]:
    """Tokens that open and close a thought; servers return them as text, as they are not special.

    Chosen by name: others that are not special may close a turn (DeepSeek-R1's `<｜User｜>`).
    """
    plain = [
        token.content for place, token in added.items() if not token.special and place not in stops
    ]
    return [content for content in plain if _THOUGHT.search(content)]


def _load_tokenizer(folder: Path) -> _Tokenizer:
    """The fast tokenizer of a folder; transformers is imported only without a tokenizer.json."""
    file = folder / "tokenizer.json"
    if file.is_file():
        from tokenizers import AddedToken, Tokenizer

        tokenizer = Tokenizer.from_file(str(file))
        # some tokenizer.json files cut at 512 tokens, or pad
        tokenizer.no_truncation()
        tokenizer.no_padding()
        known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
        listed = read_json(folder / "tokenizer_config.json").get("added_tokens_decoder", {})
        for entry in cast("dict[str, dict[str, object]]", listed).values():
            if entry["content"] not in known:
                tokenizer.add_tokens(
                    [AddedToken(str(entry["content"]), special=bool(entry.get("special")))]
                )
        return cast(_Tokenizer, tokenizer)
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
        return cast(_Tokenizer, loaded.backend_tokenizer)
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            "A model folder holds a tokenizer that transformers can load without its own code;"
            f" {folder.name!r} does not ({error}). Choose a model with a tokenizer.json."
        ) from error


def _special_names(folder: Path) -> dict[str, str]:
    """bos_token, eos_token, pad_token and unk_token, as far as they are named, for the template."""
    named: dict[str, str] = {}
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        for name, value in read_json(folder / file).items():
            if not name.endswith("_token"):
                continue
            if isinstance(value, dict):
                value = cast("dict[str, object]", value).get("content")
            if isinstance(value, str):
                named[name] = value
    return named
