"""An S3-compatible object store of the tests' own, on a private port."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest


@contextmanager
def object_store(monkeypatch: pytest.MonkeyPatch, keys: dict[str, str]) -> Generator[str]:
    """Its URL while it runs, with one empty bucket, `lake`; URL and keys are in the environment."""
    moto = pytest.importorskip(
        "moto.server", reason="the object store's server comes with the extra `dev`"
    )
    import boto3
    from moto.core.base_backend import BackendDict

    # buckets belong to the process, not to a server: those of the test before would still be there
    BackendDict.reset()
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {**keys, "AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="lake")
    try:
        yield url
    finally:
        server.stop()
