"""The operations of ``_kernels/machine.py`` as LLVM instructions for Numba.

With ``NUMBA_BOUNDSCHECK=1`` they raise IndexError outside of an array, as Numba's own indexing does then.
"""

from typing import Any

from llvmlite import binding, ir
from numba import config, float32, int16, int32, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from .._kernels.halves import QUIET, SIGN

_LINE = 64  # bytes
_SHORT = ir.IntType(16)


def _prefer_wide_vectors(function: ir.Function) -> None:
    """Let LLVM use 512-bit registers where there are any.

    1.3 to 1.6 times the speed of a tile kernel on a Xeon with AVX-512.
    LLVM keeps to 256 bits there by default, for the sake of older chips. The attribute counts for the function it
    stands on, so that function must not be inlined. llvmlite knows no string attributes, hence the call of the base
    class.
    """
    set.add(function.attributes, '"prefer-vector-width"="512"')
    function.attributes.add("noinline")


def _element(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    array = context.make_array(array_type)(context, builder, array)
    _check(context, builder, index, _size(builder, array))
    return builder.gep(array.data, [index], inbounds=True)


def _size(builder: Any, array: Any) -> Any:
    return builder.extract_value(array.shape, 0)


def _check(context: Any, builder: Any, index: Any, size: Any) -> None:
    """Let the function that is being compiled look at an index, if that is asked for."""
    if context.enable_boundscheck:
        cgutils.do_boundscheck(context, builder, index, size)


@intrinsic
def load(typing_context, x, k):
    """x[k] without the test for a negative k, which keeps LLVM from seeing that a row is contiguous."""

    def generate(context, builder, signature, arguments):
        _prefer_wide_vectors(builder.function)
        pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
        return context.unpack_value(builder, signature.args[0].dtype, pointer)

    return x.dtype(x, types.intp), generate


@intrinsic
def store(typing_context, y, k, v):
    """y[k] = v, converted to the dtype of y."""

    def generate(context, builder, signature, arguments):
        pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
        value = context.cast(builder, arguments[2], signature.args[2], signature.args[0].dtype)
        context.pack_value(builder, signature.args[0].dtype, value, pointer)
        return context.get_dummy_value()

    return types.none(y, types.intp, v), generate


@intrinsic
def window(typing_context, x, k):
    """x[k:] that keeps nothing alive: kernels count no references (``_FLAGS`` of ``numba_cpu.py``)."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        whole = _size(builder, array)
        _check(context, builder, arguments[1], builder.add(whole, whole.type(1)))  # the end of an array is one
        size = builder.sub(whole, arguments[1])
        view = context.make_array(signature.return_type)(context, builder)
        arrayobj.populate_array(
            view,
            data=builder.gep(array.data, [arguments[1]], inbounds=True),
            shape=[size],
            strides=[builder.extract_value(array.strides, 0)],
            itemsize=array.itemsize,
            meminfo=None,
        )
        return view._getvalue()

    return x(x, types.intp), generate


@njit
def single(v):
    """v as float32."""
    return float32(v)


@njit
def medium(v):
    """v as int32."""
    return int32(v)


@njit
def short(v):
    """v as int16."""
    return int16(v)


@intrinsic
def prefetch(typing_context, x, k, count):
    """Bring the lines of ``count`` elements from x[k] on into the caches.

    In place, as the loop it is: a call for each row, its references counted, took 0.3 of the time of channels last.
    """

    def generate(context, builder, signature, arguments):
        array, start, count = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        step = count.type(_LINE // size)
        with cgutils.for_range_slice(builder, count.type(0), count, step, count.type) as (place, _):
            line = builder.bitcast(builder.gep(data, [builder.add(start, place)]), cgutils.voidptr_t)
            builder.call(function, [line, word(0), word(2), word(1)])  # for reading, into the second level, data
        return context.get_dummy_value()

    return types.none(x, types.intp, types.intp), generate


def _extremum(test: str) -> Any:
    """A comparison and a selection, which are one instruction; the second operand where one of them is NaN."""

    @intrinsic
    def operation(typing_context, a, b):
        common = typing_context.unify_types(a, b)

        def generate(context, builder, signature, arguments):
            if isinstance(common, types.Float):
                compare = builder.fcmp_ordered
            else:
                compare = builder.icmp_signed if common.signed else builder.icmp_unsigned
            return builder.select(compare(test, *arguments), *arguments)

        return common(common, common), generate

    return operation


lesser = _extremum("<")
greater = _extremum(">")


@intrinsic
def nearer(typing_context, v, near):
    """Compared as integers, in which floats of one sign are ordered; 0 less 1 is the largest of them."""

    def generate(context, builder, signature, arguments):
        bits = ir.IntType(signature.return_type.bitwidth)
        size = bits((1 << (bits.width - 1)) - 1)
        one = bits(1)
        less = [builder.sub(builder.and_(builder.bitcast(a, bits), size), one) for a in arguments]
        smaller = builder.select(builder.icmp_unsigned("<", *less), *less)
        return builder.bitcast(builder.add(smaller, one), arguments[0].type)

    return v(v, v), generate


@intrinsic
def pattern(typing_context, v):
    """The bits of a float as an integer."""

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], ir.IntType(signature.args[0].bitwidth))
        return builder.sext(bits, ir.IntType(64)) if bits.type.width < 64 else bits

    return types.int64(v), generate


single_pattern = sum_pattern = pattern


def _float_of_bits(made: types.Float) -> Any:
    """The float of some bits, of which there may be more."""

    @intrinsic
    def operation(typing_context, bits):
        def generate(context, builder, signature, arguments):
            word = ir.IntType(made.bitwidth)
            value = arguments[0]
            value = builder.trunc(value, word) if value.type.width > word.width else value
            return builder.bitcast(value, context.get_value_type(made))

        return made(bits), generate

    return operation


of_pattern, of_sum_pattern = _float_of_bits(types.float32), _float_of_bits(types.float64)


@intrinsic
def multiply_add(typing_context, a, b, c):
    """A fused multiply-add."""

    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@intrinsic
def of_half(typing_context, h):
    """``halves.of_half`` as an instruction."""

    def generate(context, builder, signature, arguments):
        bits = arguments[0]
        bits = builder.trunc(bits, _SHORT) if bits.type.width > _SHORT.width else bits
        return builder.fpext(builder.bitcast(bits, ir.HalfType()), ir.FloatType())

    return types.float32(h), generate


@intrinsic
def of_single(typing_context, v):
    """``halves.of_single`` as an instruction, with the one NaN of the formula."""

    def generate(context, builder, signature, arguments):
        half = builder.fptrunc(arguments[0], ir.HalfType())
        bits = builder.bitcast(half, _SHORT)
        nan = builder.fcmp_unordered("uno", arguments[0], arguments[0])
        quiet = builder.or_(builder.and_(bits, _SHORT(SIGN)), _SHORT(QUIET))
        return builder.select(nan, quiet, bits)

    return types.int16(types.float32), generate


def converts_halves() -> bool:
    """Whether the processor that Numba compiles for has both; else LLVM would call a function for each value."""
    chosen = config.CPU_NAME is not None or config.CPU_FEATURES is not None
    return not chosen and binding.get_host_cpu_features().get("f16c", False)
