"""Recognises each endpoint once: its kind, the model that is the base, its form of request.

Says so in one line. A refusal that would meet every request ends the run here, with the server's
own words.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from storage.errors import InputError
from tasks.engines.engine import RequestFailed
from tasks.engines.models.fingerprint import SAME_MODEL, Fingerprint
from tasks.engines.server.concurrency import TOLD_FROM_THE_START, ToldLimit
from tasks.engines.server.endpoints import Endpoint
from tasks.engines.server.replies import Text, Trouble
from tasks.engines.server.server_kinds import (
    MODELS_PAGE,
    PAGES,
    Form,
    ListedModel,
    Served,
    describe,
    forms_of,
    is_another_model,
    is_root_of,
    logprobs_of,
    parameters_of,
    read_pages,
)
from tasks.settings import Sampling

PATIENCE_SECONDS = 3.0  # a refusal comes at once; what takes longer is being written
# a gateway without its server, or a server that loads its weights
AWAY = (502, 503, 504)

Get = Callable[[Endpoint, str], Awaitable[tuple[int, bytes]]]  # raises OSError where nobody answers
Post = Callable[[Endpoint, bytes], Awaitable[tuple[int, bytes]]]
Send = Callable[[Endpoint, bytes, int], Awaitable[Text | Trouble]]


@dataclass(frozen=True)
class Asked:
    """What is asked of every endpoint alike."""

    stop_token_ids: tuple[int, ...] = ()
    stop_strings: tuple[str, ...] = ()
    base_names: tuple[str, ...] = ()  # names and folders of the base; empty where any model will do
    # a prompt's ids as text, for servers that take no ids
    text_of: Callable[[Sequence[int]], str] | None = None
    fingerprint_ids: tuple[int, ...] = ()  # of a fixed text; empty where nothing is to be proved
    # the base's own, which takes a while
    fingerprint: Callable[[], Fingerprint | None] = lambda: None
    # of a server of our own; others have theirs behind their URLs
    key: str = field(default="", repr=False)


class Recognition:
    """Knows how each endpoint is asked."""

    def __init__(
        self, get: Get, post: Post, send: Send, asked: Asked, say: Callable[[str], None]
    ) -> None:
        self._get = get
        self._post = post
        self._send = send
        self._asked = asked
        self._say = say
        self._fixed: dict[tuple[str, str, Form, Sampling], str] = {}
        self._proving = asyncio.Lock()
        self._meeting: dict[str, asyncio.Lock] = {}

    async def meet(self, endpoint: Endpoint) -> bool:
        """Learn what it is; False where it does not answer yet.

        Raises InputError where it serves another model.
        """
        try:
            found = await asyncio.gather(*(self._get(endpoint, page) for page in PAGES))
        except OSError:
            return False
        status = {page: code for page, (code, _) in zip(PAGES, found, strict=True)}
        if status[MODELS_PAGE] in AWAY:
            return False
        if status[MODELS_PAGE] in (401, 403):
            raise RequestFailed(
                f"{endpoint.name} must list its models; it wants a key. Put the name of the key's"
                " variable behind the URL: https://host#NAME_OF_VARIABLE.",
                reason="unauthorized",
                attempts=1,
                fatal=True,
            )
        pages = {
            page: body.decode("utf-8", "replace")
            for page, (code, body) in zip(PAGES, found, strict=True)
            if code == 200
        }
        served = read_pages(pages)
        model = self._choose(endpoint, served)
        endpoint.model, endpoint.kind = model.name, served.kind
        endpoint.form = forms_of(served.kind, text_too=self._asked.text_of is not None)[0]
        if served.load and not isinstance(endpoint.limit, ToldLimit):
            endpoint.limit = ToldLimit(float(TOLD_FROM_THE_START * served.load.engines))
        proof = await self._prove(endpoint)
        self._say(describe(endpoint.name, served, model, endpoint.form, proof))
        return True

    async def _prove(self, endpoint: Endpoint) -> str:
        """Compare the server's log-probabilities of a fixed text with the base's."""
        ids = self._asked.fingerprint_ids
        if not ids:
            return ""
        # `echo` asks for the log-probabilities of the fixed text itself
        body = {
            "model": endpoint.model,
            "prompt": ids,
            "max_tokens": 1,
            "temperature": 0,
            "echo": True,
            "logprobs": 1,
        }
        try:
            status, raw = await self._post(endpoint, json.dumps(body).encode())
        except OSError:
            status, raw = 0, b""
        theirs = logprobs_of(raw, len(ids)) if status == 200 and endpoint.form.ids else None
        if theirs is None:
            return (
                "; it gives no log-probabilities of a prompt, so its name alone says that it is the"
                " base"
            )
        # the base's own figures are computed once, whatever the number of endpoints
        async with self._proving:
            known = await asyncio.to_thread(self._asked.fingerprint)
        if known is None:
            return (
                "; the base's weights are too large to compare it with, so its name alone says that"
                " it is the base"
            )
        difference = known.difference(theirs)
        if difference > SAME_MODEL:
            raise InputError(
                f"{endpoint.name} must serve the base {self._asked.base_names[:1]!r}; the"
                f" log-probabilities that {endpoint.model!r} gives a fixed text are"
                f" {difference:.2f} nats from the base's, where {SAME_MODEL} is another model. Its"
                " texts would be stored as the base's. Set model.name to what it serves, or take"
                " it out of REGENESIS_ENDPOINTS."
            )
        return f"; its log-probabilities are the base's ({difference:.3f} nats apart)"

    def body(
        self,
        endpoint: Endpoint,
        prompt_ids: Sequence[int],
        sampling: Sampling,
        seed: int,
        cached: bool,
    ) -> bytes:
        """The request in the endpoint's form; the part that depends on sampling alone is kept."""
        form = endpoint.form
        key = (endpoint.name, endpoint.model, form, sampling)
        fixed = self._fixed.get(key)
        if fixed is None:
            named = {"model": endpoint.model}
            stops = self._asked.stop_token_ids, self._asked.stop_strings
            fixed = json.dumps(named | parameters_of(endpoint.kind, form, sampling, *stops))[1:]
            self._fixed[key] = fixed
        seed_part = f'"seed":{seed},' if endpoint.takes_seed or "seed" in form.fields else ""
        # vLLM reuses prefixes within one salt only
        salt_part = "" if cached or "cache_salt" not in form.fields else f'"cache_salt":"{seed}",'
        prompt = json.dumps(self._prompt(form, prompt_ids), separators=(",", ":"))
        return f'{{"prompt":{prompt},{seed_part}{salt_part}{fixed}'.encode()

    async def refused(
        self,
        endpoint: Endpoint,
        form: Form,
        prompt_ids: Sequence[int],
        sampling: Sampling,
        trouble: Trouble,
    ) -> bool:
        """Whether a refused request is to go again in another form; False if it alone is at fault.

        Where nothing with this sampling was ever taken, four of its ids stand for any request: if
        they are refused in every form, so is all that would follow. Raises RequestFailed then,
        fatal.
        """
        async with self._meeting.setdefault(endpoint.name, asyncio.Lock()):
            # another request has found the form meanwhile
            if endpoint.form != form:
                return True
            if sampling in endpoint.taken:
                return False
            # a short request is refused at once or is taken; its answer is not waited for
            short, first = sampling.model_copy(update={"max_tokens": 1}), prompt_ids[:4]
            for other in self._forms_from(endpoint):
                endpoint.form = other
                if not await self._is_refused(endpoint, first, short):
                    break
            else:
                endpoint.form = form
                raise self._refusal(endpoint, trouble)
            # the form is taken, but this sampling (a length, a temperature) is not
            if await self._is_refused(endpoint, first, sampling):
                raise self._refusal(endpoint, trouble)
            if endpoint.form == form:
                endpoint.taken.add(sampling)
                return False
            fields = ", ".join(endpoint.form.fields) or "no special fields"
            asked = "token ids" if endpoint.form.ids else "text prompts"
            self._say(
                f"{endpoint.name} says {trouble.message!r}; from now on it is asked with {asked},"
                f" {fields}."
            )
            return True

    def _forms_from(self, endpoint: Endpoint) -> list[Form]:
        forms = forms_of(endpoint.kind, text_too=self._asked.text_of is not None)
        return forms[forms.index(endpoint.form) :] if endpoint.form in forms else forms

    async def _is_refused(
        self, endpoint: Endpoint, prompt_ids: Sequence[int], sampling: Sampling
    ) -> bool:
        try:
            body = self.body(endpoint, prompt_ids, sampling, 0, True)
            reply = await asyncio.wait_for(
                self._send(endpoint, body, len(prompt_ids)), PATIENCE_SECONDS
            )
        except TimeoutError:
            return False
        return isinstance(reply, Trouble) and reply.kind in ("refused", "fatal")

    def _refusal(self, endpoint: Endpoint, trouble: Trouble) -> RequestFailed:
        return RequestFailed(
            f"{endpoint.name} must take a completion request; it refuses every one, as token ids"
            f" and as text: {trouble.message!r}. Raise its limits or lower max_tokens where it"
            " names one; else take it out of REGENESIS_ENDPOINTS, or put a server there that takes"
            " OpenAI's /v1/completions.",
            reason="refused",
            attempts=1,
            fatal=True,
        )

    def _prompt(self, form: Form, prompt_ids: Sequence[int]) -> str | list[int]:
        if form.ids or self._asked.text_of is None:
            return list(prompt_ids)
        return self._asked.text_of(prompt_ids)

    def _choose(self, endpoint: Endpoint, served: Served) -> ListedModel:
        """The model to ask for: the named one, the only one, or the one with the base's root."""
        names, known = self._asked.base_names, served.models
        if endpoint.wanted_model:
            named = [model for model in known if model.name == endpoint.wanted_model]
            chosen = named[0] if named else ListedModel(endpoint.wanted_model)
        else:
            of_base = [model for model in known if is_root_of(model, names)]
            one_root = known if len({model.root for model in known}) == 1 and known[0].root else ()
            if not (candidates := of_base or one_root or (known if len(known) == 1 else ())):
                raise InputError(
                    f"{endpoint.name} must serve one model where its URL names none; it lists"
                    f" {[model.name for model in known[:8]]!r}. Put the base's name behind the URL"
                    f" in REGENESIS_ENDPOINTS: {endpoint.url}?model=NAME"
                )
            chosen = candidates[0]
        if is_another_model(chosen, names):
            raise InputError(
                f"{endpoint.name} must serve the base {names[0]!r}; it serves {chosen.name!r} (root"
                f" {chosen.root!r}), whose texts would be stored as the base's. Set model.name to"
                " what it serves, or take it out of REGENESIS_ENDPOINTS."
            )
        return chosen
