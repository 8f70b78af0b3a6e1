"""What a command says when it cannot do its work."""

from __future__ import annotations

import importlib
from typing import Any

from fastbn._printable import printable

LONGEST = 300


class JobError(Exception):
    """The job cannot be done; the message says why, in one line."""


def describe(error: BaseException) -> str:
    """One line for the user."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, (JobError, ValueError, TypeError, ImportError)):
        text = str(error) or type(error).__name__
    else:
        text = f"{type(error).__name__}: {error}"
    return one_line(text)


def first_of(error: BaseException) -> BaseException:
    """What went wrong first, of several errors that came together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def one_line(text: str) -> str:
    """Text on one line, and not too long for it."""
    text = printable(" ".join(text.split()))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def require(module: str, package: str, purpose: str, extra: str = "demo") -> Any:
    """Import an optional module, or say which command installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise JobError(f'{purpose} needs {package}: pip install "fastbn[{extra}]" ({describe(error)})') from error
