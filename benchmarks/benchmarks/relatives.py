"""Instance, group and layer normalization, and the layer of batch normalization: both passes."""

import numpy as np

import fastbn

from . import common

SHAPES = {"small": (8, 8, 4), "images": (32, 64, 56, 56), "short": (64, 256, 14, 14), "tokens": (8192, 768)}
FORWARD = {
    "instance": lambda b, **k: fastbn.instance_norm(b.x, b.gamma, b.beta, **k),
    "group": lambda b, **k: fastbn.group_norm(b.x, b.x.shape[1] // 2, b.gamma, b.beta, **k),
    "layer": lambda b, **k: fastbn.layer_norm(b.x, b.along, b.along, **k),
}
BACKWARD = {
    "instance": lambda b, **k: fastbn.instance_norm_backward(b.dy, b.x, b.gamma, **k),
    "group": lambda b, **k: fastbn.group_norm_backward(b.dy, b.x, b.x.shape[1] // 2, b.gamma, **k),
    "layer": lambda b, **k: fastbn.layer_norm_backward(b.dy, b.x, b.along, **k),
}


class _Passes(common.Selected):
    version = "1"
    param_names = ["shape", "dtype", "backend"]
    params = [list(SHAPES), ["float32", "float64"], common.BACKENDS]

    def setup(self, shape, dtype, backend):
        self.select(backend)
        self.x, self.dy = np.random.default_rng(0).standard_normal((2, *SHAPES[shape])).astype(dtype)
        self.out = np.ones_like(self.x)
        self.gamma, self.beta, self.along = (
            np.ones(self.x.shape[1]),
            np.zeros(self.x.shape[1]),
            np.ones(self.x.shape[-1]),
        )
        self.layer = fastbn.BatchNorm(self.x.shape[1], dtype=dtype)


class Relatives(_Passes):
    """Every norm, forward and backward, with the output given; one value per channel is nothing to normalize."""

    param_names = ["norm", *_Passes.param_names]
    params = [list(FORWARD), *_Passes.params]

    def setup(self, norm, shape, dtype, backend):
        super().setup(shape, dtype, backend)
        if norm == "instance" and shape == "tokens":
            self.teardown()
            raise NotImplementedError("one value per channel")
        self.forward, self.backward = FORWARD[norm], BACKWARD[norm]
        self.forward(self, out=self.out)
        self.backward(self, out=self.out)

    def time_forward(self, *_):
        self.forward(self, out=self.out)

    def time_backward(self, *_):
        self.backward(self, out=self.out)


class Layer(_Passes):
    """`BatchNorm` in training, in new memory, as a user calls it."""

    def setup(self, shape, dtype, backend):
        super().setup(shape, dtype, backend)
        self.time_both_passes()

    def time_both_passes(self, *_):
        self.layer(self.x)
        self.layer.backward(self.dy)
