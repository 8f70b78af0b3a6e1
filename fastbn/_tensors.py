"""Tensors of PyTorch, wherever they are: which of them can be read."""

from typing import Any

import numpy as np


def readable_tensor(x: Any, name: str) -> np.dtype:
    """The dtype of a tensor of PyTorch whose memory holds what it says; its gradients could not be followed."""
    if getattr(x, "requires_grad", False):
        raise TypeError(
            f"{name}: got a tensor that requires gradients, which fastbn does not follow; wants {name}.detach() "
            "(gradients: batch_norm_backward and its relatives)"
        )
    if getattr(x, "is_neg", bool)():
        raise TypeError(f"{name}: got a tensor whose sign is still to be turned; wants one from {name}.resolve_neg()")
    dtype = _dtype_of_numpy(str(x.dtype).removeprefix("torch."))
    if dtype is None:
        raise TypeError(
            f"{name}: got dtype {x.dtype}; wants float16/32/64, bool or an integer: convert it with {name}.float()"
        )
    return dtype


def _dtype_of_numpy(name: str) -> np.dtype | None:
    """What NumPy itself has by that name: JAX brings it a bfloat16, which PyTorch cannot give it."""
    try:
        dtype = np.dtype(name)
    except TypeError:
        return None
    return dtype if dtype.isbuiltin == 1 else None
