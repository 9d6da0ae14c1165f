"""deploy/ holds to its schemas and to itself: versions, secrets, ports, users, rights.

Nothing is started here.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.manifests import (
    BASE,
    DEPLOY,
    OURS,
    ROOT,
    Container,
    containers,
    documents,
    env_file,
    image_environment,
    kustomization,
    parsed,
    resources,
)

DOCKERFILES = ("Dockerfile.cpu", "Dockerfile.gpu")
KUBERNETES = ("1.30", "1.34")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
ALL = list(containers())


def version() -> str:
    import tomllib

    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_every_resource_holds_to_the_schema_of_kubernetes(kubernetes: str) -> None:
    for one in resources():
        kubernetes_validate.validate(one, kubernetes, strict=True)


def test_the_compose_files_hold_to_the_compose_specification() -> None:
    files = [str(DEPLOY / name) for name in ("compose.yaml", "compose.gpu.yaml")]
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_values_hold_to_the_schema_of_prefects_chart() -> None:
    """The schema is that of PrefectHQ/prefect-helm at 75b0c27 (Apache-2.0), made strict, so that no
    key is misspelt.
    """
    schema = json.loads(
        (Path(__file__).parent / "prefect-server-chart.schema.json").read_text("utf-8")
    )
    values = documents(DEPLOY / "helm" / "prefect-server.yaml")[0]

    jsonschema.Draft202012Validator(_strict(schema)).validate(values)


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {}
    return {name: _strict(value) for name, value in schema.items()} | closed


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_built_from_files_that_are_here_and_runs_as_nobody_special(name: str) -> None:
    file = parsed(name)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    steps = file.structure
    copied = [
        word
        for step in steps
        if step["instruction"] == "COPY" and "--from=" not in step["value"]
        for word in step["value"].split()[:-1]
    ]

    assert copied
    for word in copied:
        assert (ROOT / word).exists(), word
        assert word.split("/")[0] not in ignored
    links = [link for word in copied for link in (ROOT / word).rglob("*") if link.is_symlink()]
    assert {str(link.resolve().relative_to(ROOT)) for link in links} <= set(copied)
    assert [step["value"] for step in steps if step["instruction"] == "USER"][-1] == "10001:10001"
    assert all(":" in image and not image.endswith(":latest") for image in file.parent_images)
    assert not any(
        word in step["value"] for step in steps for word in ("curl ", "wget ", "ADD http")
    )
    assert "constraints.txt" in file.content


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_of_the_packages_version(name: str) -> None:
    assert parsed(name).labels["org.opencontainers.image.version"] == version()


def test_every_tag_of_our_images_is_the_packages_version() -> None:
    tags = {one["name"]: one["newTag"] for one in kustomization()["images"]}
    composed = {
        service["image"].partition(":")
        for file in ("compose.yaml", "compose.gpu.yaml")
        for service in documents(DEPLOY / file)[0]["services"].values()
        if service["image"].startswith("regenesis")
    }

    assert tags == dict.fromkeys(OURS, version())
    assert {(image, tag) for image, _, tag in composed} == {(image, version()) for image in OURS}


def test_prefects_server_is_the_version_that_the_package_pins() -> None:
    pins = (DEPLOY / "requirements" / "constraints.txt").read_text("utf-8").split()
    values = documents(DEPLOY / "helm" / "prefect-server.yaml")[0]

    assert (
        f"prefect=={values['global']['prefect']['image']['prefectTag'].partition('-')[0]}" in pins
    )


def test_prefects_and_mlflows_servers_have_a_password_and_let_no_foreign_page_in() -> None:
    """Asked of the running programs in tests/attacks and tests/deploy/test_containers.py."""
    chart = documents(DEPLOY / "helm" / "prefect-server.yaml")[0]["server"]
    charted = {one["name"]: one["value"] for one in chart["env"]}
    composed, mlflow = COMPOSE["services"]["prefect"], COMPOSE["services"]["mlflow"]
    pages = ("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "/api")

    assert chart["basicAuth"]["enabled"]
    assert charted[pages[0]] + pages[1] == chart["uiConfig"]["prefectUiApiUrl"]
    assert (
        composed["environment"]["PREFECT_SERVER_API_AUTH_STRING"]
        == "${PREFECT_SERVER_API_AUTH_STRING:?}"
    )
    assert (
        composed["environment"][pages[0]] + pages[1]
        == composed["environment"]["PREFECT_UI_API_URL"]
    )
    assert composed["command"] == [
        "python",
        "-m",
        "flows.runs.prefect_server",
        "0.0.0.0",
        "4200",
        "prefect",
    ]
    assert importlib.util.find_spec(composed["command"][2])
    assert "--app-name=basic-auth" in mlflow["command"]
    assert "--allowed-hosts=mlflow:5000,localhost:5000,127.0.0.1:5000" in mlflow["command"]


def test_other_peoples_images_have_an_exact_version() -> None:
    images = {one.spec["image"] for one in ALL} | {
        one["image"] for one in COMPOSE["services"].values()
    }

    for image in images - set(OURS):
        assert any(sign.isdigit() for sign in image.partition(":")[2]), image


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.owner}-{one.name}")
def test_a_container_may_do_as_little_as_it_needs(one: Container) -> None:
    security, pod = one.spec["securityContext"], one.pod["securityContext"]

    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod["runAsNonRoot"]
    assert one.uid >= 999
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not one.pod["automountServiceAccountToken"]
    assert one.spec["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_composed_service_may_do_as_little_as_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in ("0", "root")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert all(
        volume.partition(":")[0] in COMPOSE["volumes"] or volume.endswith(":ro")
        for volume in service["volumes"]
    )


def test_every_secret_and_file_that_is_named_is_there() -> None:
    known = set(env_file(BASE / "secrets.env.example"))
    named = {
        one["valueFrom"]["secretKeyRef"]["key"]
        for container in ALL
        for one in container.spec.get("env", [])
        if "valueFrom" in one
    }
    chart = documents(DEPLOY / "helm" / "prefect-server.yaml")[0]
    named |= {
        chart["externalDatabase"]["connectionStringSecretKey"],
        "auth-string",
    }  # the chart's own key for it
    maps = {one["name"] for one in kustomization()["configMapGenerator"]}

    assert named == known
    assert not any(
        value
        for name, value in env_file(BASE / "secrets.env.example").items()
        if "password" in name
    )
    for container in ALL:
        volumes = {volume["name"] for volume in container.pod["volumes"]} | {"data", "home"}
        assert {mount["name"] for mount in container.spec["volumeMounts"]} <= volumes
        assert {
            volume["configMap"]["name"]
            for volume in container.pod["volumes"]
            if "configMap" in volume
        } <= maps
    for generator in kustomization()["configMapGenerator"]:
        assert all(
            (BASE / name).is_file()
            for name in [*generator.get("files", []), *generator.get("envs", [])]
        )


def test_no_secret_is_in_what_git_keeps() -> None:
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()

    assert {"deploy/compose.env", "deploy/kustomize/base/secrets.env"} <= set(ignored)
    needed = {
        name
        for line in (DEPLOY / "compose.yaml").read_text("utf-8").split("${")[1:]
        for name in [line.split(":")[0]]
    }
    assert needed == set(env_file(DEPLOY / "compose.env.example"))


@pytest.mark.parametrize(
    "one", [one for one in ALL if "ports" in one.spec], ids=lambda one: one.name
)
def test_a_probe_asks_a_port_that_is_open_and_a_policy_lets_in(one: Container) -> None:
    ports = {port["name"]: port["containerPort"] for port in one.spec["ports"]}
    services = {each["metadata"]["name"]: each for each in resources() if each["kind"] == "Service"}
    policies = {
        each["metadata"]["name"]: each for each in resources() if each["kind"] == "NetworkPolicy"
    }

    probes = [
        one.spec[key]
        for key in ("startupProbe", "livenessProbe", "readinessProbe")
        if key in one.spec
    ]
    assert probes
    assert all("exec" in probe or probe["httpGet"]["port"] in ports for probe in probes)
    assert [port["port"] for port in services[one.owner]["spec"]["ports"]] == list(ports.values())
    if one.owner != "worker":  # nobody asks it anything but the kubelet, which no policy keeps out
        [rule] = policies[one.owner]["spec"]["ingress"]
        assert [port["port"] for port in rule["ports"]] == list(ports.values())


def test_compose_and_the_cluster_start_the_same_programs() -> None:
    clustered = {one.name: one.spec["command"] for one in ALL if one.spec["image"] in OURS}
    composed = {name: COMPOSE["services"][name]["command"] for name in clustered}

    assert clustered == composed
    assert (
        image_environment("Dockerfile.gpu").items() >= image_environment("Dockerfile.cpu").items()
    )


def test_a_round_has_time_to_end_and_nothing_beside_the_worker_needs_it() -> None:
    [worker] = [one for one in ALL if one.name == "worker"]

    assert worker.grace_seconds >= 60
    assert COMPOSE["services"]["worker"]["stop_grace_period"] == f"{worker.grace_seconds}s"
