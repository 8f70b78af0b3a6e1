"""Libraries that some of the package needs and most of its users do not."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needed(extra: str) -> Iterator[None]:
    """Let the import of a missing library say which extra of this package installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"fastbn.{extra} needs {error.name}, which is not installed: pip install 'fastbn[{extra}]'",
            name=error.name,
        ) from error
