"""The rows of `compare.py`: what is done to which array, by fastbn and by others, and what it should give."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import fastbn
from compare_common import (
    DTYPES,
    EPS,
    REDUCERS,
    Row,
    albucore,
    cv2,
    data,
    moments,
    of_gradient,
    of_map,
    of_moments,
    scipy,
    sklearn,
    torch,
)


def squared(mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance."""
    return mean, std**2


def statistics_rows(sizes: dict) -> Iterator[Row]:
    """Mean, variance and extremes (others: mean and variance alone)."""
    for (name, (shape, axis)), dtype in ((size, dtype) for size in sizes.items() for dtype in DTYPES):
        x = data(shape, dtype)
        axes = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
        peers = {}
        if dtype == "float32":
            peers["NumPy mean, var"] = lambda x=x, axes=axes: (x.mean(axis=axes), x.var(axis=axes))
            if torch:
                t = torch.from_numpy(x)
                peers["torch.var_mean"] = lambda t=t, axes=axes: torch.var_mean(t, dim=axes, correction=0)[::-1]
            for other, module in REDUCERS.items() if len(axes) == 1 else ():
                peers[f"{other} nanmean, nanvar"] = lambda m=module, x=x, a=axes[0]: (
                    m.nanmean(x, axis=a),
                    m.nanvar(x, axis=a, ddof=0),
                )
            if cv2 and shape[-1] <= 4 and axis in (-1, x.ndim - 1):
                flat = x.reshape(1, -1, shape[-1])
                peers["cv2.meanStdDev"] = lambda f=flat: squared(*cv2.meanStdDev(f))
        yield Row(
            f"channel_stats, {name}, {dtype}",
            lambda x=x, axis=axis: fastbn.channel_stats(x, axis),
            of_moments(x, axis),
            x.nbytes,
            peers=peers,
        )


def torch_forwards(x: np.ndarray, stats: fastbn.ChannelStats) -> tuple[dict, dict]:
    """Evaluation and training by PyTorch into outputs given, channels second."""
    if not torch:
        return {}, {}
    t, out = torch.from_numpy(x), torch.ones(x.shape)
    kept = [torch.from_numpy(a).float() for a in (stats.mean, stats.var())]
    ones, zeros, *room = (torch.full((x.shape[1],), float(k == 0)) for k in range(4))

    def forward(training: bool, eps: float) -> object:
        running = [a.clone() for a in kept]
        return torch.native_batch_norm(t, ones, zeros, *running, training, 0.1, eps, out=(out, *room))[0]

    name = "torch.native_batch_norm(out=)"
    return {name: lambda: forward(False, 0.0)}, {name: lambda: forward(True, EPS)}


def map_rows(sizes: dict) -> Iterator[Row]:
    """Evaluation with given statistics, min-max and the training forward, outputs given."""
    for (name, (shape, axis)), dtype in ((size, dtype) for size in sizes.items() for dtype in DTYPES):
        x = data(shape, dtype)
        out = np.ones(shape, fastbn.zscore(x[:1], None).dtype)
        stats = fastbn.channel_stats(x, axis)
        mean, var = moments(x, axis)
        low, high = stats.min.astype(float), stats.max.astype(float)
        flat = x.reshape(-1)
        std = np.sqrt(var)
        bytes_ = {"read": x.nbytes, "written": out.nbytes}
        evaluating, training = torch_forwards(x, stats) if dtype == "float32" and axis == 1 else ({}, {})
        yield Row(
            f"normalize, {name}, {dtype}, out=",
            lambda x=x, stats=stats, axis=axis, out=out: fastbn.normalize(x, stats, axis, out=out),
            of_map(lambda k, c, f=flat, m=mean, s=std: (f[k] - m[c]) / s[c], x, axis),
            peers=evaluating,
            **bytes_,
        )
        yield Row(
            f"minmax_scale by given statistics, {name}, {dtype}, out=",
            lambda x=x, stats=stats, axis=axis, out=out: fastbn.minmax_scale(x, axis, stats=stats, out=out),
            of_map(lambda k, c, f=flat, a=low, b=high: (f[k] - a[c]) / (b[c] - a[c]), x, axis),
            **bytes_,
        )
        fused = axis == 1 and x.ndim == 4 and x.nbytes // shape[1] <= 1 << 22
        yield Row(
            f"batch_norm, training, {name}, {dtype}, out=",
            lambda x=x, axis=axis, out=out: fastbn.batch_norm(x, channel_axis=axis, out=out),
            of_map(lambda k, c, f=flat, m=mean, v=var: (f[k] - m[c]) / np.sqrt(v[c] + EPS), x, axis),
            x.nbytes if fused else 2 * x.nbytes,
            out.nbytes,
            training,
        )


def backward_rows(sizes: dict) -> Iterator[Row]:
    """Gradients, all of them, that of x into an output given."""
    for (name, (shape, axis)), dtype in ((size, dtype) for size in sizes.items() for dtype in ("float32", "float64")):
        x, dy = data(shape, dtype), np.flip(data(shape, dtype)) - np.float32(3)
        dy, out, stats = np.ascontiguousarray(dy), np.ones_like(x), fastbn.channel_stats(x, axis)
        peers = {}
        if torch and dtype == "float32" and axis == 1:
            ones = torch.ones(shape[1])
            tensors = torch.from_numpy(dy), torch.from_numpy(x), ones, None, None
            moments_ = torch.from_numpy(stats.mean).float(), torch.from_numpy(1 / np.sqrt(stats.var() + EPS)).float()
            places = {"out0": torch.ones(shape), "out1": torch.ones_like(ones), "out2": torch.ones_like(ones)}
            peers["torch.native_batch_norm_backward(out=)"] = lambda t=tensors, m=moments_, o=places: (
                torch.ops.aten.native_batch_norm_backward.out(*t, *m, True, EPS, [True, True, True], **o)[0]
            )
        fused = axis == 1 and x.ndim == 4 and x.nbytes // shape[1] <= 1 << 22
        yield Row(
            f"batch_norm_backward, {name}, {dtype}, out=",
            lambda dy=dy, x=x, s=stats, a=axis, o=out: fastbn.batch_norm_backward(dy, x, s, channel_axis=a, out=o).dx,
            of_gradient(x, dy, axis),
            (2 if fused else 4) * x.nbytes,
            out.nbytes,
            peers,
        )


