"""The errors that this project raises on purpose: one base, split by whether a retry may help.

A message says what was expected, what was found, where, and what to do next. The command line
prints it as one line and ends with the error's exit code; Prefect retries only `TransientError`.
"""


class ReGenesisError(Exception):
    """Base of every deliberate error; `exit_code` is what the `regenesis` command ends with."""

    exit_code = 1


class TransientError(ReGenesisError):
    """A retry may help: a busy file, an endpoint that is down, a time-out."""


class PermanentError(ReGenesisError):
    """A retry will not help, and the input was not at fault."""


class InputError(PermanentError):
    """The input, a setting or a missing piece is at fault; says what to type. Exit code 2."""

    exit_code = 2


class Stopped(ReGenesisError):
    """The work ended cleanly before it was done, by a window or a budget; the next run goes on.

    Exit code 3.
    """

    exit_code = 3


class StoreBusy(Stopped, TransientError):
    """Others kept the store busy for the whole of the bound.

    What was acknowledged stays; the same command goes on.
    """


def first_line(error: BaseException) -> str:
    """Of an error's message, to be told inside another; where there is none, the error's kind."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
