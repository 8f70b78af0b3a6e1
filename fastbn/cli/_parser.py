"""The arguments of the commands, checked as far as that needs no file."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from fastbn._backends import HOSTS
from fastbn._scalars import (
    NAN_POLICIES,
    check_ddof,
    check_eps,
    check_feature_range,
    check_quantile_range,
    check_quantiles,
)
from fastbn._version import __version__

from ._errors import one_line
from ._files import same_file

# What each method takes; the first method is the default.
METHOD_OPTIONS = {
    "zscore": ("ddof", "eps"),
    "minmax": ("feature_range", "clip"),
    "batchnorm": ("eps",),
    "robust": ("quantile_range",),
}
UNDONE = ("zscore", "minmax", "batchnorm")  # methods with an inverse
# The library's own checks of them; all raise "name: got X; wants Y".
CHECKS = {
    "ddof": check_ddof,
    "eps": check_eps,
    "feature_range": check_feature_range,
    "quantile_range": check_quantile_range,
}
FIVE_NUMBERS = (0.0, 0.25, 0.5, 0.75, 1.0)
PICTURES = (".pdf", ".png", ".svg")
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
LEAST_MEMORY = 10**6

FILES = """Files are .npy arrays of any size: they are mapped and worked through in pieces. Output is written to a
temporary file beside its final name and renamed when it is complete. Exit codes: 0 done, 1 the job failed, 2 bad
arguments."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the arguments; exit with code 2 and one line where they make no sense."""
    parser = _build()
    args = parser.parse_args(argv)
    _refuse_shared_outputs(args)
    if args.command in {"normalize", "denormalize"}:
        _collect_options(args)
    return args


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fastbn: error: {one_line(message)} (see {self.prog} --help)\n")


