"""Cython source of the kernels, for ``setup.py``: a function per variant and dtype, from the tables that Numba uses.

Design. The kernel modules are plain Python with names left open (``_kernels/variants.py``), and a ``.pxd`` beside each
says the C types, with ``number`` and ``result`` for the dtypes of input and output. A function is written out once for
each set of bindings and dtypes that an entry asks for, and everything it calls likewise, into one module, so that the C
compiler can inline. The body stays as it is but for global names: functions get the name of the form that is meant,
constants their value, and the operations of ``machine.py`` their definition (``load(x, k)`` becomes ``x[k]``) or a C
function of ``machine.h``. Forms that come out with the same text are one function.
"""

import ast
import builtins
import functools
import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from .. import _algebra
from .._arrays import kernel_dtypes
from .._kernels import coefficients, halves, machine, maps, reductions, variants, walks

_HEADER = """\
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
cimport cython
from libc.math cimport INFINITY, NAN, sqrt
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "machine.h" nogil:
    void prefetch "fastbn_prefetch"(const void *start, Py_ssize_t size) noexcept
    float nearer_float "fastbn_nearer_float"(float v, float near) noexcept
    double nearer_double "fastbn_nearer_double"(double v, double near) noexcept
    double multiply_add "fastbn_multiply_add"(double a, double b, double c) noexcept
    int64_t whole "fastbn_whole"(double v) noexcept
    int64_t pattern_float "fastbn_pattern_float"(float v) noexcept
    int32_t single_pattern "fastbn_single_pattern"(float v) noexcept
    float of_pattern "fastbn_of_pattern"(int32_t bits) noexcept
    double of_sum_pattern "fastbn_of_sum_pattern"(int64_t bits) noexcept
    int64_t pattern_double "fastbn_pattern_double"(double v) noexcept
    Py_ssize_t widened "fastbn_widened"(const int16_t *halves, double *row, Py_ssize_t count) noexcept
    Py_ssize_t narrowed "fastbn_narrowed"(const double *row, int16_t *halves, Py_ssize_t count) noexcept
    ctypedef double *lane_sums "double *FASTBN_RESTRICT"
"""
#: Pointers to memory that nothing else in a function reaches.
_ALONE = '    ctypedef {0} *{0}_alone "{0} *FASTBN_RESTRICT"\n'
_AS_NAMED = (
    _algebra.multiply_add,
    machine.whole,
    machine.single_pattern,
    machine.of_pattern,
    machine.of_sum_pattern,
    machine.widened,
    machine.narrowed,
)
_IN_PLACE = (
    machine.load,
    machine.single,
    machine.medium,
    machine.short,
    machine.lesser,
    machine.greater,
    machine.select,
)
_DECLARATION = re.compile(
    r"^(?:@cython\.locals\([^@]*?\)\n)?cdef [^\n]*?\b(\w+)\([^()]*\) noexcept nogil$", re.MULTILINE
)


class _Form(NamedTuple):
    """What a function is written out for: the names left open, and the C types for ``number``, ``read`` and others."""

    bindings: Mapping[str, Any]
    types: Mapping[str, str]


def _c_type(dtype: np.dtype) -> str:
    return {"f2": "int16_t", "f4": "float", "f8": "double"}.get(dtype.str[1:], f"{dtype.name}_t")


def _loop_type(dtype: np.dtype) -> str:
    """What loops read or make in place of the numbers of a row (``rows.py``)."""
    return "double" if dtype == np.float16 else _c_type(dtype)


def _number_types(dtype: np.dtype) -> dict[str, str]:
    """What stands for the dtype of the data.

    Lanes of extremes lie apart from the data and from each other, which C does not know: bytes may be part of anything
    (0.75 of the time without tests for that). Loops over floats were unrolled too far for short rows (1.1 times the
    time), so of these nothing is said.
    """
    c_type = _c_type(dtype)
    return {
        "number": c_type,
        "number_alone": f"{c_type}_alone" if dtype.kind in "iu" else f"{c_type} *",
        "read": _loop_type(dtype),
    }


def _forms() -> Iterator[tuple[ModuleType, tuple[str, ...], _Form]]:
    """Every module of entries with the variant and dtypes it is compiled for, and what a backend calls these."""
    yield coefficients, (), _Form({}, {})
    yield halves, (), _Form({}, {})
    inputs, outputs = kernel_dtypes()
    for method, arithmetic, dtype in reductions.reduction_variants(inputs):
        types = _number_types(dtype) | {"word": _c_type(reductions.STATE_DTYPES[method])}
        yield walks, (method, arithmetic, dtype.name), _Form(reductions.REDUCTIONS[method][arithmetic], types)
    for transform, arithmetic, dtype, output, place in variants.map_variants(inputs, outputs):
        _, bindings = variants.map_bindings(transform, arithmetic, output, place)
        types = _number_types(dtype) | {"result": _c_type(output), "made": _loop_type(output)}
        yield maps, (transform, arithmetic, dtype.name, output.name, place), _Form(bindings, types)


@functools.cache
def _definitions(module: ModuleType) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


@functools.cache
def _declarations(module: ModuleType) -> dict[str, str]:
    """Function -> its declaration in the ``.pxd`` beside the module."""
    text = Path(inspect.getfile(module)).with_suffix(".pxd").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in _DECLARATION.finditer(text)}


def _parameters(definition: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in definition.args.args]


