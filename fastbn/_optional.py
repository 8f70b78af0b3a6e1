"""Optional packages: an ImportError that says how to install what is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Say which extra brings a package that cannot be imported."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f"{error.name} is not installed: pip install 'fastbn[{extra}]'") from error
