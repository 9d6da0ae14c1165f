"""What an OpenAI-compatible server's reply means: a completion, something that a retry may mend, or not."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, cast

MOST_BYTES = 16 * 1024 * 1024  # of a reply; 100,000 tokens are about 0.5 MB
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TOO_LONG = re.compile(r"maximum context length|max_model_len|context_length_exceeded|too long|longer than", re.I)
_NO_MODEL = re.compile(r"model", re.I)

Kind = Literal["pushed_back", "failed", "refused", "fatal"]


@dataclass(frozen=True)
class Text:
    """A completion as the server gave it; NUL and lone surrogates, which no store takes, are U+FFFD."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Trouble:
    """Anything else. `kind`: pushed_back (wait), failed (try again), refused (this request), fatal (the run)."""

    kind: Kind
    reason: str
    message: str
    retry_after: float = 0.0


def read_reply(status: int, body: bytes, prompt_tokens: int, retry_after: str = "") -> Text | Trouble:
    """The meaning of a whole reply."""
    if status == 200:
        return _text(body, prompt_tokens)
    message = _message(body)
    if status in (401, 403):
        return Trouble("fatal", "unauthorized", message)
    if status == 402 or (status == 429 and "insufficient_quota" in message):
        return Trouble("fatal", "quota_spent", message)
    if status in (429, 503):
        return Trouble("pushed_back", "busy", message, seconds_to_wait(retry_after))
    if status == 404:
        return Trouble("fatal", "unknown_model" if _NO_MODEL.search(message) else "wrong_url", message)
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
    return max(0.0, min(300.0, seconds)) if seconds == seconds else 0.0  # NaN is not equal to itself


def _text(body: bytes, prompt_tokens: int) -> Text | Trouble:
    try:
        reply = cast("dict[str, object]", json.loads(body))
        choice = cast("list[dict[str, object]]", reply["choices"])[0]
        text, finish = choice["text"], choice.get("finish_reason") or "stop"
        if finish in ("abort", "error"):  # the server was ending, and the text is only a part
            return Trouble("failed", "closed", f"it ended the text with {finish!r}.")
        usage = cast("dict[str, int]", reply.get("usage") or {})
        if not isinstance(text, str) or not isinstance(finish, str):
            raise TypeError("choices[0].text must be a string")
        return Text(
            text=_UNSTORABLE.sub("\ufffd", text),
            finish_reason="length" if finish == "length" else "stop",
            prompt_tokens=int(usage.get("prompt_tokens", prompt_tokens)),
            completion_tokens=int(usage.get("completion_tokens", max(1, len(text) // 4))),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return Trouble("failed", "garbage", f"{type(error).__name__}: {error}; reply began {body[:80]!r}")


def _message(body: bytes) -> str:
    """The server's own words, shortened."""
    text = body[:2000].decode("utf-8", "replace")
    try:
        reply: object = json.loads(body)
        error = cast("dict[str, object]", reply).get("error", reply) if isinstance(reply, dict) else reply
        if isinstance(error, dict):
            fields = cast("dict[str, object]", error)
            text = " ".join(str(fields[key]) for key in ("message", "code") if fields.get(key))
    except ValueError:
        pass
    return _UNSTORABLE.sub("\ufffd", text)[:400]