def _locals(definition: ast.FunctionDef) -> set[str]:
    stored = (
        node.id for node in ast.walk(definition) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    return {*_parameters(definition), *stored}


class _Rewriter(ast.NodeTransformer):
    """Puts in place of a body's global names what they mean in a form."""

    def __init__(self, source: "CythonSource", module: ModuleType, own: set[str], form: _Form) -> None:
        self._source, self._module, self._own, self._form = source, module, own, form

    def _meaning(self, name: str) -> Any:
        for scope in (vars(self._module), self._form.bindings, vars(builtins)):
            if name in scope:
                return variants.COMPILED.get(scope[name], scope[name]) if callable(scope[name]) else scope[name]
        raise NameError(f"{self._module.__name__}: nothing stands for {name!r}")

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._own:
            return node
        meaning = self._meaning(node.id)
        if isinstance(meaning, int) and meaning >= 1 << 31:
            return ast.Name(f"{meaning}LL")  # a plain literal of that size is a Python object
        if isinstance(meaning, int | float):
            return ast.Constant(meaning) if math.isfinite(meaning) else ast.Name("INFINITY" if meaning > 0 else "NAN")
        return ast.Name(self._source.name_of(meaning, self._form))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        assert isinstance(node.func, ast.Name)
        arguments = [self.visit(argument) for argument in node.args]
        meaning = None if node.func.id in self._own else self._meaning(node.func.id)
        if meaning is machine.window:
            return ast.BinOp(arguments[0], ast.Add(), arguments[1])
        if meaning is machine.prefetch:
            x, k, count = map(ast.unparse, arguments)
            return ast.parse(f"prefetch({x} + ({k}), ({count}) * sizeof({x}[0]))", mode="eval").body
        if meaning in _IN_PLACE:
            return _expression(meaning, arguments)
        return ast.Call(self.visit(node.func), arguments, [])

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and self._meaning(call.func.id) is machine.store
        ):
            target, index, value = (self.visit(argument) for argument in call.args)
            return ast.Assign([ast.Subscript(target, index)], value, lineno=0)
        return self.generic_visit(node)


def _expression(function: Callable[..., Any], arguments: list[ast.expr]) -> ast.AST:
    """The expression that a function of one line returns, with arguments for its parameters."""
    definition = _definitions(machine)[function.__name__]
    values = dict(zip(_parameters(definition), arguments, strict=True))

    class Substitute(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return values[node.id]

    returned = definition.body[-1]
    assert isinstance(returned, ast.Return)
    expression: ast.AST = Substitute().visit(ast.parse(ast.unparse(returned.value or returned), mode="eval").body)
    return expression


class CythonSource:
    """The module under way: functions written so far, and where each form of one is."""

    def __init__(self) -> None:
        self._functions: dict[str, str] = {}  # text without a name -> name
        self._names: dict[Any, str] = {}
        self._kept: list[Any] = []  # bindings are told apart by where they are in memory, so they must stay there
        self._parts: list[str] = []

    def name_of(self, meaning: Any, form: _Form) -> str:
        """Name of a function in the module; it is written first if it is not there yet."""
        if isinstance(meaning, variants.Made):
            return self.name_of(getattr(meaning.module, meaning.name), _Form(meaning.bindings, form.types))
        if not isinstance(meaning, FunctionType):
            return str(meaning.__name__)  # a builtin, or sqrt
        if meaning in (machine.nearer, machine.pattern):
            return f"{meaning.__name__}_{form.types['number']}"
        if meaning is machine.sum_pattern:
            return "pattern_double"
        if meaning in _AS_NAMED:
            return str(meaning.__name__)
        key = meaning, id(form.bindings), *form.types.values()
        if key not in self._names:
            self._kept.append(form.bindings)
            self._names[key] = self._write(meaning, form)
        return self._names[key]

    def _write(self, function: FunctionType, form: _Form) -> str:
        module = inspect.getmodule(function)
        assert module is not None
        definition = _definitions(module)[function.__name__]
        declaration = _declarations(module)[function.__name__]
        for word, c_type in form.types.items():
            declaration = re.sub(rf"\b{word}\b", c_type, declaration)
        rewriter = _Rewriter(self, module, _locals(definition), form)
        copy = ast.parse(ast.unparse(definition)).body[0]
        assert isinstance(copy, ast.FunctionDef)
        body = [rewriter.visit(statement) for statement in copy.body[1:]] or [ast.Pass()]
        lines = ast.unparse(ast.fix_missing_locations(ast.Module(body, []))).replace("\n", "\n    ")
        head, tail = re.split(rf"\b{function.__name__}(?=\()", declaration, maxsplit=1)
        text = f"{head}{{}}{tail}:\n    {lines}\n"
        # Formulas are part of the loops around them, or C compilers do not vectorize these (1.06 of the time).
        if not any(isinstance(node, ast.For | ast.While) for node in ast.walk(definition)):
            head = head.replace("cdef ", "cdef inline ")
        if text not in self._functions:
            count = sum(name.rpartition("_")[0] == function.__name__ for name in self._functions.values())
            self._functions[text] = f"{function.__name__}_{count}"
            self._parts.append(f"{head}{self._functions[text]}{tail}:\n    {lines}\n")
        return self._functions[text]

    def text(self) -> str:
        """The whole module, with a function that tells the address of each entry."""
        table = []
        for module, labels, form in _forms():
            for entry in variants.ENTRIES[module]:
                name = self.name_of(getattr(module, entry), form)
                table.append(f"        {(entry, *labels)!r}: <size_t><void *>{name},\n")
        addresses = "def addresses():\n    return {\n" + "".join(table) + "    }\n"
        whole = {dtype for _, dtype in kernel_dtypes()[0] if dtype.kind != "f"}
        alone = "".join(_ALONE.format(_c_type(dtype)) for dtype in sorted(whole, key=str))
        return "\n\n".join([_HEADER + alone, *self._parts, addresses])
