"""Events of a deployment that the platform emits itself; an automation pages with their words."""

from uuid import UUID

from prefect.events import emit_event
from prefect.settings import PREFECT_UI_URL


def tell_of_deployment(event: str, identity: UUID, name: str, cause: str) -> None:
    """`name` as in `prefect deployment run`: flow and deployment with a slash between."""
    emit_event(
        event,
        resource={
            "prefect.resource.id": f"prefect.deployment.{identity}",
            "prefect.resource.name": name,
        },
        payload={
            "cause": cause,
            "deployment": name,
            "link": f"{PREFECT_UI_URL.value()}/deployments/deployment/{identity}",
        },
    )
