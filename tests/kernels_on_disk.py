"""Compile a kernel of each kind for a device that is not there, and print how many were found on disk and how many not.

Numba keeps what it compiles for the device it sees; here it sees one by what it asks for.
"""

from types import SimpleNamespace

import numpy as np
from numba.cuda import codegen, dispatcher

from fastbn._backends import cuda_kernels

DEVICE = SimpleNamespace(compute_capability=(9, 0), id=0)
dispatcher.get_current_device = lambda: DEVICE
dispatcher._Kernel.bind = lambda self: None  # to a driver
codegen.devices.get_context = lambda *_: SimpleNamespace(device=DEVICE)

F4, F8 = np.dtype("f4"), np.dtype("f8")
kernels = (
    cuda_kernels.moments("single", F4, "all").rows,
    cuda_kernels.exact_sums("double", F8, "marked").close,
    cuda_kernels.mapping("affine", "single", F4, F4, F4).columns,
    cuda_kernels.stage(F4, F8),
    cuda_kernels.of_channels("standardize_channels"),
)
stats = [kernel._compiled.stats for kernel in kernels]
print(sum(sum(s.cache_hits.values()) for s in stats), sum(sum(s.cache_misses.values()) for s in stats))
