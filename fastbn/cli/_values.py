"""What the values of arguments may be."""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

from fastbn._scalars import check_quantiles

PICTURES = (".pdf", ".png", ".svg")
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
LEAST_MEMORY = 10**6
MOST_BANDS = 2**16  # a GeoTIFF counts them with 16 bits


def path(text: str) -> Path:
    """A file or a directory; an empty text, as of a variable that is not set, would be the current directory."""
    if not text:
        raise argparse.ArgumentTypeError("got ''; wants the name of a file")
    return Path(text)


def axes(text: str) -> tuple[int, ...]:
    """Numbers of axes; none of them for one channel."""
    if text.strip().lower() == "none":
        return ()
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants an integer, integers with commas, or none") from None
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"got {text!r}; wants different axes")
    return numbers


def memory(text: str) -> int:
    """Bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?", text.strip().upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants a size such as 512MB or 2GiB")
    if len(match[1]) > 15:
        raise argparse.ArgumentTypeError(f"got {text[:20]}...; wants no more memory than there is")
    size = int(float(match[1]) * UNITS[match[2] or ""])
    if size < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants at least 1MB")
    return size


def positive(text: str) -> int:
    """A number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants an integer >= 1")
    return int(text)


def quantile(text: str) -> float:
    """A number in [0, 1]."""
    try:
        value = float(text)
        check_quantiles(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants numbers in [0, 1]") from None
    return value


def value(text: str) -> float:
    """A number; an integer as such: 64 bits do not fit a float."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    raise argparse.ArgumentTypeError(f"got {text!r}; wants a number")


def picture(text: str) -> Path:
    """A file that matplotlib can draw."""
    path = Path(text)
    if path.suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants a name that ends in {', '.join(PICTURES)}")
    return path


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them; those with commas in quotes, as in a CSV file."""
    try:
        (row,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        row = []
    given = tuple(name.strip() for name in row)
    if not given or not all(given) or len(set(given)) < len(given):
        raise argparse.ArgumentTypeError(f"got {text!r}; wants different names with commas between them")
    return given


def bands(text: str) -> tuple[int, ...]:
    """Numbers of bands, and ranges of them: ``1-3,8``."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*", part)
        first, last = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
        if not 1 <= first <= last <= MOST_BANDS:
            raise argparse.ArgumentTypeError(f"got {text!r}; wants bands from 1 on, such as 1,2,3 or 1-3")
        numbers += range(first, last + 1)
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"got {text!r}; wants different bands")
    return tuple(numbers)
