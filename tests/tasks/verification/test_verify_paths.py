"""The judge against labels made by reading, and its workers against cases that would never end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import forkserver

import pytest

from storage.records import ANSWER_KINDS
from tasks.rules.answers.verdicts import Case
from tasks.settings import VerificationSettings
from tasks.verification.verify_paths import Judge
from tests.rules.answers.labelled import labelled_cases

ENDLESS = Case(r"\boxed{2003^{2002^{2001}}}", "3", "expression")
EASY = Case(r"\boxed{1+x^2}", "x^2+1", "expression")
FALSE = Case(r"\boxed{2+x^2}", "x^2+1", "expression")


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge(VerificationSettings(deadline_seconds=20.0)) as judge:
        yield judge


def test_the_labels_are_many_and_a_third_of_them_adversarial():
    kinds = Counter(one.case.answer_kind for one in labelled_cases())
    adversarial = Counter(one.case.answer_kind for one in labelled_cases() if one.adversarial)

    assert sum(kinds.values()) >= 500
    assert all(kinds[kind] >= 100 and 3 * adversarial[kind] >= kinds[kind] for kind in ANSWER_KINDS)


def test_the_judge_agrees_with_every_label_made_by_reading(judge: Judge):
    rows = [one for one in labelled_cases() if one.reason != "timed_out"]

    judgements = judge.judge([one.case for one in rows])

    differing = [
        (one.case, one.verdict, one.reason, judgement)
        for one, judgement in zip(rows, judgements, strict=True)
        if judgement.verdict != one.verdict or one.reason not in (None, judgement.reason)
    ]
    assert differing == []


def test_a_case_that_is_killed_leaves_its_neighbours_unharmed():
    with Judge(VerificationSettings(deadline_seconds=3.0)) as judge:
        judge.judge([EASY])

        verdicts = [
            (one.verdict, one.reason) for one in judge.judge([EASY, ENDLESS, FALSE, ENDLESS, EASY])
        ]

    assert verdicts == [
        ("correct", "equal"),
        ("unjudged", "timed_out"),
        ("wrong", "answer_differs"),
        ("unjudged", "timed_out"),
        ("correct", "equal"),
    ]


def test_one_case_is_judged_without_blocking_the_event_loop(judge: Judge):
    async def both() -> list[str]:
        return [
            one.verdict
            for one in await asyncio.gather(judge.judge_one(EASY), judge.judge_one(FALSE))
        ]

    assert asyncio.run(both()) == ["correct", "wrong"]


def test_several_workers_judge_a_large_batch_in_order():
    cases = [Case(f"The answer is {i}.", str(i if i % 3 else i + 1), "number") for i in range(2100)]

    with Judge(VerificationSettings(workers=2)) as judge:
        verdicts = [one.verdict for one in judge.judge(cases)]

    assert verdicts == ["correct" if i % 3 else "wrong" for i in range(2100)]


def test_a_million_parentheses_are_judged_in_process():
    with Judge() as judge:
        judgement = judge.judge(
            [Case("\\boxed{" + "(" * 1_000_000 + ")" * 1_000_000 + "}", "x", "expression")]
        )[0]

    assert (judgement.verdict, judgement.reason) == ("wrong", "not_an_answer")


def test_a_judge_whose_workers_were_all_lost_goes_on():
    with Judge(VerificationSettings(deadline_seconds=20.0)) as judge:
        judge.judge([EASY])
        for child in _children_of_fork_server():
            os.kill(child, signal.SIGKILL)

        labels = {judge.judge([EASY])[0].verdict for _ in range(3)}

    assert labels <= {"correct", "unjudged"}
    assert "correct" in labels


def test_a_script_without_a_main_guard_may_judge():
    program = (
        "from tasks.verification.verify_paths import Judge\nfrom tasks.rules.answers.verdicts"
        " import Case\nwith Judge() as judge:\n    print(judge.judge([Case(r'\\boxed{1+x}', 'x+1',"
        " 'expression')])[0].verdict)\n"
    )

    done = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("correct\n", "")


@pytest.mark.skipif(
    sys.platform != "linux", reason="address-space limits are read from Linux's /proc"
)
def test_a_worker_cannot_take_more_memory_than_its_bound():
    program = (
        "from tasks.engines.algebra.math_verify_worker import MEMORY, prepare\nprepare()\n"
        "try:\n    bytearray(2 * MEMORY)\nexcept MemoryError:\n    print('bounded')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.stdout == "bounded\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_no_worker_outlives_a_judge_that_is_killed():
    program = (
        "from tasks.verification.verify_paths import Judge\nfrom tasks.rules.answers.verdicts"
        " import Case\nif __name__ == '__main__':\n    judge = Judge()\n   "
        " judge.judge([Case(r'\\boxed{1+x}', 'x+1', 'expression')])\n    print('warm',"
        " flush=True)\n    judge.judge([Case(r'\\boxed{2003^{2002^{2001}}}', '3', 'expression')] *"
        " 50)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "warm\n"

    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()

    for _ in range(100):
        if not _members_of_session(owner.pid):
            break
        time.sleep(0.1)
    assert _members_of_session(owner.pid) == []


def _children_of_fork_server() -> list[int]:
    server = forkserver._forkserver._forkserver_pid  # pyright: ignore
    with open(f"/proc/{server}/task/{server}/children", encoding="utf-8") as file:
        return [int(child) for child in file.read().split()]


def _members_of_session(session: int) -> list[int]:
    members: list[int] = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            members.append(int(name))
    return members
