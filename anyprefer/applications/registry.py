"""The applications by name."""

from collections.abc import Callable

from anyprefer.applications.base import Application
from anyprefer.registry import Registry

APPLICATIONS: Registry[Callable[[], Application]] = Registry(
    kind="application", group="anyprefer.applications", built_in={"text": "anyprefer.applications.text:TextApplication"}
)


def find_application(name: str) -> Application:
    """The application of a recipe.

    Raises:
        ConfigError: There is none of this name, or it cannot be imported.
    """
    return APPLICATIONS.load(name, "application")()


def register_application(name: str, factory: type[Application]) -> None:
    """Add an application to this process.

    Raises:
        ConfigError: The name is a built-in one.
    """
    APPLICATIONS.register(name, factory)
