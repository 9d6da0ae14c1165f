"""What a server's reply means: a completion, trouble that a retry may end, or a refusal."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, cast

from tasks.rules.answers.finish_reasons import is_natural_stop

MOST_BYTES = 16 * 1024 * 1024  # of a reply; 100,000 tokens are about 0.5 MB
# NUL and half a surrogate pair, which no store takes
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# The words of vLLM, OpenAI, SGLang, llama.cpp ("exceeds the available context size"),
# llama-cpp-python ("exceed context window of 512") and TGI ("must have less than 1024 tokens", "...
# + `max_new_tokens` must be <= 2048").
_TOO_LONG = re.compile(
    r"maximum context length|max_model_len|context_length_exceeded|too long|longer than"
    r"|exceeds? (?:the )?(?:available )?context|must have less than \d+ tokens|`max_new_tokens`"
    r" must be <=",
    re.I,
)
# a 404 that speaks of a model came from a server; another one from a wrong path
_NO_MODEL = re.compile(r"model", re.I)
_ERROR_FIELDS = (
    "error",
    "title",
    "message",
    "detail",
    "loc",
    "msg",
    "code",
)  # in the order in which they are shown
MOST_OF_A_MESSAGE, MOST_OF_A_REASON = 400, 40  # characters

Kind = Literal["pushed_back", "away", "failed", "refused", "fatal"]


@dataclass(frozen=True)
class Text:
    """A completion as the server gave it; NUL and lone surrogates are U+FFFD.

    `finish_reason` is `stop` where the model ended its text, else what the server said.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Trouble:
    """Anything but a completion.

    `kind`: pushed_back (wait), away (wait as long as an outage may last), failed (try again a few
    times), refused (this request), fatal (the run).
    """

    kind: Kind
    reason: str
    message: str
    retry_after: float = 0.0


def read_reply(
    status: int, body: bytes, prompt_tokens: int, retry_after: str = ""
) -> Text | Trouble:
    """The meaning of a whole reply."""
    if status == 200:
        return _text(body, prompt_tokens)
    message = _message(body)
    # From the surest sign to the vaguest: codes that mean one thing, then codes that depend on the
    # words, then a 400 whose words are all there is.
    if status in (401, 403):
        return Trouble("fatal", "unauthorized", message)
    if status == 402 or (status == 429 and "insufficient_quota" in message):
        return Trouble("fatal", "quota_spent", message)
    if status in (429, 503):
        reason = "busy" if status == 429 else "unavailable"
        return Trouble("pushed_back", reason, message, seconds_to_wait(retry_after))
    if status == 404:
        return Trouble(
            "fatal", "unknown_model" if _NO_MODEL.search(message) else "wrong_url", message
        )
    if status in (502, 504):  # a gateway whose server is being started again, say
        return Trouble("away", "endpoint_error", message or f"status {status}")
    if status == 408 or status >= 500:
        return Trouble("failed", "endpoint_error", message)
    if _TOO_LONG.search(message) or status == 413:
        return Trouble("refused", "prompt_too_long", message)
    return Trouble("refused", "refused", message)


def seconds_to_wait(retry_after: str, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks for: a number or a date; 0 where it says neither."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            until = parsedate_to_datetime(retry_after)
        except (ValueError, TypeError):
            return 0.0
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    # NaN is not equal to itself
    return max(0.0, min(300.0, seconds)) if seconds == seconds else 0.0


def _text(body: bytes, prompt_tokens: int) -> Text | Trouble:
    try:
        reply = cast("dict[str, object]", json.loads(body))
        if reply.get("error") and not reply.get("choices"):
            return Trouble("failed", "endpoint_error", _message(body))
        choice = cast("list[dict[str, object]]", reply["choices"])[0]
        text, finish = choice["text"], choice.get("finish_reason") or "stop"
        if not isinstance(text, str) or not isinstance(finish, str):
            raise TypeError("choices[0].text must be a string")
        # vLLM ends requests so when it is told to stop
        if finish in ("abort", "error"):  # the server was ending, and the text is only a part
            return Trouble("failed", "closed", f"it ended the text with {finish!r}.")
        usage = reply.get("usage")
        counted = cast("dict[str, object]", usage) if isinstance(usage, dict) else {}
        return Text(
            text=_UNSTORABLE.sub("\ufffd", text),
            finish_reason=(
                "stop"
                if is_natural_stop(finish)
                else _UNSTORABLE.sub("\ufffd", finish)[:MOST_OF_A_REASON]
            ),
            # a server that counts nothing is taken at four characters per token
            prompt_tokens=_count(counted.get("prompt_tokens"), prompt_tokens),
            completion_tokens=_count(counted.get("completion_tokens"), max(1, len(text) // 4)),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        return Trouble(
            "failed",
            "garbage",
            f"{type(error).__name__}: {error}; the reply says {_message(body)!r}",
        )


def _count(said: object, estimate: int) -> int:
    """Tokens as the server counted them; the estimate where it says none."""
    return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else estimate


def _message(body: bytes) -> str:
    """The server's own words, shortened."""
    text = body[:2000].decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        text = " ".join(dict.fromkeys(_words(json.loads(body)))) or text
    return _UNSTORABLE.sub("\ufffd", text)[:MOST_OF_A_MESSAGE]


def _words(said: object) -> list[str]:
    """What an error says, in order, wherever its kind of server puts it.

    `{"error": {"message": ..., "code": ...}}` (OpenAI, vLLM), `{"error": "..."}` (TGI), `{"detail":
    [{"loc": ..., "msg": ...}]}` (FastAPI), `{"title": ..., "detail": ...}` (RFC 7807, NIM),
    `{"message": ...}`.
    """
    if isinstance(said, list):
        return [word for one in cast("list[object]", said)[:8] for word in _words(one)]
    if isinstance(said, dict):
        fields = cast("dict[str, object]", said)
        return [word for key in _ERROR_FIELDS if fields.get(key) for word in _words(fields[key])]
    return [str(said)] if isinstance(said, str | int | float) else []
