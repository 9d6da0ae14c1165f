"""One chain, from its first missing stage to its verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from storage.ids import seed_of
from storage.records import Path, Verdict
from storage.store.micro_batches import Committer
from tasks.asking import Asking
from tasks.budget import Budget, Spending
from tasks.engines.engine import AllFailed, Completion, RequestFailed, capacity_of
from tasks.rules.answers.final_answer import NotStated, final_answer
from tasks.rules.answers.finish_reasons import is_natural_stop
from tasks.rules.ladder.ladder import RESTATED_KINDS, Chain, Ladder
from tasks.rules.ladder.requests import (
    Request,
    Stage,
    clean,
    closing_words,
    ended,
    whole_sentences,
    whole_text,
)
from tasks.rules.training.acceptance import work_of
from tasks.synthesis.account import Account, SynthesisProgress
from tasks.synthesis.generated_rows import (
    closed_path,
    failed_request,
    generated_record,
    says_yes,
    verdict_of,
)
from tasks.synthesis.question_work import Existing, tells
from tasks.verification.verify_paths import case_of

AFTER_THE_PATH: tuple[Stage, ...] = ("close", "summary", "self_check", "restate")


@dataclass(frozen=True)
class Following:
    """How a run is limited and watched."""

    spending: Spending | None = None  # the limits of the run, None for none
    work_ahead: bool = True  # let an idle server begin chains that will probably be needed
    on_progress: Callable[[SynthesisProgress], None] | None = None


@dataclass(frozen=True)
class Run:
    """What a run works with."""

    asking: Asking
    ladder: Ladder
    following: Following
    fresh: bool = False  # nothing is there of this draw and model, so the store need not be asked
    questions_total: int | None = None

    @property
    def round_id(self) -> UUID | None:
        """The round's id; None where there is no round."""
        return self.asking.round.id if self.asking.round else None


