"""A map with its statistics and its output given, captured into a CUDA graph by PyTorch, and replayed on other data.

Capture is not promised: that it is refused is no failure, but wrong values of a replay are one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

import fastbn
from gpu.checks import Case, Refused, SkippedCase, run_cases
from gpu.libraries import Torch, torch
from gpu.samples import DTYPES, Layout, host_data

LAYOUT = Layout("NCHW", (16, 32, 28, 28), 1)


def _library() -> Torch:
    library = torch()
    if library is None:
        raise SkippedCase("PyTorch with CUDA is not installed")
    return library


def replayed(dtype: str, *, vectors: bool) -> None:
    """What a replay writes has the bits of a call."""
    library = _library()
    cuda = library.torch.cuda
    first, second = (library.put(host_data(LAYOUT, dtype, seed)[0]) for seed in (0, 1))
    x, out = first.clone(), library.torch.empty_like(first)
    more = {"gamma": library.put(np.full(32, 1.5)), "beta": library.put(np.full(32, -0.5))} if vectors else {}
    stats = fastbn.channel_stats(first)
    expected = library.get(fastbn.normalize(second, stats, **more)).tobytes()  # compiles everything
    cuda.synchronize()
    graph = cuda.CUDAGraph()
    try:
        with cuda.graph(graph):
            fastbn.normalize(x, stats, out=out, **more)
    except Exception as error:  # noqa: BLE001 - whatever refuses, it is a finding
        cuda.synchronize()
        raise Refused(f"capture: {type(error).__name__}: {error}") from None
    x.copy_(second)
    out.fill_(-7)
    graph.replay()
    cuda.synchronize()
    assert library.get(out).tobytes() == expected, "a replay gave other bits than a call"


def still_working() -> None:
    """After a capture that was refused, calls work."""
    library = _library()
    x = library.put(host_data(LAYOUT, "float32")[0])
    assert float(fastbn.channel_stats(fastbn.zscore(x)).var().round(5).min()) == 1.0


def cases() -> Iterator[Case]:
    """Of every dtype, with and without vectors of channels."""
    for dtype in DTYPES:
        yield f"normalize, out=, {dtype}", lambda dtype=dtype: replayed(dtype, vectors=False)
        yield f"normalize, gamma, beta, out=, {dtype}", lambda dtype=dtype: replayed(dtype, vectors=True)
    yield "a call afterwards", still_working


def run(options: argparse.Namespace) -> Iterator[dict]:  # noqa: ARG001
    """Capture and replay."""
    return run_cases(cases())
