"""The explorer as a program of the stack, which waits for the store of a first round."""

import sys
import time

from flows.explore.server import serve_pages
from storage.environment import read_environment
from storage.errors import InputError
from storage.open_store import existing_store
from storage.sql.presenting import terminal_text

# a stack may be up before its first round makes the store
LOOK_SECONDS = 3.0


def serve_when_there_is_a_store(port: int) -> None:
    """Serve for ever."""
    while True:
        try:
            existing_store(read_environment().store_url)
        except InputError:
            time.sleep(LOOK_SECONDS)
            continue
        serve_pages(port, lambda line: print(terminal_text(line), file=sys.stderr))


if __name__ == "__main__":
    serve_when_there_is_a_store(int(sys.argv[1]))
