"""The command line: ``fastbn COMMAND ...`` (see ``fastbn --help``)."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

from fastbn import get_num_threads, set_num_threads, use_backend

from ._errors import describe
from ._parser import parse

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments without the name of the program; those of the process if not given.

    Returns
    -------
    int
        0 done, 1 the job failed, 2 bad arguments. On failure there is one line on standard error.
    """
    try:
        args = parse(argv)
        with _stopped_by_signals(), _any_names_printed(), _settings(args):
            _run(args)
            if sys.stdout is not None:  # as under pythonw, or with the output closed
                sys.stdout.flush()
    except SystemExit as stop:  # argparse has said all there is to say
        return int(stop.code or 0)
    except KeyboardInterrupt as stop:
        return _failed(str(stop) or "interrupted")
    except BrokenPipeError:
        # The reader of the output is gone. What is left in the buffer must not raise again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _failed("nobody reads the output any more")
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the user gets one line and the exit code 1
        return _failed(describe(error))
    return 0


def _run(args: Namespace) -> None:
    from ._commands import COMMANDS  # all that reads and computes; --help does without

    COMMANDS[args.command](args)


def _failed(reason: str) -> int:
    if sys.stderr is not None:  # else print would take standard output
        print(f"fastbn: error: {reason}", file=sys.stderr)
    return 1


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the job as Ctrl-C does, so that temporary files are removed."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(f"stopped by {signal.Signals(number).name}")

    replaced = []
    if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP: keep that
                signal.signal(number, stop)
                replaced.append(number)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _any_names_printed() -> Iterator[None]:
    """Print names of files which the terminal has no characters for with escapes: the job would be done, and fail."""
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper) or out.errors != "strict":
        yield
        return
    out.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        out.reconfigure(errors="strict")


@contextmanager
def _settings(args: Namespace) -> Iterator[None]:
    """Apply the global options for the duration of the command."""
    with ExitStack() as stack:
        if "backend" in args:
            stack.enter_context(use_backend(args.backend))
        if "threads" in args:
            stack.callback(set_num_threads, get_num_threads())
            set_num_threads(args.threads)
        yield
