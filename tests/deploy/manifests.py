"""The files of deploy/ as a test reads them.

The images' environment, each container as a cluster would start it.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kustomize" / "base"
OURS = ("regenesis", "regenesis-gpu")
BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def documents(file: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(file.read_text("utf-8")) if one]


def kustomization() -> dict[str, Any]:
    return documents(BASE / "kustomization.yaml")[0]


def resources() -> list[dict[str, Any]]:
    """Everything that the base applies."""
    return [one for name in kustomization()["resources"] for one in documents(BASE / name)]


def env_file(file: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in file.read_text("utf-8").splitlines() if line)
    return {name: value for name, _, value in pairs}


def parsed(dockerfile: str) -> DockerfileParser:
    content = io.BytesIO((DEPLOY / dockerfile).read_bytes())
    return DockerfileParser(fileobj=content, parent_env={"PATH": BASE_PATH})


def image_environment(dockerfile: str = "Dockerfile.cpu") -> dict[str, str]:
    """What the image's last stage sets, over what its base image has."""
    return cast("dict[str, str]", parsed(dockerfile).envs)


@dataclass(frozen=True)
class Container:
    """One container of a pod, with what its pod says of it."""

    owner: str
    pod: dict[str, Any]
    spec: dict[str, Any]

    @property
    def name(self) -> str:
        return self.spec["name"]

    @property
    def uid(self) -> int:
        return self.pod["securityContext"]["runAsUser"]

    @property
    def grace_seconds(self) -> int:
        return self.pod["terminationGracePeriodSeconds"]

    @property
    def mounts(self) -> dict[str, bool]:
        """Path -> whether it may be written."""
        return {
            one["mountPath"]: not one.get("readOnly", False) for one in self.spec["volumeMounts"]
        }

    def environment(self, secrets: dict[str, str]) -> dict[str, str]:
        """The image's, the config map's, and its own with these secrets."""
        found = dict(image_environment())
        for source in self.spec.get("envFrom", []):
            assert source["configMapRef"]["name"] == "regenesis"
            found |= env_file(BASE / "regenesis.env")
        for one in self.spec.get("env", []):
            found[one["name"]] = (
                one["value"] if "value" in one else secrets[one["valueFrom"]["secretKeyRef"]["key"]]
            )
        return found


def containers() -> Iterator[Container]:
    """Every container of the base, those that come before others too."""
    for one in resources():
        pod = one.get("spec", {}).get("template", {}).get("spec")
        for spec in [*pod.get("initContainers", []), *pod["containers"]] if pod else []:
            yield Container(one["metadata"]["name"], pod, spec)


def container(name: str) -> Container:
    return next(one for one in containers() if one.name == name)