class ChainRunner:
    """Runs chains; what they share is the run's account, budget and committer."""

    def __init__(
        self,
        run: Run,
        account: Account,
        budget: Budget,
        committer: Committer,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._run = run
        self._ladder = run.ladder
        self._settings = run.ladder.settings
        self._account = account
        self._budget = budget
        self._committer = committer
        self._fail = fail
        self.failures = AllFailed(in_flight=capacity_of(run.asking.engine))
        # tokens reserved with a path for what completes it, by path id
        self._held: dict[UUID, int] = {}

    async def run(self, chain: Chain, existing: Existing) -> tuple[Path, Verdict] | None:
        """The chain's path and verdict; None when a request of it failed.

        Raises Parked when the run is ending.
        """
        texts = {one: existing.texts[one] for one in chain.ids if one in existing.texts}
        stored = existing.paths.get(chain.path_id)
        if stored is not None:
            texts[stored.id] = stored.text
        self._account.reused.update(
            stage for stage, one in self._ladder.stages_of(chain) if one in texts
        )
        try:
            path = stored or await self._climb(chain, texts)
            if path is None:
                return None
            if stored is None and self._settings.close_paths:
                path = await self._close(chain, path, texts)
            return await self._judge(chain, path, texts)
        finally:
            self._budget.spend(self._held.pop(chain.path_id, 0), 0)

    async def _climb(self, chain: Chain, texts: dict[UUID, str]) -> Path | None:
        """Generate what is missing down to the path; adds to `texts`."""
        while request := self._ladder.next_request(chain, texts):
            if request.stage == "path" and tells(self._ladder, chain, texts):
                self._account.fates["structure_states_answer"] += 1
                return None
            try:
                completion = await self._ask(request, chain)
            except RequestFailed as error:
                self._note_failure(chain, request, error)
                self._account.fates["failed"] += 1
                self._account.reasons[error.reason] += 1
                return None
            row = generated_record(
                self._ladder, chain, request, completion, self._run.round_id, self._run.asking.now()
            )
            texts[request.id] = row.text
            if isinstance(row, Path):
                return row
            self._committer.add([row])
        return None

    async def _close(self, chain: Chain, path: Path, texts: dict[UUID, str]) -> Path:
        if not isinstance(final_answer(path.text, path.finish_reason), NotStated):
            return path
        if not is_natural_stop(path.finish_reason):
            texts[path.id] = whole_sentences(path.text)
        request = self._ladder.after_path("close", chain, texts)
        try:
            completion = await self._ask(request, chain)
        except RequestFailed as error:
            self._note_failure(chain, request, error)
            return path
        self._account.closed += 1
        return closed_path(path, request.turns.prefill, completion, chain.question.answer_kind)

    async def _judge(
        self, chain: Chain, path: Path, texts: dict[UUID, str]
    ) -> tuple[Path, Verdict]:
        """Judge the path, and hand path and verdict over together."""
        judgement = await self._run.asking.judge.judge_one(
            case_of(chain.question, path.text, path.finish_reason)
        )
        remarks: dict[str, object] = {}
        if self._settings.summary or self._settings.self_check:
            texts[path.id] = path.text
            remarks = await self._remarks(chain, texts)
        if (
            self._settings.restate
            and judgement.verdict == "correct"
            and chain.question.answer_kind in RESTATED_KINDS
        ):
            remarks |= await self._restated(chain, path)
        verdict = verdict_of(path, judgement, remarks, self._run.asking.now())
        self._committer.add([path, verdict])
        return path, verdict

    async def _remarks(self, chain: Chain, texts: dict[UUID, str]) -> dict[str, object]:
        remarks: dict[str, object] = {}
        if self._settings.summary:
            remarks["summary"] = await self._reply("summary", chain, texts)
        if self._settings.self_check:
            reply = await self._reply("self_check", chain, texts)
            remarks["self_check"] = says_yes(reply)
            remarks["self_check_reply"] = reply
        return remarks

    async def _restated(self, chain: Chain, path: Path) -> dict[str, object]:
        """Whether the model states the same answer from the path's work; None if not asked."""
        work = work_of(path.text)
        if not work:  # `no_work` refuses it anyway
            return {}
        request = self._ladder.restating(chain, work)
        try:
            completion = await self._ask(request, chain)
        except RequestFailed as error:
            self._note_failure(chain, request, error)
            return {}
        kind = chain.question.answer_kind
        words, finish_reason = closing_words(completion.text, completion.finish_reason, kind)
        text = ended(whole_text(request.turns.prefill, words))
        judgement = await self._run.asking.judge.judge_one(
            case_of(chain.question, text, finish_reason)
        )
        return {"restated": judgement.verdict == "correct", "restated_as": clean(words).strip()}

    async def _reply(self, stage: Stage, chain: Chain, texts: dict[UUID, str]) -> str:
        request = self._ladder.after_path(stage, chain, texts)
        try:
            return clean((await self._ask(request, chain)).text).strip()
        except RequestFailed as error:
            self._note_failure(chain, request, error)
            return ""

    async def _ask(self, request: Request, chain: Chain) -> Completion:
        """A completion within the budget. Raises RequestFailed, or Parked when the run ends."""
        sampling = request.plan.sampling
        paid_for = request.stage in AFTER_THE_PATH  # it completes a path that is there
        await self._reserve(request, chain)
        used = 0
        try:
            prompt_ids = self._run.asking.renderer.prompt_ids(request.turns)
            completion = await self._run.asking.engine.complete(
                prompt_ids, sampling, seed_of(request.id)
            )
            used = completion.completion_tokens
        finally:
            self._budget.spend(sampling.max_tokens, used)
        self.failures.succeeded()
        self._account.generated[request.stage] += 1
        self._account.tokens += completion.completion_tokens
        self._account.prompt_tokens += completion.prompt_tokens
        if not paid_for and not completion.text.strip():
            raise RequestFailed(
                f"A completion must have text; {completion.endpoint} gave none for question"
                f" {chain.question.id} at stage {request.stage} ({completion.finish_reason}). Look"
                " at the prompt and its stop strings.",
                reason="empty_text",
                attempts=completion.attempts,
            )
        return completion

    async def _reserve(self, request: Request, chain: Chain) -> None:
        """Tokens for a request; a path reserves those of closing, summary and checks too."""
        most, held = request.plan.sampling.max_tokens, self._held.get(chain.path_id, 0)
        if request.stage in AFTER_THE_PATH and held >= most:
            self._held[chain.path_id] = held - most
            return
        rest = self._ladder.most_tokens_after_path(chain) if request.stage == "path" else 0
        await self._budget.reserve(most + rest)
        self._held[chain.path_id] = held + rest

    def _note_failure(self, chain: Chain, request: Request, error: RequestFailed) -> None:
        row = failed_request(
            self._ladder, chain, request, error, self._run.round_id, self._run.asking.now()
        )
        self._committer.add([row])
        if error.fatal:
            self._fail(error)
        if end := self.failures.failed(error):
            self._fail(end)
