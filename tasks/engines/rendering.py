"""The name under which models that MLflow registered before version 0.2 import the renderer."""

from tasks.engines.models.rendering import Renderer

__all__ = ["Renderer"]
