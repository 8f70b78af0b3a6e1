"""In which arithmetic GPUs sum float16 and float32 data."""

import os

from ._scalars import check_choice

KINDS = ("auto", "float64", "float32")
_SLOW = 4  # times as fast at float32: A100 and H100 are 2 times, most others 32 or 64 times

_settings: dict[str, str] = {}


def _checked(kind: str, name: str) -> str:
    check_choice(name, kind, KINDS)
    return kind


def set_accumulators(kind: str) -> None:
    """Set in which arithmetic GPUs sum float16 and float32 data.

    In float64, with the rounding error of every addition, results are right to the last bit or two. GPUs that are slow
    at float64 (most; not A100, H100 and their kin) take the sums in three words of float32, which are added to float64
    ones after every 64 values: as exact, unless values of very different sizes cancel each other (see the notes).

    Parameters
    ----------
    kind : {"auto", "float64", "float32"}
        ``"auto"`` takes float64 where it is at most 4 times as slow as float32. The environment variable
        ``FASTBN_ACCUMULATORS`` says what counts until this is called; its default is ``"auto"``.

    Raises
    ------
    ValueError
        If `kind` is something else.

    See Also
    --------
    get_accumulators : What counts now.

    Notes
    -----
    The same bits come out on two models of GPUs only if both take the same arithmetic. Nothing else depends on it:
    neither other dtypes nor ``method="exact"``, weighted statistics, gradients, maps or other backends.

    In float32, what falls below 2^-57 or so of the largest of 64 values may be lost from their sum, and the same of
    their squares: it decides a mean, or a variance, only where sums cancel to less than 2^-5 of that value.

    Examples
    --------
    >>> import fastbn
    >>> fastbn.set_accumulators("float64")
    >>> fastbn.get_accumulators()
    'float64'
    >>> fastbn.set_accumulators("auto")
    """
    _settings["kind"] = _checked(kind, "kind")


def get_accumulators() -> str:
    """Tell in which arithmetic GPUs sum float16 and float32 data.

    Returns
    -------
    str
        What `set_accumulators` or ``FASTBN_ACCUMULATORS`` said; ``"auto"`` leaves it to the device.

    Raises
    ------
    ValueError
        If the environment variable is something else.

    See Also
    --------
    set_accumulators : Change it.

    Examples
    --------
    >>> import fastbn
    >>> fastbn.get_accumulators()
    'auto'
    """
    said = _settings.get("kind")
    return said or _checked(os.environ.get("FASTBN_ACCUMULATORS") or "auto", "FASTBN_ACCUMULATORS")


def accumulators(ratio: int) -> str:
    """What counts for a device that is so many times as fast at float32 as it is at float64."""
    kind = get_accumulators()
    if kind == "auto":
        return "float32" if ratio > _SLOW else "float64"
    return kind
