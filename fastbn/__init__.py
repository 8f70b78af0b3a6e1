"""Per-channel statistics and normalization of arrays: right to the last bit, as fast as memory.

Every function takes an array of any rank and ``channel_axis``, the axis (or axes) that is kept:

>>> import numpy as np, fastbn
>>> x = np.array([[280.0, 1.0], [282.0, 5.0]], dtype=np.float32)
>>> fastbn.channel_stats(x).mean
array([281.,   3.])
>>> fastbn.zscore(x)
array([[-1., -1.],
       [ 1.,  1.]], dtype=float32)
"""

import importlib

from ._accumulators import get_accumulators, set_accumulators
from ._backends import BackendInfo, BackendUnavailable, backends, set_backend, use_backend
from ._config import show_config
from ._threads import get_num_threads, set_num_threads
from ._version import __version__
from .batchnorm import BatchNormGradients, batch_norm, batch_norm_backward
from .layer import BatchNorm
from .layernorm import layer_norm, layer_norm_backward
from .normalization import denormalize, minmax_scale, minmax_unscale, normalize, zscore
from .quantiles import ChannelQuantiles, channel_quantiles
from .relatives import group_norm, group_norm_backward, instance_norm, instance_norm_backward
from .robust import robust_scale
from .statistics import ChannelStats, channel_stats
from .streaming import stream_from_host

__all__ = [
    "BackendInfo",
    "BackendUnavailable",
    "BatchNorm",
    "BatchNormGradients",
    "ChannelQuantiles",
    "ChannelStats",
    "__version__",
    "backends",
    "batch_norm",
    "batch_norm_backward",
    "channel_quantiles",
    "channel_stats",
    "denormalize",
    "get_accumulators",
    "get_num_threads",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "minmax_scale",
    "minmax_unscale",
    "normalize",
    "robust_scale",
    "set_accumulators",
    "set_backend",
    "set_num_threads",
    "show_config",
    "stream_from_host",
    "use_backend",
    "zscore",
]

#: Modules for other libraries, which importing this package does not import.
_INTEGRATIONS = ("dask", "sklearn", "xarray")


def __getattr__(name: str) -> object:
    """Import the module for another library when somebody asks for it."""
    if name in _INTEGRATIONS:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names, those of modules included that are imported on request."""
    return sorted({*globals(), *_INTEGRATIONS})
