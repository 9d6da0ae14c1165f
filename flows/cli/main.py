"""The `regenesis` command.

One more way into the flows; each module of commands loads what it needs when it is used.

Exit codes: 0 done (whatever the gate said), 1 failed, 2 bad input or missing piece, 3 stopped by
window or budget, 130 interrupted.
"""

import os
import sys
from typing import Annotated

import typer

from flows.cli import compare_command as cli_compare
from flows.cli import explore_command as cli_explore
from flows.cli import export_command as cli_export
from flows.cli import machine_commands as cli_machine
from flows.cli import read_commands as cli_read
from flows.cli import round_commands as cli_rounds
from flows.cli import stack_commands as cli_stack
from flows.cli import storage_commands as cli_storage
from flows.cli.common import COMMON, note
from storage.errors import ReGenesisError

app = typer.Typer(
    name="regenesis",
    help=(
        "A language model improves its own reasoning: rounds of paths, verdicts, training,"
        " evaluation, promotion."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for commands in (
    cli_rounds,
    cli_compare,
    cli_read,
    cli_explore,
    cli_export,
    cli_machine,
    cli_stack,
):
    commands.register(app)
app.add_typer(cli_storage.app, name="storage")


@app.callback(invoke_without_command=True)
def top(
    version: Annotated[bool, typer.Option("--version", help="Print the version")] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        print(f"regenesis {version_of('regenesis')}")
        raise typer.Exit


def main() -> None:
    """Run the command line; ends the process with the exit code."""
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        note("Interrupted. What was committed stays; the same command goes on.")
        code = 130
    except typer.Abort:
        code = 130
    except ReGenesisError as error:
        _show_error(error, str(error))
        code = error.exit_code
    except Exception as error:
        code = _other_error(error)
    sys.stdout.flush()
    sys.exit(code if isinstance(code, int) else 0)


def _other_error(error: Exception) -> int:
    usage = getattr(error, "format_message", None)
    if usage is not None:
        note(f"{usage()} Try: regenesis --help")
        return 2
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    refused = _refused_parameter(error)
    if refused:
        note(refused)
        return 2
    from tasks.room import full_disk, is_full_disk

    if is_full_disk(error):
        _show_error(error, str(full_disk(error)))
        return 2
    _show_error(
        error,
        f"{type(error).__name__}: {error} (a defect or a broken machine; --debug shows where)",
    )
    return 1


def _refused_parameter(error: Exception) -> str:
    """Prefect's refusal of a flow's parameter, as one line; empty for other errors."""
    if type(error).__name__ != "ParameterTypeError":
        return ""
    return "A parameter is refused: " + " ".join(
        line.strip() for line in str(error).splitlines() if line.strip()
    )


def _show_error(error: Exception, message: str) -> None:
    if COMMON.debug:
        import traceback

        note("".join(traceback.format_exception(error)).rstrip())
    else:
        note(" ".join(message.split()))


if __name__ == "__main__":
    main()
