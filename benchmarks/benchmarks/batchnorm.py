"""Batch normalization, forward and backward."""

import numpy as np

import fastbn

from . import common


class BatchNorm(common.Calls):
    """Training writes the running statistics, evaluation reads them; `train_allocating` pays for memory too."""

    operations = {
        "train": lambda d: fastbn.batch_norm(d.x, d.gamma, d.beta, **d.running, channel_axis=d.channel_axis, out=d.out),
        "train_allocating": lambda d: fastbn.batch_norm(d.x, d.gamma, d.beta, **d.running, channel_axis=d.channel_axis),
        "eval": lambda d: fastbn.batch_norm(
            d.x, d.gamma, d.beta, **d.running, training=False, channel_axis=d.channel_axis, out=d.out
        ),
        "backward": lambda d: (
            fastbn.batch_norm_backward(d.dy, d.x, d.stats, d.gamma, channel_axis=d.channel_axis, out=d.out).dx
        ),
    }

    def prepare(self, layout, dtype, backend):
        """Make a gradient, too."""
        super().prepare(layout, dtype, backend)
        self.dy = np.ones_like(self.out)
