"""The arguments of the commands, checked as far as that needs no file."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from fastbn._backends import HOSTS
from fastbn._scalars import NAN_POLICIES, check_ddof, check_eps, check_feature_range, check_quantile_range
from fastbn._version import __version__

from . import _values as values
from ._choice import OPTIONS, Choice, Missing
from ._errors import one_line
from ._help import EXAMPLES, FILES
from ._values import path

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
SHELLS = ("bash", "zsh", "tcsh")
FIVE_NUMBERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the arguments; exit with code 2 and one line where they make no sense."""
    parser = build()
    args = parser.parse_args(argv)
    given = vars(args)
    if args.command in {"normalize", "denormalize"}:
        _split_paths(args)
        _collect_options(args)
    _refuse_shared_outputs(args)
    if "channel_axis" in given:
        args.choice = Choice(**{name: given[name] for name in OPTIONS})
        if args.choice.channel_axis is not None and args.choice.channel_dim is not None:
            args.refuse("--channel-axis and --channel-dim are two ways to say one thing")
        args.missing = Missing(args.nodata, args.nan_policy)
    return args


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fastbn: error: {one_line(message)} (see {self.prog} --help)\n")


def build() -> argparse.ArgumentParser:
    """The parser of all commands."""
    shared = _Parser(add_help=False)
    # No default here: a command's own default would override what was given before the command.
    shared.add_argument(
        "--threads", type=values.positive, metavar="N", default=argparse.SUPPRESS, help="threads to use"
    )
    shared.add_argument(
        "--backend", choices=HOSTS, metavar="NAME", default=argparse.SUPPRESS,
        help="backend to use (see fastbn info)",
    )  # fmt: skip
    description = "Accurate per-channel statistics and normalization of arrays and tables in files."
    parser = _Parser(prog="fastbn", description=description, epilog=FILES, parents=[shared], allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"fastbn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog="\n  ".join(["examples:", *EXAMPLES[name]]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[shared],
            allow_abbrev=False,
        )
        added.set_defaults(refuse=added.error)
        return added

    _add_demo(command("demo", "do the whole job on real sample data, offline; write outputs and a picture"))
    _add_stats(command("stats", "compute the statistics of every channel; print them, save them, draw them"))
    _add_quantiles(command("quantiles", "compute quantiles of every channel; print them, save them, draw them"))
    _add_normalize(command("normalize", "normalize every channel, by its own or by saved statistics"))
    _add_denormalize(command("denormalize", "undo a normalization, given the statistics it used"))
    _add_merge(command("merge", "combine saved statistics of several parts into those of the whole"))
    _add_info(command("info", "show versions, backends, threads and formats; or what files hold, without their data"))
    _add_bench(command("bench", "compare speed and accuracy with NumPy, PyTorch and scikit-learn, on this machine"))
    _add_completion(command("completion", "print what makes a shell complete commands, options and files"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=path, metavar="DIR", default=Path("fastbn-demo"),
        help="directory for the results; an earlier demo's files in it are replaced (default: %(default)s)",
    )  # fmt: skip
    _add_json(parser)


def _add_stats(parser: argparse.ArgumentParser) -> None:
    _add_inputs(parser)
    parser.add_argument("-o", "--output", type=path, metavar="stats.json", help="save the statistics, to the last bit")
    parser.add_argument(
        "--exact", dest="method", action="store_const", const="exact", default="compensated",
        help="mean, variance and standard deviation correctly rounded, the same bits in whatever order and pieces",
    )  # fmt: skip
    _add_job(parser, "draw the distribution of every channel")


def _add_quantiles(parser: argparse.ArgumentParser) -> None:
    _add_inputs(parser)
    parser.add_argument(
        "-q", dest="quantiles", type=values.quantile, nargs="+", metavar="Q", default=FIVE_NUMBERS,
        help="quantiles in [0, 1] (default: 0 0.25 0.5 0.75 1), exact. bool, 8- and 16-bit numbers are read once, "
        "32-bit ones twice, 64-bit ones four times",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=path, metavar="out.json", help="save the quantiles, to the last bit")
    _add_job(parser, "draw the distribution of every channel")


def _add_normalize(parser: argparse.ArgumentParser) -> None:
    _add_paths(parser)
    _add_transform(parser, METHOD_OPTIONS)
    parser.add_argument(
        "--quantile-range", type=float, nargs=2, metavar=("LO", "HI"), help="robust: in percent (default: 25 75)"
    )
    parser.add_argument(
        "--stats", type=path, metavar="stats.json",
        help="use these statistics, not those of IN; or quantiles: minmax takes the first and the last, robust the "
        "median and its range",
    )  # fmt: skip
    parser.add_argument("--clip", action="store_true", default=None, help="minmax: clip values outside the range")
    _add_job(parser, "draw every channel before and after")


def _add_denormalize(parser: argparse.ArgumentParser) -> None:
    _add_paths(parser)
    _add_transform(parser, UNDONE)
    parser.add_argument(
        "--stats", type=path, metavar="stats.json", required=True, help="the statistics which the normalization used"
    )
    _add_job(parser, "draw every channel before and after")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    _add_json(parser)
    parser.add_argument("--quick", action="store_true", help="small arrays, in a few seconds")


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=path, nargs="+", metavar="A.json", help="statistics saved by fastbn stats -o")
    parser.add_argument("-o", "--output", type=path, metavar="all.json", required=True, help="the merged statistics")
    _add_json(parser)
    _add_overwrite(parser)


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=path, nargs="*", metavar="IN", help="file, directory or quoted pattern")
    _add_channels(parser)
    _add_json(parser)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs", type=path, nargs="+", metavar="IN", help="file, directory or quoted pattern; several are one data set"
    )
    _add_channels(parser)


