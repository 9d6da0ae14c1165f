"""Why a text ended, in the words of servers of every kind: by the model's own choice, or cut."""

# vLLM, SGLang and OpenAI say `stop`; TGI says `eos_token` or `stop_sequence`; Anthropic-like APIs
# say `end_turn`. Empty: a server or a file that says nothing of it.
NATURAL = frozenset(
    {
        "stop",
        "eos",
        "eos_token",
        "stop_sequence",
        "end_turn",
        "end_of_text",
        "finished",
        "complete",
        "completed",
        "",
    }
)


def is_natural_stop(finish_reason: str) -> bool:
    """Whether the model ended its text; any other reason (length, content_filter) is a cut."""
    return finish_reason.strip().casefold() in NATURAL
