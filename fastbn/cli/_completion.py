"""``fastbn completion``: what makes a shell complete commands, options, their values and files."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from . import _values
from ._errors import require
from ._parser import build


def run_completion(args: Namespace) -> None:
    """Print the script for a shell."""
    shtab = require("shtab", "shtab", "fastbn completion", extra="cli")
    parser = build()
    for action in _actions(parser):
        if action.type in {_values.path, _values.picture}:
            action.complete = shtab.FILE
    print(shtab.complete(parser, shell=args.shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[Any]:
    """The arguments of a parser, and of the commands below it."""
    for action in parser._actions:  # what shtab goes through as well
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
