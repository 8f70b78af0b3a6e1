"""Groups of values (``_kernels/grid/groups.py``) as CUDA has them: two words of 64 bits, one load or store."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from .._kernels.grid import groups
from .binding import Known

try:
    from numba.cuda.extending import intrinsic
except ImportError:  # that of Numba itself, whose simulator needs none
    from numba.extending import intrinsic  # type: ignore[assignment]

_WORD = ir.IntType(64)
_BITS = 64
_LANES = ir.VectorType(_WORD, 2)
_GROUP = types.UniTuple(types.int64, 2)


def _size(pointer: Any) -> int:
    """Bytes of an element."""
    return int(np.dtype(str(pointer.dtype)).itemsize)


def _to_word(builder: Any, bits: Any) -> Any:
    return bits if bits.type == _WORD else builder.zext(bits, _WORD)


def _element(builder: Any, pointer: Any, place: Any, size: int) -> Any:
    """Where the bits of an element are."""
    return builder.bitcast(builder.gep(pointer, [place]), ir.IntType(8 * size).as_pointer())


def _either(builder: Any, condition: Any, one: Callable[[], list[Any]], other: Callable[[], list[Any]]) -> list[Any]:
    """What one of two ways gives."""
    with builder.if_else(builder.trunc(condition, ir.IntType(1))) as (then, otherwise):
        with then:
            first, from_first = one(), builder.block
        with otherwise:
            second, from_second = other(), builder.block
    found = []
    for a, b in zip(first, second, strict=True):
        phi = builder.phi(_WORD)
        phi.add_incoming(a, from_first)
        phi.add_incoming(b, from_second)
        found.append(phi)
    return found


def _nothing(values: int) -> Any:
    """No values yet."""

    @intrinsic
    def nothing(typing_context):
        def generate(context, builder, signature, arguments):
            return context.make_tuple(builder, signature.return_type, [_WORD(0), _WORD(0)])

        return _GROUP(), generate

    return nothing


def _near(values: int) -> Any:
    """Neighbours from memory."""

    @intrinsic
    def near(typing_context, x, j, aligned):
        size = _size(x)
        total = values * size

        def generate(context, builder, signature, arguments):
            pointer, j, aligned = arguments

            def at_once():
                if total == 16:
                    place = builder.bitcast(builder.gep(pointer, [j]), _LANES.as_pointer())
                    both = builder.load(place, align=total)
                    return [builder.extract_element(both, ir.IntType(32)(k)) for k in range(2)]
                place = builder.bitcast(builder.gep(pointer, [j]), ir.IntType(8 * total).as_pointer())
                return [_to_word(builder, builder.load(place, align=total)), _WORD(0)]

            def singly():
                words = [_WORD(0), _WORD(0)]
                for k in range(values):
                    bits = builder.load(_element(builder, pointer, builder.add(j, j.type(k)), size), align=size)
                    word, shift = divmod(8 * size * k, _BITS)
                    words[word] = builder.or_(words[word], builder.shl(_to_word(builder, bits), _WORD(shift)))
                return words

            words = _either(builder, aligned, at_once, singly)
            return context.make_tuple(builder, signature.return_type, words)

        return _GROUP(x, types.int64, types.int64), generate

    return near


def _pick(values: int) -> Any:
    """One of the values."""

    @intrinsic
    def pick(typing_context, group, k, x):
        size = _size(x)

        def generate(context, builder, signature, arguments):
            group, k, _ = arguments
            low, high = (builder.extract_value(group, i) for i in range(2))
            first = builder.mul(k, k.type(8 * size))
            beyond = builder.icmp_signed(">=", first, k.type(_BITS))
            bits = builder.select(beyond, high, low)
            if size < _BITS // 8:
                bits = builder.trunc(builder.lshr(bits, builder.and_(first, k.type(_BITS - 1))), ir.IntType(8 * size))
            kind = context.get_data_type(signature.return_type)
            return bits if bits.type == kind else builder.bitcast(bits, kind)

        return x.dtype(_GROUP, types.int64, x), generate

    return pick


def _placed(values: int) -> Any:
    """One more value."""

    @intrinsic
    def placed(typing_context, group, k, v, x):
        size = _size(x)

        def generate(context, builder, signature, arguments):
            group, k, v, _ = arguments
            low, high = (builder.extract_value(group, i) for i in range(2))
            v = context.cast(builder, v, signature.args[2], signature.args[3].dtype)
            bits = ir.IntType(8 * size)
            word = _to_word(builder, v if v.type == bits else builder.bitcast(v, bits))
            first = builder.mul(k, k.type(8 * size))
            beyond = builder.icmp_signed(">=", first, k.type(_BITS))
            word = builder.shl(word, builder.and_(first, k.type(_BITS - 1)))
            low = builder.or_(low, builder.select(beyond, _WORD(0), word))
            high = builder.or_(high, builder.select(beyond, word, _WORD(0)))
            return context.make_tuple(builder, signature.return_type, [low, high])

        return _GROUP(_GROUP, types.int64, v, x), generate

    return placed


def _keep(values: int) -> Any:
    """Neighbours to memory."""

    @intrinsic
    def keep(typing_context, y, j, group, aligned):
        size = _size(y)
        total = values * size

        def generate(context, builder, signature, arguments):
            pointer, j, group, aligned = arguments
            words = [builder.extract_value(group, i) for i in range(2)]

            def at_once():
                place = builder.gep(pointer, [j])
                if total == 16:
                    both = ir.Constant(_LANES, ir.Undefined)
                    for i, word in enumerate(words):
                        both = builder.insert_element(both, word, ir.IntType(32)(i))
                    builder.store(both, builder.bitcast(place, _LANES.as_pointer()), align=total)
                    return []
                kind = ir.IntType(8 * total)
                bits = words[0] if kind == _WORD else builder.trunc(words[0], kind)
                builder.store(bits, builder.bitcast(place, kind.as_pointer()), align=total)
                return []

            def singly():
                for k in range(values):
                    word, shift = divmod(8 * size * k, _BITS)
                    bits = builder.lshr(words[word], _WORD(shift))
                    bits = bits if size == _BITS // 8 else builder.trunc(bits, ir.IntType(8 * size))
                    builder.store(bits, _element(builder, pointer, builder.add(j, j.type(k)), size), align=size)
                return []

            _either(builder, aligned, at_once, singly)
            return context.get_dummy_value()

        return types.none(y, types.int64, _GROUP, types.int64), generate

    return keep


@functools.cache
def compiled(values: int) -> Known:
    """Of so many values: source function -> intrinsic."""
    makers = {
        groups.nothing: _nothing,
        groups.near: _near,
        groups.pick: _pick,
        groups.placed: _placed,
        groups.keep: _keep,
    }
    return {function: make(values) for function, make in makers.items()}
