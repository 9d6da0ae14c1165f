"""The explorer as a program of the stack: a fresh home has no store to show yet, so it waits for the first round."""

import sys
import time

from flows.cli.common import note
from flows.cli.read_commands import existing_store
from flows.explore.server import serve_pages
from storage.errors import InputError

LOOK_SECONDS = 3.0


def serve_when_there_is_a_store(port: int) -> None:
    """Serve for ever."""
    while True:
        try:
            existing_store()
        except InputError:
            time.sleep(LOOK_SECONDS)
            continue
        serve_pages(port, note)


if __name__ == "__main__":
    serve_when_there_is_a_store(int(sys.argv[1]))
