"""What a server is, which requests it takes and how full it is, read from its own pages.

Pure: pages and names in, facts out. `tasks.engines.server.client` fetches the pages and sends the
requests.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import PurePath
from typing import Any, cast

from tasks.settings import OneOf, Sampling

MODELS_PAGE, METRICS_PAGE = "/v1/models", "/metrics"
# asked all at once: a server that does not have one says 404
PAGES = (MODELS_PAGE, METRICS_PAGE, "/version", "/info", "/props", "/get_model_info")
# which a converted model's folder ends with: SmolLM2-135M-b179c9523d0e
_DIGEST = re.compile(r"-[0-9a-f]{12}$")
PLAIN = ("max_tokens", "temperature", "top_p", "stop")  # what every such server takes


@dataclass(frozen=True)
class Kind:
    """A kind of server, by its makers' documentation."""

    name: str
    takes_ids: bool = True
    fields: tuple[str, ...] = ()  # which it takes beyond `PLAIN`
    top_k_off: int = 0
    top_p_off: bool = True  # whether it takes a top_p of 1
    running: str = ""  # the metric that counts running requests; empty where it has none
    waiting: str = ""


PLAIN_VLLM = ("top_k", "min_p", "repetition_penalty", "stop_token_ids", "cache_salt")
VLLM = Kind(
    "vLLM",
    fields=(*PLAIN_VLLM, "structured_outputs"),
    running="vllm:num_requests_running",
    waiting="vllm:num_requests_waiting",
)
SGLANG = Kind(
    "SGLang",
    fields=("seed", "top_k", "min_p", "repetition_penalty", "stop_token_ids"),
    # SGLang refuses 0, with which vLLM switches top_k off
    top_k_off=-1,
    running="sglang:num_running_reqs",
    waiting="sglang:num_queue_reqs",
)
TGI = Kind(
    "TGI",
    # TGI refuses a top_p of 1, and takes text alone
    takes_ids=False,
    fields=("seed", "repetition_penalty"),
    top_p_off=False,
    running="tgi_batch_current_size",
    waiting="tgi_queue_size",
)
LLAMA_CPP = Kind(
    "llama.cpp",
    fields=("seed", "top_k", "min_p", "repeat_penalty"),
    running="llamacpp:requests_processing",
    waiting="llamacpp:requests_deferred",
)
LLAMA_CPP_PYTHON = Kind(
    "llama-cpp-python", takes_ids=False, fields=("seed", "top_k", "min_p", "repeat_penalty")
)
UNKNOWN = Kind("an OpenAI-compatible server of an unknown kind", fields=PLAIN_VLLM)


@dataclass(frozen=True)
class Form:
    """How requests are written for one server."""

    ids: bool
    fields: tuple[str, ...]


@dataclass(frozen=True)
class ListedModel:
    """A base model that a server lists: the name to ask for, and what it says it is."""

    name: str
    root: str = ""


@dataclass(frozen=True)
class Load:
    """Requests in a server now, over all its engines."""

    running: int
    waiting: int
    engines: int


@dataclass(frozen=True)
class Served:
    """One server as its pages show it."""

    kind: Kind
    version: str = ""
    models: tuple[ListedModel, ...] = ()
    load: Load | None = None  # None where it tells nothing


def read_pages(pages: Mapping[str, str]) -> Served:
    """The facts; a page that is missing or no JSON says nothing."""
    models = _models(_json(pages.get(MODELS_PAGE, "")))
    owners = {owner for _, owner in models}
    version, info = _json(pages.get("/version", "")), _json(pages.get("/info", ""))
    props, loaded = _json(pages.get("/props", "")), _json(pages.get("/get_model_info", ""))
    metrics = pages.get(METRICS_PAGE, "")
    kind, said, root = UNKNOWN, "", ""
    # By names first, and by fields of pages where no name tells.
    if "sglang" in owners or "sglang:" in metrics or "model_path" in loaded:
        kind, root = SGLANG, str(loaded.get("model_path", ""))
    elif "vllm" in owners or "vllm:" in metrics or (version.keys() == {"version"} and not info):
        kind, said = VLLM, str(version.get("version", ""))
    elif "model_id" in info:
        kind, said, root = TGI, str(info.get("version", "")), str(info["model_id"])
    elif "llamacpp" in owners or "total_slots" in props or "default_generation_settings" in props:
        kind, said, root = (
            LLAMA_CPP,
            str(props.get("build_info", "")),
            str(props.get("model_path", "")),
        )
    elif "me" in owners:
        kind = LLAMA_CPP_PYTHON
    listed = tuple(replace(model, root=root) if root else model for model, _ in models)
    return Served(kind, said[:40], listed, load_of(kind, metrics))


def load_of(kind: Kind, metrics: str) -> Load | None:
    """Running and waiting requests by a metrics page; None where the page has no such figures."""
    running, waiting = _gauge(kind.running, metrics), _gauge(kind.waiting, metrics)
    if not running or not waiting:
        return None
    return Load(round(sum(running)), round(sum(waiting)), len(running))


