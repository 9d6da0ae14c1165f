"""The command `explore`: the store's pages in a browser."""

from typing import Annotated

import typer

from flows.cli.common import COMMON, note, show, with_common_flags
from flows.cli.read_commands import existing_store
from storage.store.store_url import shown


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(with_common_flags(explore))


def explore(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 for any free one")] = 2718,
) -> None:
    """Look at rounds, questions, guidelines, rejects and models in a browser, and rate paths."""
    from flows.explore.server import serve_pages

    store = existing_store()
    if COMMON.dry_run:
        url = shown(store.url)
        words = f"Would serve the pages of {url} on port {port} of 127.0.0.1."
        show({"store": url, "port": port}, words)
        return
    serve_pages(port, note)