def _add_paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", type=path, nargs="+", metavar="IN ... OUT",
        help="what to read, as one data set, and the file to write; of several files, the directory to write them to",
    )  # fmt: skip
    _add_channels(parser)


def _add_channels(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("channels")
    group.add_argument(
        "--channel-axis", type=values.axes, metavar="N",
        help="the axis that is kept, that is, the one that counts channels; several with commas "
        "(--channel-axis=-2,-1 if the first is negative); none: one channel (default: 1; bands of a GeoTIFF, columns "
        "of a table; every variable of a data set is one channel)",
    )  # fmt: skip
    group.add_argument("--channel-dim", type=values.names, metavar="NAME", help="the same by the axis' name, or names")
    group.add_argument("--variables", type=values.names, metavar="A,B", help="arrays of a Zarr group, NetCDF or HDF5")
    group.add_argument("--bands", type=values.bands, metavar="1,2,3", help="bands of a GeoTIFF (default: all)")
    group.add_argument(
        "--columns", type=values.names, metavar="A,B",
        help="columns of a table (default: numbers); a name with a comma in quotes: '\"x, m\",y'",
    )  # fmt: skip
    group.add_argument(
        "--nodata", type=values.value, metavar="V",
        help="a value that stands for none (--nodata=-9999), instead of what the file says",
    )  # fmt: skip
    group.add_argument(
        "--nan-policy", choices=NAN_POLICIES, default=NAN_POLICIES[0],
        help="a NaN makes its channel NaN, does not count, or is an error (default: %(default)s)",
    )  # fmt: skip


def _add_transform(parser: argparse.ArgumentParser, methods: Collection[str]) -> None:
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
    parser.add_argument(
        "--in-place", action="store_true", help="there is no OUT: every file is replaced, when its output is complete"
    )
    parser.add_argument(
        "--resume", action="store_true",
        help="go on with the same job where it was stopped; if this one is, keep what it has done",
    )  # fmt: skip


def _add_job(parser: argparse.ArgumentParser, picture: str) -> None:
    parser.add_argument(
        "--plot", type=values.picture, metavar="P.png", help=f"{picture} ({', '.join(values.PICTURES)})"
    )
    _add_json(parser)
    parser.add_argument("--dry-run", action="store_true", help="check everything, say what would be done, do nothing")
    _add_overwrite(parser)
    parser.add_argument(
        "--memory", type=values.memory, default="512MB", metavar="SIZE",
        help="memory to use at most, beside some 200 MB (default: %(default)s)",
    )  # fmt: skip


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace an output file that exists")


def _split_paths(args: argparse.Namespace) -> None:
    """The last path is OUT, unless files are replaced in place."""
    if args.in_place:
        args.inputs, args.output = args.paths, None
        return
    if len(args.paths) < 2:
        args.refuse("the following arguments are required: OUT (or --in-place)")
    *args.inputs, args.output = args.paths


def _refuse_shared_outputs(args: argparse.Namespace) -> None:
    """Refuse an output that is an input too, which is never changed, or another output, which it would replace."""
    from ._files import same_file  # --help does without

    given = vars(args)
    taken = [item for item in (*given.get("inputs", ()), given.get("stats")) if item is not None]
    for name, shown in (("output", "output"), ("plot", "--plot")):
        if (out := given.get(name)) is None:
            continue
        for other in taken:
            if same_file(out, other):
                hint = " (or --in-place)" if name == "output" and "in_place" in given else ""
                args.refuse(f"argument {shown}: got {out}, the same file as {other}; wants a file of its own{hint}")
        taken.append(out)


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