def form_of(kind: Kind) -> Form:
    """The form in which a server of this kind is asked first."""
    return Form(kind.takes_ids, kind.fields)


def forms_of(kind: Kind, *, text_too: bool) -> list[Form]:
    """Ways to write a request, best first: its kind's, without ids, without special fields."""
    forms = [form_of(kind), Form(False, kind.fields), Form(kind.takes_ids, ()), Form(False, ())]
    return [form for form in dict.fromkeys(forms) if form.ids or text_too]


def parameters_of(
    kind: Kind,
    form: Form,
    sampling: Sampling,
    stop_token_ids: Sequence[int],
    stop_strings: Sequence[str],
) -> dict[str, object]:
    """Every parameter that the server takes, also where off: its own defaults never decide."""
    extra: dict[str, object] = {
        "top_k": sampling.top_k or kind.top_k_off,
        "min_p": sampling.min_p,
        "repetition_penalty": 1.0,
        "repeat_penalty": 1.0,
        "stop_token_ids": list(stop_token_ids),
    }
    if isinstance(sampling, OneOf):
        extra["structured_outputs"] = {"choice": list(sampling.only)}
    written: dict[str, object] = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
    }
    if sampling.top_p < 1 or kind.top_p_off:
        written["top_p"] = sampling.top_p
    if stop := [*sampling.stop, *stop_strings]:
        written["stop"] = stop
    return written | {name: value for name, value in extra.items() if name in form.fields}


def logprobs_of(body: bytes, count: int) -> list[float] | None:
    """The log-probabilities of an echoed prompt of `count` tokens without the first, or None.

    One token was written behind the prompt; a list of any other length is that of other tokens.
    """
    try:
        reply: Any = json.loads(body)
        given: list[Any] = reply["choices"][0]["logprobs"]["token_logprobs"]
        found = [float(one) for one in given[1:count]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if len(given) == count + 1 and all(map(isfinite, found)) else None


def describe(name: str, served: Served, model: ListedModel, form: Form, proof: str = "") -> str:
    """The line that says what a server is and how it is asked."""
    root = f" ({model.root})" if model.root and model.root != model.name else ""
    what = f"{served.kind.name} {served.version}".strip()
    takes = ", ".join(
        [
            "token ids" if form.ids else "text prompts",
            *(one for one in form.fields if one != "cache_salt"),
        ]
    )
    load = served.load
    engines = f", {load.engines} engines" if load and load.engines > 1 else ""
    tells = f"it tells how full it is{engines}" if load else "it does not tell how full it is"
    seeds = "" if "seed" in form.fields else "; it gets no seeds"
    return (
        f"{name} is {what} and serves {model.name!r}{root}; it is asked with {takes}{seeds};"
        f" {tells}{proof}."
    )


def is_another_model(listed: ListedModel, expected: Iterable[str]) -> bool:
    """Whether a server plainly names a model not in `expected`; names like 'base' say nothing.

    A name that goes on where the other ends may be the same (a folder's digest, `-AWQ`);
    log-probabilities tell.
    """
    known = [_DIGEST.sub("", _plain(name)) for name in expected if name]
    said = [_plain(name) for name in (listed.root, listed.name) if name]
    if any(_may_be_one(one, name) for one in said for name in known):
        return False
    return any(map(_names_a_model, said)) and any(map(_names_a_model, known))


def _may_be_one(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return shorter == longer or (_names_a_model(shorter) and longer.startswith(shorter))


def is_root_of(listed: ListedModel, expected: Iterable[str]) -> bool:
    """Whether what the server says of this model's origin is one of `expected`."""
    return bool(listed.root) and _plain(listed.root) in {_plain(name) for name in expected if name}


def _plain(name: str) -> str:
    """The last part of a path or hub name, without case and file ending."""
    return PurePath(name.rstrip("/")).name.casefold().removesuffix(".gguf")


def _names_a_model(name: str) -> bool:
    """Whether a name means one model: it has a size (Qwen2.5-7B, SmolLM2-135M)."""
    return re.search(r"(?:^|[-_.])\d+(?:\.\d+)?x?\d*[bm](?:$|[-_.])", name) is not None


def _models(page: dict[str, object]) -> list[tuple[ListedModel, str]]:
    """Base models with their owners; adapters, which have a parent, are none."""
    listed = page.get("data")
    entries = cast("list[object]", listed) if isinstance(listed, list) else []
    models = [cast("dict[str, object]", entry) for entry in entries if isinstance(entry, dict)]
    return [
        (
            ListedModel(str(model["id"]), str(model.get("root") or "")),
            str(model.get("owned_by", "")),
        )
        for model in models
        if model.get("id") and not model.get("parent")
    ]


def _gauge(name: str, metrics: str) -> list[float]:
    """The values of a gauge, one for each set of labels: `name{engine="0"} 3.0`."""
    if not name:
        return []
    found = re.findall(
        rf"^{re.escape(name)}(?:\{{.*\}})?[ \t]+([0-9.eE+-]+)[ \t]*$", metrics, re.MULTILINE
    )
    return [
        float(value)
        for value in found
        if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", value)
    ]


def _json(text: str) -> dict[str, object]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}
