"""The streaming scheduler: one event loop, a bounded window of chains, no barrier anywhere.

Each chain moves on when its own last stage is done; each verdict decides at once whether its
question needs another chain. Rows go to the committer; what is missing was asked of the store
before.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from uuid import UUID

from storage.records import Path, Question, Verdict
from storage.store.micro_batches import Committer
from tasks.budget import Budget, Parked, Spending
from tasks.engines.engine import capacity_of
from tasks.rules.ladder.adaptive import (
    Tally,
    cautious_pass_rate,
    chains_to_start,
    reason_to_stop,
    target_allows_another,
)
from tasks.rules.ladder.ladder import Chain
from tasks.rules.ladder.leak import mentions_given_answer
from tasks.rules.training.acceptance import refusal_of_path
from tasks.synthesis.account import Account, SynthesisProgress
from tasks.synthesis.chain import ChainRunner, Run
from tasks.synthesis.hinted_retry import begin_hinted_retry
from tasks.synthesis.question_work import (
    Existing,
    QuestionWork,
    plan_question,
    question_chunks,
    read_existing,
)

PROGRESS_SECONDS = 1.0
# Tokens count when their text is whole, and a text of a 1.5B on a CPU takes over a minute: over
# half a minute the rate went from 3 to 150 tokens/s while the engine gave 140 all the time.
RATE_OVER_REPORTS = 120
TICK_SECONDS = 0.2
DEFAULT_WINDOW = 192  # chains, where the engine does not say what it takes at once
WINDOW_TO_CAPACITY = 1.5  # chains between two requests, judged or committed, are not in the engine
# below a quarter of the window one more chain costs next to no time; above it, it costs other
# chains'
IDLE_BELOW = 4


class Scheduler:
    """Runs the chains of all questions; used once."""

    def __init__(self, run: Run, questions: Iterable[Question], spent_tokens: int = 0) -> None:
        self._run = run
        self._ladder = run.ladder
        self._settings = run.ladder.settings
        self._chunks = question_chunks(questions, run.ladder)
        self.account = Account()
        rounds_own, of_run = Spending.of_round(self._settings, spent_tokens), run.following.spending
        self.budget = Budget(rounds_own, of_run or Spending())
        self.committer = Committer(
            run.asking.store,
            seconds=self._settings.commit_seconds,
            rows=self._settings.commit_rows,
            on_error=self.fail,
        )
        self._runner = ChainRunner(run, self.account, self.budget, self.committer, self.fail)
        self.error: BaseException | None = None
        self._source: deque[tuple[Question, Existing | None]] = deque()
        self._loaded_all = False
        self._more_wanted = asyncio.Event()
        self._ready: deque[QuestionWork] = deque()
        self._active: set[QuestionWork] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished = asyncio.Event()
        self._began = 0.0
        self._rates: deque[tuple[float, int]] = deque(maxlen=RATE_OVER_REPORTS)

    async def run(self) -> None:
        """Run to the end, a clean stop, or an error; whatever arrived is committed in each case."""
        self._began = asyncio.get_running_loop().time()
        self.committer.start()
        helpers = [asyncio.create_task(self._load()), asyncio.create_task(self._tick())]
        try:
            await self._finished.wait()
        finally:
            leftover = [*helpers, *self._tasks]
            for task in leftover:
                task.cancel()
            await asyncio.gather(*leftover, return_exceptions=True)
            await self.committer.close()
        if error := self.error or self._runner.failures.at_the_end():
            raise error
        self._report_progress()

    @property
    def window(self) -> int:
        """Most chains in flight: as the settings say, or 1.5 times the engine's requests."""
        own = self._settings.window_chains
        return (
            own or int(WINDOW_TO_CAPACITY * capacity_of(self._run.asking.engine)) or DEFAULT_WINDOW
        )

    def stop(self, reason: str) -> None:
        """End cleanly: requests under way are awaited, no other begins."""
        self.budget.stop(reason)
        self._fill()

    def fail(self, error: BaseException) -> None:
        """End at once; `run` raises the first error when all that arrived is committed."""
        self.error = self.error or error
        self._finished.set()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return asyncio.get_running_loop().time() - self._began

    # which chain is next

    async def _load(self) -> None:
        try:
            while chunk := await asyncio.to_thread(next, self._chunks, None):
                found: dict[UUID, Existing] = {}
                if not self._run.fresh:
                    found = await asyncio.to_thread(
                        read_existing, self._run.asking.store, self._ladder, chunk
                    )
                self._source.extend((question, found.get(question.id)) for question in chunk)
                self._fill()
                while len(self._source) > self.window:
                    self._more_wanted.clear()
                    await self._more_wanted.wait()
            self._loaded_all = True
            self._fill()
        except Exception as error:
            self.fail(error)

    def _fill(self) -> None:
        while len(self._tasks) < self.window and not self.budget.stopped_by:
            if not target_allows_another(self._settings, self._whole_tally()):
                if not self._tasks:
                    reached = self.account.accepted >= self._settings.target_accepted > 0
                    self.budget.stop("target_accepted" if reached else "max_candidates")
                break
            work = self._next_work()
            if work is None:
                break
            self._start(work)
        if len(self._source) <= self.window:
            self._more_wanted.set()
        nothing_left = self._loaded_all and not self._source and not self._ready
        if not self._tasks and (self.budget.stopped_by or nothing_left):
            self._finished.set()

    def _next_work(self) -> QuestionWork | None:
        """A question that may start a chain: one under way first, then the next of the source."""
        ending = self._loaded_all and len(self._source) <= self.window
        while ending and self._source:
            self._admit()
        while True:
            while self._ready:
                work = self._pop_ready(ending)
                if chains_to_start(self._settings, work.tally) > 0:
                    return work
            if not self._source:
                return self._work_ahead() if self._loaded_all else None
            self._admit()

    def _pop_ready(self, ending: bool) -> QuestionWork:
        if ending:
            hinted = self._settings.hinted_chains if self._settings.hinted_retry else 0
            work = max(self._ready, key=lambda one: one.remaining_chains(hinted))
            self._ready.remove(work)
        else:
            work = self._ready.popleft()
        work.queued = False
        return work

    def _work_ahead(self) -> QuestionWork | None:
        """Begin one more chain of a question that will probably need it, if the server is idle."""
        if not self._run.following.work_ahead or len(self._tasks) >= self.window // IDLE_BELOW:
            return None
        rate = cautious_pass_rate(self.account.accepted, self.account.ended)
        waiting = (work for work in self._active if work.waiting)
        return next(
            (work for work in waiting if chains_to_start(self._settings, work.tally, rate) > 0),
            None,
        )

    def _admit(self) -> None:
        question, existing = self._source.popleft()
        work = plan_question(self._ladder, question, existing)
        self.account.questions += 1
        self.account.candidates += len(work.waiting)
        self._active.add(work)
        self._settle_existing(work)
        self._reconsider(work)

    def _settle_existing(self, work: QuestionWork) -> None:
        """Chains whose path and verdict are stored have ended already."""
        if not work.existing.paths:
            return
        waiting = list(work.waiting)
        work.waiting.clear()
        for chain in waiting:
            path = work.existing.paths.get(chain.path_id)
            verdict = work.existing.verdicts.get(chain.path_id)
            if path is None or verdict is None:
                work.waiting.append(chain)
                continue
            self.account.reused.update(stage for stage, _ in self._ladder.stages_of(chain))
            self._note_end(work, chain, path, verdict)

    def _reconsider(self, work: QuestionWork) -> None:
        """After any change of a question: queue it, begin its hinted retry, or be done with it."""
        if chains_to_start(self._settings, work.tally) > 0:
            if not work.queued:
                work.queued = True
                self._ready.appendleft(work)
            return
        if work.in_flight or self.budget.stopped_by:
            return
        reason = reason_to_stop(self._settings, work.tally)
        if work.waiting and reason:
            self.account.fates[reason] += len(work.waiting)
            work.waiting.clear()
        if begin_hinted_retry(work, self._ladder, self.account):
            self._settle_existing(work)
            self._reconsider(work)
            return
        self._active.discard(work)
        self.account.questions_done += 1

    # one chain

    def _start(self, work: QuestionWork) -> None:
        chain = work.waiting.popleft()
        work.in_flight += 1
        if chains_to_start(self._settings, work.tally) > 0 and not work.queued:
            work.queued = True
            self._ready.appendleft(work)
        task = asyncio.create_task(self._run_chain(work, chain))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._chain_ended(work, done))

    def _chain_ended(self, work: QuestionWork, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        work.in_flight -= 1
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Parked):
            self.fail(error)
        if not self.error:
            self._reconsider(work)
            self._fill()

    async def _run_chain(self, work: QuestionWork, chain: Chain) -> None:
        ended = await self._runner.run(chain, work.existing)
        if ended is not None:
            self._note_end(work, chain, *ended)
        await self.committer.room()

    def _note_end(self, work: QuestionWork, chain: Chain, path: Path, verdict: Verdict) -> None:
        work.judged += 1
        fate: str = verdict.verdict
        if fate == "correct":
            work.right += 1
            fate = self._fate_of_right(work, chain, path, verdict)
        else:
            self.account.reasons[verdict.reason] += 1
        self.account.fates[fate] += 1
        if fate == "accepted":
            self.account.hinted_accepted += chain.hinted
            self.account.solved += len(work.accepted_texts) == 1

    def _fate_of_right(self, work: QuestionWork, chain: Chain, path: Path, verdict: Verdict) -> str:
        if refused := refusal_of_path(
            path, verdict, chain.question, self._run.asking.settings.selection
        ):
            return refused
        if chain.hinted and any(
            mentions_given_answer(path.text, one) for one in chain.question.accepted_answers
        ):
            return "mentions_given_answer"
        return "accepted" if work.note_accepted(path.text) else "duplicate"

    def _whole_tally(self) -> Tally:
        return Tally(self.account.accepted, self.account.ended, len(self._tasks), 0)

    # time

    async def _tick(self) -> None:
        last = 0.0
        try:
            while True:
                await asyncio.sleep(TICK_SECONDS)
                self.budget.note_time()
                self._fill()  # the engine may take more than it did, and a limit may be reached
                if self.seconds - last >= PROGRESS_SECONDS:
                    last = self.seconds
                    self._report_progress()
        except Exception as error:  # whoever follows may end the run: the disk is full, say
            self.fail(error)

    def _report_progress(self) -> None:
        if self._run.following.on_progress is None:
            return
        seconds, account = self.seconds, self.account
        self._rates.append((seconds, account.tokens))
        before, tokens = self._rates[0]
        total, done = self._run.questions_total, account.questions_done
        share = account.share_done(total) if total else 0.0
        self._run.following.on_progress(
            SynthesisProgress(
                questions_done=done,
                questions_total=total,
                paths=account.ended - account.fates["failed"],
                accepted=account.accepted,
                hinted_accepted=account.hinted_accepted,
                failed=account.fates["failed"] - account.reasons["empty_text"],
                empty=account.reasons["empty_text"],
                tokens=account.tokens,
                tokens_per_second=(account.tokens - tokens) / max(seconds - before, 1e-9)
                if seconds > before
                else 0.0,
                chains_in_flight=len(self._tasks),
                seconds=seconds,
                seconds_left=seconds * (1 - share) / share
                if share > 0.05
                else None,  # less tells nothing
            )
        )
