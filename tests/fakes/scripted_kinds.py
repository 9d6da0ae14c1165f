"""Scripted servers of each kind.

What they say of themselves, and what they refuse, as their makers document it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.fakes.scripted_server import Body, Reply, Script, ScriptedServer

PLAIN = {"model", "prompt", "max_tokens", "temperature", "top_p", "stop"}
VLLM_FIELDS = {"top_k", "min_p", "repetition_penalty", "stop_token_ids", "cache_salt", "seed"}
VLLM_ALONE = {"cache_salt", "structured_outputs"}


@dataclass(frozen=True)
class ScriptedKind:
    """One kind of server."""

    name: str  # as the first line calls it
    pages: Mapping[str, str] = field(default_factory=dict[str, str])
    takes_ids: bool = True
    fields: frozenset[str] = frozenset()  # beyond the plain ones; any other is refused
    load: tuple[str, str] = ("", "")  # its metrics of running and waiting requests
    refusal: Callable[[str], object] = lambda words: {"error": {"message": words, "code": 400}}
    status: int = 400

    def server(self, answer: Script, *, slots: int = 0, replicas: int = 1) -> ScriptedServer:
        """A server of this kind, whose replicas take `slots` each.

        It answers by `answer` what it does not refuse.
        """

        def script(body: Body, number: int) -> Reply:
            words = self._what_is_wrong(dict(body))
            raw = json.dumps(self.refusal(words)).encode()
            return Reply(status=self.status, raw=raw) if words else answer(body, number)

        server = ScriptedServer(script, slots=slots * replicas)
        server.pages = dict(self.pages)
        if self.load[0]:
            server.pages["/metrics"] = lambda: self._metrics(server, slots, replicas)
        return server

    def _what_is_wrong(self, body: Mapping[str, object]) -> str:
        if isinstance(body.get("prompt"), list) and not self.takes_ids:
            return "prompt: invalid type: sequence, expected a string"
        unknown = body.keys() - PLAIN - self.fields
        return f"Extra inputs are not permitted: {', '.join(sorted(unknown))}" if unknown else ""

    def _metrics(self, server: ScriptedServer, slots: int, replicas: int) -> str:
        running, waiting = self.load
        lines = [
            "# HELP some other metric",
            'other_total{engine="0"} 7.0',
            f'{waiting}_by_reason{{reason="x"}} 99.0',
        ]
        left, queue = server.running, server.in_flight - server.running
        for place in range(replicas):
            share = left // (replicas - place)
            left -= share
            lines.append(f'{running}{{engine="{place}",model_name="m"}} {float(share)}')
            lines.append(
                f'{waiting}{{engine="{place}",model_name="m"}} {float(queue if place == 0 else 0)}'
            )
        return "\n".join(lines) + "\n"


def models(*names: str, owner: str = "", root: str = "") -> str:
    """The page /v1/models."""
    listed = [
        {"id": name, "object": "model", "owned_by": owner, "root": root or name} for name in names
    ]
    return json.dumps({"object": "list", "data": listed})


VLLM = ScriptedKind(
    "vLLM 0.32.0",
    {"/v1/models": models("base", owner="vllm"), "/version": '{"version": "0.32.0"}'},
    fields=frozenset(VLLM_FIELDS | VLLM_ALONE),
    load=("vllm:num_requests_running", "vllm:num_requests_waiting"),
)
KINDS = (
    VLLM,
    ScriptedKind(
        "SGLang",
        {"/v1/models": models("base", owner="sglang"), "/get_model_info": '{"model_path": "base"}'},
        fields=frozenset(VLLM_FIELDS - {"cache_salt"}),
        load=("sglang:num_running_reqs", "sglang:num_queue_reqs"),
        refusal=lambda words: {
            "object": "error",
            "message": words,
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    ScriptedKind(
        "TGI 3.3.6",
        {
            "/v1/models": models("base", owner="base"),
            "/info": '{"model_id": "base", "version": "3.3.6"}',
        },
        takes_ids=False,
        fields=frozenset({"seed", "repetition_penalty"}),
        load=("tgi_batch_current_size", "tgi_queue_size"),
        refusal=lambda words: {
            "error": f"Input validation error: {words}",
            "error_type": "validation",
        },
        status=422,
    ),
    ScriptedKind(
        "llama.cpp b6000",
        {
            "/v1/models": models("base", owner="llamacpp"),
            "/props": '{"total_slots": 4, "build_info": "b6000"}',
        },
        fields=frozenset({"seed", "top_k", "min_p", "repeat_penalty"}),
        load=("llamacpp:requests_processing", "llamacpp:requests_deferred"),
    ),
    ScriptedKind(
        "llama-cpp-python",
        {"/v1/models": models("base", owner="me")},
        takes_ids=False,
        fields=frozenset({"seed", "top_k", "min_p", "repeat_penalty"}),
        refusal=lambda words: {
            "detail": [{"type": "string_type", "loc": ["body", "prompt"], "msg": words}]
        },
        status=422,
    ),
    ScriptedKind(
        "unknown kind",
        {"/v1/models": models("base", owner="somebody")},
        refusal=lambda words: {"type": "about:blank", "title": "Bad Request", "detail": words},
    ),
    ScriptedKind("unknown kind", {"/v1/models": models("base")}, takes_ids=False),
    ScriptedKind("unknown kind", {"/v1/models": models("base")}, fields=frozenset(VLLM_FIELDS)),
)
