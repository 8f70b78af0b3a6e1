"""What arrays come in and go out: the dtype table, the checks of ``out=`` and of per-channel vectors."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from ._devices import OnDevice, empty_like, on_device, upload
from ._kernels.operands import head_wide, low_bits
from ._printable import shown

if TYPE_CHECKING:
    from ._selection import Selection

_WORK = 10**6  # steps that looking for a common element may take: some 35 ms
_FEW = 4096  # channels for which vectors of ones and zeros are kept ...
_REMEMBERED = 64  # ... so many of them


class _Number(NamedTuple):
    """How a dtype is computed with."""

    storage: np.dtype  # what kernels read
    arithmetic: str  # variant of the kernels (``_kernels/reductions.py``)
    output: np.dtype  # dtype of results


def _row(storage: str, arithmetic: str, output: str) -> _Number:
    return _Number(np.dtype(storage), arithmetic, np.dtype(output))


_NUMBERS = {
    "b1": _row("u1", "byte", "f4"),
    "i1": _row("i1", "byte", "f4"),
    "u1": _row("u1", "byte", "f4"),
    "i2": _row("i2", "short", "f4"),
    "u2": _row("u2", "short", "f4"),
    "f2": _row("f2", "half", "f2"),
    "i4": _row("i4", "integer", "f8"),
    "u4": _row("u4", "integer", "f8"),
    "i8": _row("i8", "wide", "f8"),
    "u8": _row("u8", "wide", "f8"),
    "f4": _row("f4", "single", "f4"),
    "f8": _row("f8", "double", "f8"),
}
#: Dtypes of results, and what kernels write for them: themselves ...
OUTPUTS = {np.dtype(code): np.dtype(code) for code in ("f2", "f4", "f8")}
#: ... or float64, for the integers that inverse maps give.
INVERSE_OUTPUTS = OUTPUTS | {
    np.dtype(code): np.dtype("f8") for code in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
}


def kernel_dtypes() -> tuple[list[tuple[str, np.dtype]], list[np.dtype]]:
    """Every arithmetic and dtype that kernels read with it, and every dtype they write."""
    inputs = {(number.arithmetic, number.storage) for number in _NUMBERS.values()}
    return sorted(inputs, key=str), sorted(set(OUTPUTS.values()), key=str)


_REMEDIES = {
    "c": "take x.real and x.imag apart",
    "O": "convert it, for example with x.astype(float)",
    "f": "convert it with x.astype(np.float64)",
    "M": "convert it, for example with x.astype('int64')",
    "m": "convert it, for example with x.astype('int64')",
}


class Operand(NamedTuple):
    """An array as the backends take it."""

    stored: np.ndarray  # the array itself (bool seen as uint8)
    storage: np.dtype  # dtype that kernels read or write
    arithmetic: str
    direct: bool  # whether kernels can read or write this dtype in place
    output: np.dtype  # dtype of results by default
    original: np.dtype  # native form of the dtype that came in: of min and max
    selection: "Selection | None" = None  # which of its values count, if not all


_operands: dict[np.dtype, tuple[_Number, bool]] = {}


def _number(dtype: np.dtype, name: str) -> tuple[_Number, bool]:
    known = _operands.get(dtype)
    if known is None:
        number = _NUMBERS.get(dtype.str[1:]) if dtype.kind in "biuf" else None
        if number is None:
            remedy = _REMEDIES.get(dtype.kind, "convert it to a number, for example with x.astype(float)")
            raise TypeError(f"{name}: got dtype {dtype}; wants float16/32/64, bool or an integer: {remedy}")
        known = _operands[dtype] = number, dtype.isnative and (dtype == number.storage or dtype.kind == "b")
    return known


def as_dtype(dtype: Any, wants: str) -> np.dtype:
    """The dtype that an argument of this name means."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError, OverflowError):  # NumPy parses strings as Python does
        raise TypeError(f"dtype: got {shown(dtype)}; wants {wants}") from None
    return found


def number_dtype(dtype: Any, name: str) -> np.dtype:
    """A supported dtype in its native form."""
    wanted = dtype if isinstance(dtype, np.dtype) else as_dtype(dtype, "float16/32/64, bool or an integer")
    _number(wanted, name)
    return wanted.newbyteorder("=")


