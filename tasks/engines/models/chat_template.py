"""A model folder's chat template: its text, its hash, and the compiled form.

Compiled as transformers compiles it (same sandbox, filters and functions), without importing
transformers, which takes ten seconds of CPU.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from storage.errors import InputError

if TYPE_CHECKING:
    from jinja2 import Environment

# Templates that print today's date would give other ids tomorrow; this is Llama 3.1's own fallback.
FIXED_DATE = "26 Jul 2024"


class TemplateRefused(Exception):
    """The template itself raised: it does not take such a conversation."""


class ChatTemplate(Protocol):
    """A compiled template."""

    def render(self, messages: Sequence[Mapping[str, str]], **variables: object) -> str: ...


def chat_template_text(folder: Path) -> str:
    """The template as published with the model. Raises InputError when there is none."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    # a text, or a list of named ones (as of Command R), of which `default` is meant
    found = read_json(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(found, list):
        named = {entry["name"]: entry["template"] for entry in cast("list[dict[str, str]]", found)}
        found = named.get("default")
    if isinstance(found, str) and found:
        return found
    raise InputError(
        f"A chat model has a chat template; found none in {folder.name!r} (no chat_template.jinja,"
        " none in tokenizer_config.json). Choose an instruct model, or put a chat_template.jinja"
        " into its folder."
    )


def chat_template_hash(folder: Path) -> str:
    """SHA-256 of the template's text."""
    return hashlib.sha256(chat_template_text(folder).encode()).hexdigest()


def compile_chat_template(text: str, variables: Mapping[str, object]) -> ChatTemplate:
    """A template that renders with `variables` (bos_token, eos_token, ...) always defined."""
    from jinja2 import TemplateError, TemplateSyntaxError

    environment = _environment()
    environment.filters["tojson"] = _to_json
    names = cast("dict[str, object]", environment.globals)
    names.update({"raise_exception": _raise_exception, "strftime_now": _strftime_now, **variables})
    try:
        template = environment.from_string(text)
    except TemplateSyntaxError as error:
        raise InputError(
            f"A chat template must be Jinja; line {error.lineno} is not: {error.message}. Correct"
            " chat_template.jinja."
        ) from error

    class Compiled:
        def render(self, messages: Sequence[Mapping[str, str]], **more: object) -> str:
            try:
                return template.render(messages=messages, date_string=FIXED_DATE, **more)
            except TemplateError as error:
                raise TemplateRefused(str(error)) from error

    return Compiled()


def _environment() -> "Environment":
    """Jinja as transformers sets it up: a sandbox with a block for the assistant's own text."""
    from jinja2.ext import Extension, loopcontrols
    from jinja2.nodes import CallBlock, Node
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationBlock(Extension):
        """`{% generation %}` marks the assistant's text; here its body only passes through."""

        tags = {"generation"}  # noqa: RUF012 - jinja's own convention

        def parse(self, parser: Parser) -> Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return CallBlock(self.call_method("body"), [], [], body).set_lineno(line)

        def body(self, caller: Any) -> str:
            return cast(str, caller())

    # a template comes with a model from strangers: it must reach no Python
    return ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
    )


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it: Jinja's own filter would escape HTML in a prompt."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _strftime_now(form: str) -> str:
    del form
    return FIXED_DATE


def _raise_exception(message: str) -> None:
    raise TemplateRefused(message)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where the file is missing."""
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(
            f"{file.name} in {file.parent.name!r} must be a JSON object: {error}. Fetch it again."
        ) from error
    return cast(dict[str, Any], content) if isinstance(content, dict) else {}
