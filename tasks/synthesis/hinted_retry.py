"""Ask a question again with its answer shown, once, where no free chain was accepted.

What such a chain may ask is the ladder's matter (`rules/ladder/ladder.py`); a hinted path that
mentions the answer as given is refused by `rules/ladder/leak.py`.
"""

from tasks.rules.ladder.ladder import Ladder
from tasks.synthesis.account import Account
from tasks.synthesis.question_work import QuestionWork


def begin_hinted_retry(work: QuestionWork, ladder: Ladder, account: Account) -> bool:
    """Queue the hinted chains of an unsolved question; False where there is none to run."""
    if work.accepted_texts or work.hinted or not work.judged:
        return False
    work.hinted = True
    work.waiting.extend(ladder.chains(work.question, hinted=True))
    # a pass rate counts the hinted chains alone from here on
    work.judged = work.right = 0
    account.candidates += len(work.waiting)
    account.hinted_questions += bool(work.waiting)
    return bool(work.waiting)