def plain_array(value: Any, name: str) -> np.ndarray:
    """An argument as an array, on the host or seen on a device, where a mask would mean nothing."""
    if type(value) is np.ndarray:
        return value
    if (seen := on_device(value, name)) is not None:
        return seen
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: got a masked array; wants a plain one: fill it, for example with {name}.filled(0)")
    return _read(value, name)


def _read(value: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: got no rectangular array ({error})") from None
    except (RuntimeError, TypeError) as error:  # PyTorch's for what requires gradients, JAX's for what it traces
        raise TypeError(f"{name}: got {type(value).__name__}, which NumPy cannot read ({error})") from error


def refuse_device(value: Any, name: str, reason: str) -> None:
    """Refuse an array on a device, which would be copied from there, or read where it is not."""
    if on_device(value, name) is not None:
        raise TypeError(f"{name}: got {type(value).__name__} on a device; wants an array on the host, {reason}")


def as_operand(x: Any, name: str = "x") -> Operand:
    """Read an argument as an array of a supported dtype."""
    array = plain_array(x, name)
    number, direct = _number(array.dtype, name)
    original = array.dtype.newbyteorder("=")
    if original.kind == "b":
        array = array.view(np.uint8)
    return Operand(array, number.storage, number.arithmetic, direct, number.output, original)


def output_dtype(x: Operand, dtype: Any, outputs: Mapping[np.dtype, np.dtype] = OUTPUTS) -> np.dtype:
    """The dtype of a result."""
    if dtype is None:
        return x.output
    wants = "float16, float32 or float64" + ", or an integer" * (len(outputs) > len(OUTPUTS))
    wanted = as_dtype(dtype, wants)
    if wanted not in outputs:
        raise TypeError(f"dtype: got {wanted}; wants {wants}")
    return wanted


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays share an element; yes where strides make that too hard to tell."""
    try:
        return np.may_share_memory(a, b) and np.shares_memory(a, b, max_work=cast(Any, _WORK))
    except np.exceptions.TooHardError:
        return True


def check_separate(name: str, array: np.ndarray) -> None:
    """Refuse to write where several elements have one place."""
    if 0 not in array.strides or array.size == 0:
        return
    if any(n > 1 and stride == 0 for n, stride in zip(array.shape, array.strides, strict=True)):
        raise ValueError(f"{name}: got strides {array.strides}, an array that overlaps itself; wants separate elements")


def prepare_output(
    x: Any,
    operand: Operand,
    out: Any,
    dtype: Any,
    name: str = "x",
    outputs: Mapping[np.dtype, np.dtype] = OUTPUTS,
) -> tuple[np.ndarray, Operand]:
    """Check ``out``, or make an array laid out as the argument ``x``, known by ``name``, is."""
    source = operand.stored
    if isinstance(x, np.ma.MaskedArray):
        x, out = source, source if out is x else out
    wanted = output_dtype(operand, dtype, outputs)
    if out is None:
        out = _room_like(source, wanted)
        stored = seen(out)
    else:
        stored = check_output(x, source, out, name)
        if stored.dtype.newbyteorder("=") != wanted:
            raise ValueError(f"out: got dtype {stored.dtype}; wants {wanted}")
    storage = outputs[wanted]
    return out, Operand(stored, storage, "", stored.dtype == storage and stored.dtype.isnative, wanted, wanted)


def check_output(x: Any, source: np.ndarray, out: Any, name: str = "x") -> np.ndarray:
    """Refuse an ``out`` to which results for the argument ``x`` cannot be written, whatever their dtype."""
    stored = _output(out, source)
    if stored.shape != source.shape:
        raise ValueError(f"out: got shape {stored.shape}; wants {source.shape}")
    if not stored.flags.writeable:
        raise ValueError("out: got a read-only array; wants a writeable one")
    check_separate("out", stored)
    if out is not x and overlap(stored, source):
        raise ValueError(f"out: got an array that overlaps {name}; wants {name} itself or separate memory")
    return stored


def seen(array: Any) -> np.ndarray:
    """A result as backends see it."""
    return array if isinstance(array, np.ndarray) else plain_array(array, "out")


def given_back(array: np.ndarray) -> Any:
    """What backends made as its library's."""
    return array.place.owner if isinstance(array, OnDevice) else array


def zeros_beside(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros where an array is."""
    zeros = np.zeros(shape)
    return upload(zeros, array) if isinstance(array, OnDevice) else zeros


def repeated(vector: np.ndarray, count: int) -> np.ndarray:
    """The same numbers so many times: flat, or on a device, where nothing is copied for it, as rows."""
    return np.broadcast_to(vector, (count, vector.size)) if isinstance(vector, OnDevice) else np.tile(vector, count)


def on_host(array: np.ndarray) -> np.ndarray:
    """Numbers of channels to be looked at: those on a device are waited for."""
    return array.place.library.host(array) if isinstance(array, OnDevice) else array


def _room_like(source: np.ndarray, dtype: np.dtype) -> Any:
    if isinstance(source, OnDevice):
        return empty_like(source, dtype)
    return np.empty_like(source, dtype=dtype, subok=False)


def _output(out: Any, source: np.ndarray) -> np.ndarray:
    """An array for results, of the kind that the data are."""
    if isinstance(source, OnDevice):
        if (there := on_device(out, "out")) is None:
            raise TypeError(f"out: got {type(out).__name__}; wants an array on the device of the data")
        return same_device("out", there, source)
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out: got {type(out).__name__}; wants a NumPy array")
    return out


def beside(name: str, value: Any, source: np.ndarray) -> np.ndarray:
    """As `same_device`; but numbers and lists that somebody wrote out are short, and go to the device."""
    if isinstance(source, OnDevice) and isinstance(value, bool | int | float | list | tuple):
        return upload(plain_array(value, name), source)
    return same_device(name, value, source)


def same_device(name: str, value: Any, source: np.ndarray | None) -> np.ndarray:
    """An argument on the device, or the host, where the data are: nothing of full size is copied unasked."""
    array = plain_array(value, name)
    if isinstance(source, OnDevice):
        if not isinstance(array, OnDevice):
            raise TypeError(f"{name}: got {type(value).__name__} on the host; wants an array on the device of the data")
        if array.place.device != source.place.device:
            raise ValueError(f"{name}: got an array on device {array.place.device}; wants device {source.place.device}")
    elif isinstance(array, OnDevice):
        raise TypeError(f"{name}: got {type(value).__name__} on a device; wants an array on the host, as the data are")
    return array


def transform_of(output: np.dtype) -> str:
    """The affine map which is right to the last bit of an output dtype."""
    return "affine" if output in (np.float16, np.float32) else "affine_words"


def two_words(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of any supported dtype as float64 plus float64, exact."""
    if value.dtype.kind in "iu" and value.dtype.itemsize == 8:
        return head_wide(value), low_bits(value)
    with np.errstate(invalid="ignore"):  # an extreme may be a signalling NaN of the data
        return value.astype(np.float64), np.zeros(value.shape)


@functools.lru_cache(_REMEMBERED)
def _same_for_all(channels: int, value: float) -> np.ndarray:
    return np.full(channels, value)


def widened(array: np.ndarray) -> np.ndarray:
    """A copy in float64 and C order."""
    if array.dtype.kind != "f" or array.dtype == np.float64:
        return array.astype(np.float64, "C")
    with np.errstate(invalid="ignore"):  # a NaN may be a signalling one (0.7 us, so not for all)
        return array.astype(np.float64, "C")


def channel_vector(
    value: Any, name: str, shape: tuple[int, ...], default: float, data: np.ndarray | None = None
) -> np.ndarray:
    """A per-channel argument as a flat float64 vector, which nobody writes to; on a device only beside data there."""
    if value is None:
        size = 1
        for n in shape:
            size *= n
        return _same_for_all(size, default) if size <= _FEW else np.full(size, default)
    there = on_device(value, name)
    array = _read(value, name) if there is None else there
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{name}: got dtype {array.dtype}; wants real numbers of at most 64 bits")
    if array.shape != shape:
        raise ValueError(f"{name}: got shape {array.shape}; wants {shape}, one number per channel")
    if isinstance(array, OnDevice):
        same_device(name, value, data)
        return array.view(np.uint8) if array.dtype.kind == "b" else array
    return widened(array).reshape(-1)  # a copy: it may be a view of what is written to
