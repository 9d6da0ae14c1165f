"""A foreign client: another process that holds a DuckDB file open, as somebody's notebook would."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_CLIENT = """
import sys, time, duckdb
while True:
    try:
        connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
        break
    except duckdb.IOException:
        time.sleep(0.003)
print("open", flush=True)
for statement in sys.stdin:
    connection.execute(statement)
    print("done", flush=True)
"""


class ForeignClient:
    """Talks to the process that holds the file."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def execute(self, statement: str) -> None:
        """Run a statement of one line there, and wait for it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextmanager
def held(path: Path, mode: str = "write") -> Generator[ForeignClient]:
    """The file is held, for reading or for writing, while the block runs.

    It waits for a moment when nobody has it.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _CLIENT, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "open\n"
        yield ForeignClient(process)
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()
