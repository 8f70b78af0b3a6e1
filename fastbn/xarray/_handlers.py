"""Functions of arrays, known by positions of axes, on labelled arrays."""

import inspect
from collections.abc import Callable
from typing import Any

import xarray as xr

from .._layout import split_axes
from ..batchnorm import batch_norm, batch_norm_backward
from ..layernorm import layer_norm, layer_norm_backward
from ..normalization import denormalize, minmax_scale, minmax_unscale, normalize, zscore
from ..quantiles import channel_quantiles
from ..relatives import group_norm, group_norm_backward, instance_norm, instance_norm_backward
from ..robust import robust_scale
from ..statistics import channel_stats
from ._calls import Call, gradients, mapped, statistics

_MAPS = (
    zscore, minmax_scale, robust_scale, normalize, denormalize, minmax_unscale,
    batch_norm, instance_norm, group_norm, layer_norm,
)  # fmt: skip
_STATISTICS = (channel_stats, channel_quantiles)
_BACKWARD = (batch_norm_backward, instance_norm_backward, group_norm_backward, layer_norm_backward)


def _by_position(function: Callable[..., Any], run: Callable[[Call, Any], Any]) -> Callable[..., Any]:
    """A function of arrays on a labelled one: positions become names."""
    signature = inspect.signature(function)
    data, *others = signature.parameters
    keyword = "axis" if "axis" in others else "channel_axis"

    def handler(*args: Any, **kwargs: Any) -> Any:
        arguments = signature.bind(*args, **kwargs).arguments
        x = arguments.pop(data)
        if isinstance(x, xr.Dataset):
            raise TypeError(
                f"{data}: got a Dataset, whose variables have no axes in common; wants a DataArray, or names of "
                f"dimensions: fastbn.xarray.{function.__name__}"
            )
        axes = arguments.pop(keyword, signature.parameters[keyword].default)
        return run(Call(function, _names(x, axes, keyword), arguments, keyword=keyword, data=data), x)

    return handler


def _names(x: xr.DataArray, axes: Any, keyword: str) -> tuple[Any, ...]:
    try:
        return tuple(x.dims[axis] for axis in split_axes(x.shape, axes).kept)
    except (TypeError, ValueError) as error:  # the user may know the argument by another name
        raise type(error)(str(error).replace("channel_axis", keyword)) from None


HANDLERS = {
    function.__name__: _by_position(function, run)
    for functions, run in ((_MAPS, mapped), (_STATISTICS, statistics), (_BACKWARD, gradients))
    for function in functions
}