def new_memory_rows(sizes: dict) -> Iterator[Row]:
    """The training forward and evaluation as most people call them: in new memory."""
    for name in ("NCHW", "channels last, 64", "table"):
        shape, axis = sizes[name]
        x = data(shape, "float32")
        stats, (mean, var), flat = fastbn.channel_stats(x, axis), moments(x, axis), x.reshape(-1)
        expected = of_map(lambda k, c, f=flat, m=mean, v=var: (f[k] - m[c]) / np.sqrt(v[c] + EPS), x, axis)
        peers: dict[str, dict[str, Callable[[], object]]] = {"training": {}, "evaluation": {}}
        if torch and axis == 1:
            t, kept = torch.from_numpy(x), [torch.from_numpy(a).float() for a in (stats.mean, stats.var())]
            for kind, training in (("training", True), ("evaluation", False)):
                peers[kind]["torch.nn.functional.batch_norm"] = lambda t=t, k=kept, training=training: (
                    torch.nn.functional.batch_norm(t, *([None, None] if training else k), training=training, eps=EPS)
                )
        read = x.nbytes if name == "NCHW" else 2 * x.nbytes
        yield Row(
            f"batch_norm, training, {name}, float32, new memory",
            lambda x=x, a=axis: fastbn.batch_norm(x, channel_axis=a),
            expected,
            read,
            x.nbytes,
            peers["training"],
            x.nbytes,
        )
        yield Row(
            f"normalize, {name}, float32, new memory",
            lambda x=x, s=stats, a=axis: fastbn.normalize(x, s, a, eps=EPS),
            expected,
            x.nbytes,
            x.nbytes,
            peers["evaluation"],
            x.nbytes,
        )


def table_rows(sizes: dict) -> Iterator[Row]:
    """Standardization of a table in new memory, as scikit-learn and SciPy do it."""
    shape, _ = sizes["table"]
    x = data(shape, "float32")
    mean, var = moments(x, 1)
    peers = {"NumPy": lambda: (x - x.mean(axis=0)) / x.std(axis=0)}
    if sklearn:
        peers["StandardScaler().fit_transform"] = lambda: sklearn.StandardScaler().fit_transform(x)
    if scipy:
        peers["scipy.stats.zscore"] = lambda: scipy.zscore(x)
    expected = of_map(lambda k, c: (x.reshape(-1)[k] - mean[c]) / np.sqrt(var[c]), x, 1)
    bytes_ = {"read": 2 * x.nbytes, "written": x.nbytes, "allocated": x.nbytes}
    yield Row("zscore, table, float32, new memory", lambda: fastbn.zscore(x), expected, peers=peers, **bytes_)
    low, high = x.min(axis=0).astype(float), x.max(axis=0).astype(float)
    peers = {"NumPy": lambda: (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))}
    if sklearn:
        peers["MinMaxScaler().fit_transform"] = lambda: sklearn.MinMaxScaler().fit_transform(x)
    expected = of_map(lambda k, c: (x.reshape(-1)[k] - low[c]) / (high[c] - low[c]), x, 1)
    yield Row(
        "minmax_scale, table, float32, new memory", lambda: fastbn.minmax_scale(x), expected, peers=peers, **bytes_
    )


def picture_rows(sizes: dict) -> Iterator[Row]:
    """8-bit photographs to float32, as OpenCV and albucore do it, image by image."""
    shape, _ = sizes["channels last"]
    x = data(shape, "uint8")
    out = np.ones(shape, np.float32)
    mean, var = moments(x, -1)
    peers: dict[str, Callable[[], object]] = {}
    if cv2:

        def with_cv2() -> np.ndarray:
            center, std = cv2.meanStdDev(x.reshape(1, -1, 3))
            for image, result in zip(x, out, strict=True):
                cv2.multiply(image, (*(1 / std).ravel(), 0), dst=result, dtype=cv2.CV_32F)
                cv2.add(result, (*(-center / std).ravel(), 0), dst=result)
            return out

        peers["cv2.meanStdDev, multiply, add"] = with_cv2
    if albucore:

        def with_albucore() -> np.ndarray:
            center, std = (getattr(x, name)(axis=(0, 1, 2), dtype=np.float64) for name in ("mean", "std"))
            for image, result in zip(x, out, strict=True):
                result[...] = albucore.normalize(image, center.astype(np.float32), (1 / std).astype(np.float32))
            return out

        peers["NumPy mean, std; albucore.normalize"] = with_albucore
    expected = of_map(lambda k, c: (x.reshape(-1)[k] - mean[c]) / np.sqrt(var[c]), x, -1)
    yield Row(
        "zscore, pictures, uint8, out=",
        lambda: fastbn.zscore(x, -1, out=out),
        expected,
        2 * x.nbytes,
        out.nbytes,
        peers,
    )


ROWS = (statistics_rows, map_rows, backward_rows, new_memory_rows, table_rows, picture_rows)
