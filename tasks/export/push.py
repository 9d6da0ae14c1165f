"""Pushes an exported folder to a hub; the token comes from the environment and is never shown.

The repository is private until its owner opens it: whether a model's texts are published is a
person's decision.
"""

import re
from pathlib import Path
from typing import Literal

from storage.environment import secret
from storage.errors import InputError, first_line
from tasks.export.export_rows import Exported

RepositoryKind = Literal["dataset", "model"]
# owner/name as the hub takes it
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def checked_repository(name: str, *, private: bool) -> str:
    """The name; raises InputError unless it is `owner/name` and the rows may be passed on."""
    if not _NAME.fullmatch(name):
        raise InputError(f"--push takes owner/name on the hub; found {name!r}.")
    if private:
        raise InputError(
            "--private is for a folder that stays with you; found --push as well. Leave one out."
        )
    return name


def pushed(
    exported: Exported, name: str, kind: RepositoryKind, *, dry_run: bool = False
) -> Exported:
    """The export with its folder on the hub; `dry_run` only says so, without token or network."""
    address = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name}"
    base = str(exported.figures.get("base", ""))
    if Path(base).is_absolute():
        raise InputError(
            "An adapter on the hub names a base that others can find; its own is the folder"
            f" {base!r} of this machine. Name the base: --model OWNER/NAME"
        )
    if not dry_run:
        _upload(exported.folder, name, kind)
    text = (
        f"{exported.text}\n{'Would push it' if dry_run else 'Pushed'} to {address}, private until"
        " you open it"
    )
    return Exported(
        exported.folder, text, {**exported.figures, "pushed_to": address, "pushed": not dry_run}
    )


def _upload(folder: Path, name: str, kind: RepositoryKind) -> None:
    stays = (
        f"The folder {str(folder)!r} is whole; push it again by hand: hf upload {name} FOLDER"
        f" --repo-type {kind}"
    )
    token = secret("HF_TOKEN")
    if not token:
        raise InputError(f"--push needs a token of the hub in HF_TOKEN; found none. {stays}")
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]
    except ImportError as error:
        raise InputError(
            f"--push needs huggingface_hub, which is not installed here. {stays}"
        ) from error
    try:
        api = HfApi(token=token)
        # private: who pushed it looks at it first, and opens it by hand
        api.create_repo(name, repo_type=kind, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name, repo_type=kind, folder_path=folder, commit_message="Exported by ReGenesis"
        )
    # HTTPError: time-outs and proxies
    except (OSError, ValueError, HTTPError) as error:
        # the token is taken out of the hub's message, should it repeat a request
        first = first_line(error).replace(token, "...")
        raise InputError(f"{name} could not be pushed: {first.rstrip('.')}. {stays}") from error