def _build() -> argparse.ArgumentParser:
    shared = _Parser(add_help=False)
    # No default here: a command's own default would override what was given before the command.
    shared.add_argument("--threads", type=_positive, metavar="N", default=argparse.SUPPRESS, help="threads to use")
    shared.add_argument(
        "--backend", choices=HOSTS, metavar="NAME", default=argparse.SUPPRESS,
        help="backend to use (see fastbn info)",
    )  # fmt: skip
    description = "Accurate per-channel statistics and normalization of arrays in .npy files."
    parser = _Parser(prog="fastbn", description=description, epilog=FILES, parents=[shared], allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"fastbn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}."
        added = commands.add_parser(name, help=summary, description=description, parents=[shared], allow_abbrev=False)
        added.set_defaults(refuse=added.error)
        return added

    _add_demo(command("demo", "do the whole job on real sample data, offline; write outputs and a picture"))
    _add_stats(command("stats", "compute the statistics of every channel; print them, save them, draw them"))
    _add_quantiles(command("quantiles", "compute quantiles of every channel; print them, save them"))
    _add_normalize(command("normalize", "normalize every channel, by its own or by saved statistics"))
    _add_denormalize(command("denormalize", "undo a normalization, given the statistics it used"))
    _add_merge(command("merge", "combine saved statistics of several parts into those of the whole"))
    _add_info(command("info", "show versions, backends and threads"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, metavar="DIR", default=Path("fastbn-demo"),
        help="directory for the results; an earlier demo's files in it are replaced (default: %(default)s)",
    )  # fmt: skip


def _add_stats(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="stats.json", help="save the statistics, to the last bit")
    parser.add_argument(
        "--exact", dest="method", action="store_const", const="exact", default="compensated",
        help="mean, variance and standard deviation correctly rounded, the same bits in whatever order and pieces",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--plot", type=_picture, metavar="P.png", help=f"draw the statistics ({', '.join(PICTURES)})")
    _add_missing(parser)
    _add_overwrite(parser)
    _add_memory(parser)


def _add_quantiles(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    parser.add_argument(
        "-q", dest="quantiles", type=_quantile, nargs="+", metavar="Q", default=FIVE_NUMBERS,
        help="quantiles in [0, 1] (default: 0 0.25 0.5 0.75 1). bool, 8- and 16-bit integers are read in pieces, of "
        "other types whole channels are held in memory",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="out.json", help="save the quantiles, to the last bit")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    _add_missing(parser)
    _add_overwrite(parser)
    _add_memory(parser)


def _add_missing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodata", type=_value, metavar="V", help="a value that stands for none (--nodata=-9999)")
    parser.add_argument(
        "--nan-policy", choices=NAN_POLICIES, default=NAN_POLICIES[0],
        help="a NaN makes its channel NaN, does not count, or is an error (default: %(default)s)",
    )  # fmt: skip


def _add_normalize(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    _add_transform(parser, METHOD_OPTIONS)
    parser.add_argument(
        "--quantile-range", type=float, nargs=2, metavar=("LO", "HI"), help="robust: in percent (default: 25 75)"
    )
    parser.add_argument(
        "--stats", type=Path, metavar="stats.json",
        help="use these statistics, not those of IN; or quantiles: minmax takes the first and the last, robust the "
        "median and its range",
    )  # fmt: skip
    parser.add_argument("--clip", action="store_true", default=None, help="minmax: clip values outside the range")


def _add_denormalize(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    _add_transform(parser, UNDONE)
    parser.add_argument(
        "--stats", type=Path, metavar="stats.json", required=True, help="the statistics which the normalization used"
    )


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="+", metavar="A.json", help="statistics saved by fastbn stats -o")
    parser.add_argument("-o", "--output", type=Path, metavar="all.json", required=True, help="the merged statistics")
    _add_overwrite(parser)


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IN", help=".npy file to read")
    parser.add_argument(
        "--channel-axis", type=_axes, default=1, metavar="N",
        help="the axis that is kept, that is, the one that counts channels; several with commas "
        "(--channel-axis=-2,-1 if the first is negative); none: one channel (default: %(default)s)",
    )  # fmt: skip


def _add_transform(parser: argparse.ArgumentParser, methods: Collection[str]) -> None:
    parser.add_argument("output", type=Path, metavar="OUT", help=".npy file to write")
    parser.add_argument(
        "--method", choices=list(methods), default=next(iter(methods)),
        help="zscore: (x - mean) / sqrt(var + eps); minmax: min and max onto the range; batchnorm: as zscore, with "
        "eps 1e-5" + "; robust: (x - median) / (hi - lo)" * ("robust" in methods) + " (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--dtype", choices=["float16", "float32", "float64"], help="type of OUT (default: that of IN if float)"
    )
    parser.add_argument(
        "--feature-range", type=float, nargs=2, metavar=("LO", "HI"), help="minmax: the range (default: 0 1)"
    )
    parser.add_argument("--eps", type=float, metavar="E", help="zscore, batchnorm: added to the variance")
    parser.add_argument("--ddof", type=int, metavar="D", help="zscore: divide the variance by count - D (default: 0)")
    _add_overwrite(parser)
    _add_memory(parser)


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace an output file that exists")


def _add_memory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--memory", type=_memory, default="512MB", metavar="SIZE", help="memory to use at most (default: %(default)s)"
    )


def _refuse_shared_outputs(args: argparse.Namespace) -> None:
    """Refuse an output that is an input too, which is never changed, or another output, which it would replace."""
    given = vars(args)
    taken = [path for path in (given.get("input"), given.get("stats"), *given.get("inputs", ())) if path is not None]
    for name, shown in (("output", "output"), ("plot", "--plot")):
        if (path := given.get(name)) is None:
            continue
        for other in taken:
            if same_file(path, other):
                args.refuse(f"argument {shown}: got {path}, the same file as {other}; wants a file of its own")
        taken.append(path)


def _collect_options(args: argparse.Namespace) -> None:
    """Put the options of the method which were given into ``args.options``; refuse bad ones, and other methods'."""
    accepted = METHOD_OPTIONS[args.method]
    every = {name for names in METHOD_OPTIONS.values() for name in names}
    given = {name: getattr(args, name) for name in sorted(every) if getattr(args, name, None) is not None}
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if name not in accepted:
            args.refuse(f"{option} means nothing with --method {args.method}")
        if name in CHECKS:
            try:
                CHECKS[name](value)
            except ValueError as error:  # the user knows the option's name, not the library's
                args.refuse(f"argument {option}:{str(error).partition(':')[2]}")
    args.options = given


def _axes(text: str) -> int | tuple[int, ...] | None:
    if text.strip().lower() == "none":
        return None
    try:
        axes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants an integer, integers with commas, or none") from None
    if len(set(axes)) < len(axes):
        raise argparse.ArgumentTypeError(f"got {text!r}; wants different axes")
    return axes[0] if len(axes) == 1 else axes


def _memory(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?", text.strip().upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants a size such as 512MB or 2GiB")
    if len(match[1]) > 15:
        raise argparse.ArgumentTypeError(f"got {text[:20]}...; wants no more memory than there is")
    size = int(float(match[1]) * UNITS[match[2] or ""])
    if size < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants at least 1MB")
    return size


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants an integer >= 1")
    return int(text)


def _quantile(text: str) -> float:
    try:
        value = float(text)
        check_quantiles(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants numbers in [0, 1]") from None
    return value


def _value(text: str) -> float:
    """An integer as such: 64 bits do not fit a float."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    raise argparse.ArgumentTypeError(f"got {text!r}; wants a number")


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(f"got {text!r}; wants a name that ends in {', '.join(PICTURES)}")
    return path
