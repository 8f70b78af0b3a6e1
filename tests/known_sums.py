"""Data of known difficulty: sums of a chosen condition, and the reference sets of NIST that a program can make."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

import oracle

Rng = np.random.Generator


def gen_dot(dtype, pairs: int, cond: float, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Two vectors whose dot product has about the condition ``cond`` (Ogita, Rump, Oishi 2005, algorithm 6.1)."""
    real, half, bits = dtype.type, pairs // 2, math.log2(cond)
    exponent = np.round(rng.uniform(0, bits / 2, half))
    exponent[0], exponent[-1] = round(bits / 2) + 1, 0
    x = list((rng.uniform(-1, 1, half) * np.exp2(exponent)).astype(real))
    y = list((rng.uniform(-1, 1, half) * np.exp2(exponent)).astype(real))
    dot = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, y, strict=True))
    for e in np.round(np.linspace(bits / 2, 0, pairs - half)):
        a = real(rng.uniform(-1, 1) * 2**e)
        b = real((rng.uniform(-1, 1) * 2**e - oracle.rounded(dot, dtype)) / float(a))
        x.append(a)
        y.append(b)
        dot += Fraction(float(a)) * Fraction(float(b))
    order = rng.permutation(pairs)
    return np.array(x, dtype)[order], np.array(y, dtype)[order]


def gen_sum(dtype, pairs: int, cond: float, rng: Rng) -> np.ndarray:
    """Summands whose sum has a condition within a factor 30 below ``cond``: products and their rounding errors.

    The recipe overshoots by a factor of 5 to 100, so the condition is computed exactly and the recipe repeated until
    it fits.
    """
    for _ in range(50):
        x, y = gen_dot(dtype, pairs, cond / 50, rng)
        exact = [Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, y, strict=True)]
        head = oracle.rounded_array(exact, dtype)
        tail = oracle.rounded_array([e - Fraction(float(h)) for e, h in zip(exact, head, strict=True)], dtype)
        values = rng.permutation(np.concatenate([head, tail]))
        if cond / 30 <= oracle.moments(values).cond <= cond:
            return values
    raise RuntimeError(f"no sum of condition {cond:g} found in {dtype}")


def nist() -> Iterator[tuple[str, np.ndarray, str, str]]:
    """Name, values, certified mean and certified standard deviation (n - 1) of the generated StRD sets."""
    yield "PiDigits", pi_digits().astype(np.float64), "4.53480000000000", "2.86733906028871"
    yield "NumAcc1", np.array([10000001.0, 10000003.0, 10000002.0]), "10000002", "1"
    for name, base in (("NumAcc2", "1"), ("NumAcc3", "1000000"), ("NumAcc4", "10000000")):
        text = [f"{base}.2"] + [f"{base}.1", f"{base}.3"] * 500
        yield name, np.array([float(number) for number in text]), f"{base}.2", "0.1"


def pi_digits() -> np.ndarray:
    """5000 digits of pi, the leading 3 included; digit 956 is 3 in the set that NIST certifies, 8 in pi."""
    scale = 10**5010
    digits = 4 * (4 * _arctan_inverse(5, scale) - _arctan_inverse(239, scale)) // 10**11
    blocks = []
    while digits:  # the interpreter refuses to print integers of more than 4300 digits at once
        digits, block = divmod(digits, 10**1000)
        blocks.append(f"{block:01000d}" if digits else str(block))
    text = "".join(reversed(blocks))
    assert len(text) == 5000
    assert text[956] == "8"
    return np.array([int(digit) for digit in text[:956] + "3" + text[957:]])


def _arctan_inverse(x: int, scale: int) -> int:
    """``arctan(1/x) * scale`` by Taylor's series (Machin's formula for pi needs x = 5 and 239)."""
    total, power, k = 0, scale // x, 0
    while power:
        total += (-1) ** k * (power // (2 * k + 1))
        power //= x * x
        k += 1
    return total
