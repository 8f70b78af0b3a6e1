"""The operations that are measured, and what others have for them: calls by name, made when they are asked for."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fastbn
from gpu.samples import Layout, host_data

Call = Callable[[], Any]
Make = Callable[[], Call]  # prepares a call; may fail where a library does not know something
MOST_GROUPS = 32


class Data(NamedTuple):
    """Arrays of one library: with ``out`` where that library keeps no memory for the next result."""

    library: Any
    x: Any
    dy: Any
    axis: int
    channels: int
    row: int  # length of the last axis
    out: Any = None


def data(library: Any, layout: Layout, dtype: str) -> Data:
    """Put data on the device; for PyTorch, images are (N, C, H, W), in either order in memory."""
    x, dy = (library.put(array) for array in host_data(layout, dtype))
    axis, out = layout.axis, library.like(x) if hasattr(library, "like") else None
    if library.name == "torch" and len(layout.shape) == 4 and axis == -1:
        x, dy, axis = x.permute(0, 3, 1, 2), dy.permute(0, 3, 1, 2), 1
    return Data(library, x, dy, axis, layout.shape[layout.axis], layout.shape[-1], out)


def ours(data: Data) -> dict[str, Make]:
    """Calls of this package."""
    put = data.library.put
    gamma, row = put(np.full(data.channels, 1.5)), put(np.full(data.row, 1.5))
    mean, var = (put(np.full(data.channels, start, np.float32)) for start in (0, 1))
    stats, x = fastbn.channel_stats(data.x, data.axis), data.x
    given: dict[str, Any] = {} if data.out is None else {"out": data.out}
    at: dict[str, Any] = given | {"channel_axis": data.axis}
    train = functools.partial(fastbn.batch_norm, x, gamma, gamma, running_mean=mean, running_var=var, **at)
    groups = math.gcd(data.channels, MOST_GROUPS)
    calls: dict[str, Call] = {
        "channel_stats": lambda: fastbn.channel_stats(x, data.axis),
        "zscore": lambda: fastbn.zscore(x, **at),
        "normalize": lambda: fastbn.normalize(x, stats, **at),
        "minmax_scale": lambda: fastbn.minmax_scale(x, **at),
        "batch_norm, training": train,
        "batch_norm, evaluation": functools.partial(train, training=False),
        "batch_norm_backward": lambda: fastbn.batch_norm_backward(data.dy, x, stats, gamma, **at),
        "instance_norm": lambda: fastbn.instance_norm(x, gamma, gamma, **at),
        "group_norm": lambda: fastbn.group_norm(x, groups, gamma, gamma, **at),
        "layer_norm": lambda: fastbn.layer_norm(x, row, row, **given),
    }
    return {name: lambda call=call: call for name, call in calls.items()}


def of_torch(data: Data) -> dict[str, dict[str, Make]]:
    """Calls of PyTorch, by operation and name; batch normalization with cuDNN and without."""
    torch = data.library.torch
    functional, x, axis = torch.nn.functional, data.x, data.axis % data.x.dim()
    kind = torch.float64 if x.dtype == torch.float64 else torch.float32  # float16 goes with vectors of float32
    weight, row = (torch.full((n,), 1.5, dtype=kind, device=x.device) for n in (data.channels, data.row))
    mean, var = (torch.full((data.channels,), float(n), dtype=kind, device=x.device) for n in (0, 1))
    typed, typed_row = weight.to(x.dtype), row.to(x.dtype)
    others = tuple(a for a in range(x.dim()) if a != axis)
    groups = math.gcd(data.channels, MOST_GROUPS)

    def forward(training: bool) -> Call:
        return lambda: functional.batch_norm(x, mean, var, weight, weight, training, 0.1, 1e-5)

    def backward() -> Call:
        leaf, gamma, beta = (tensor.detach().clone().requires_grad_() for tensor in (x, weight, weight))
        y = functional.batch_norm(leaf, mean, var, gamma, beta, True, 0.1, 1e-5)
        return lambda: torch.autograd.grad(y, (leaf, gamma, beta), data.dy, retain_graph=True)

    def both(make: Make) -> dict[str, Make]:
        def prepare(cudnn: bool) -> Call:
            torch.backends.cudnn.enabled = cudnn  # what forward takes, backward takes
            call = make()

            def switched() -> Any:
                torch.backends.cudnn.enabled = cudnn
                return call()

            return switched

        names = {"torch, cuDNN": True, "torch, native": False}
        return {name: functools.partial(prepare, cudnn) for name, cudnn in names.items()}

    return {
        "channel_stats": {"torch.var_mean": lambda: lambda: torch.var_mean(x, dim=others, correction=0)},
        "batch_norm, training": both(lambda: forward(True)),
        "batch_norm, evaluation": both(lambda: forward(False)),
        "batch_norm_backward": both(backward),
        "instance_norm": both(lambda: lambda: functional.instance_norm(x, weight=weight, bias=weight)),
        "group_norm": {"torch": lambda: lambda: functional.group_norm(x, groups, typed, typed)},
        "layer_norm": {"torch": lambda: lambda: functional.layer_norm(x, (data.row,), typed_row, typed_row)},
    }


def of_cupy(data: Data) -> dict[str, dict[str, Make]]:
    """Calls of CuPy."""
    x, axis = data.x, data.axis % data.x.ndim
    others = tuple(a for a in range(x.ndim) if a != axis)
    return {"channel_stats": {"cupy, mean and var": lambda: lambda: (x.mean(axis=others), x.var(axis=others))}}
