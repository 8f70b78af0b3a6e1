"""
Tolerance of learning rate and initialization
=============================================

The article says that batch normalization makes training tolerant: of large learning rates, and of how the first
weights are scaled.

This page trains a dense network of three hidden layers of 64 on the digits, 300 steps of 64 by plain gradient
descent, once for each of nine learning rates and eight scales of the first weights, with ReLU and with sigmoid, with
batch normalization and without, and takes the mean of two seeds. A scale of 1 is He's initialization. All weights are
scaled, also those of the last layer, which no batch normalization follows.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from networks import (
    SGD,
    BatchNorm,
    Dense,
    ReLU,
    Sigmoid,
    accuracy,
    cross_entropy,
    dense_network,
    digits,
    minibatches,
    train,
)
from pages import WITH, WITHOUT, effort, one_blas_thread, style

style()
one_blas_thread()

RATES = effort(10.0 ** np.arange(-3, 1.1, 0.5), np.array([1e-3, 1e-1, 10]))
SCALES = effort(10.0 ** np.arange(-2, 1.6, 0.5), np.array([0.01, 1, 30]))
SEEDS = range(2)
STEPS = effort(300, 30)
BATCH = 64
GOOD = 0.9  # of the test digits
WIDTHS = (64, 64, 64)
ACTIVATIONS = {"ReLU": ReLU, "sigmoid": Sigmoid}
SIDES = {"without": None, "with": BatchNorm}

data = digits()

# %%
# Why the scale should not matter
# -------------------------------
#
# Batch normalization subtracts the mean and divides by the standard deviation. So if all weights :math:`W` before it
# are :math:`a` times as large, its output is the same:
#
# .. math:: \mathrm{BN}(a W x) = \mathrm{BN}(W x), \qquad
#           \frac{\partial L}{\partial (a W)} = \frac{1}{a} \frac{\partial L}{\partial W}.
#
# The second follows from the first: the loss as a function of :math:`W` has the same value along each ray from 0, so
# its gradient is perpendicular to :math:`W`, and it shrinks as the weights grow. A step that is too large makes the
# weights longer, and so the next step smaller. The formulas hold as far as the :math:`\epsilon` in the denominator is
# small beside the variance. Here is what a batch of digits gives, with the weights of the hidden layers scaled and
# those of the last layer left alone.


def scaled_gradients(scale):
    """Output and gradients of the first weights when those of all hidden layers are `scale` times as large."""
    network = dense_network(np.random.default_rng(0), BatchNorm, widths=WIDTHS)
    hidden = [layer for layer in network.layers if isinstance(layer, Dense)][:-1]
    for layer in hidden:
        layer.parameters[0] *= np.float32(scale)
    y = network(data.x_train[:256])
    network.backward(cross_entropy(y, data.y_train[:256])[1])
    return y, hidden[0].parameters[0], hidden[0].gradients[0]


y, w, dw = scaled_gradients(1.0)
rows = []
for scale in (0.01, 0.1, 1.0, 10.0, 100.0):
    y_scaled, w_scaled, dw_scaled = scaled_gradients(scale)
    rows.append(
        {
            "scale": scale,
            "largest change of outputs": np.abs(y_scaled - y).max(),
            "gradient / that of scale 1": np.linalg.norm(dw_scaled) / np.linalg.norm(dw),
            "cosine of gradient and weights": np.vdot(w_scaled, dw_scaled)
            / (np.linalg.norm(w_scaled) * np.linalg.norm(dw_scaled)),
        }
    )
print(pd.DataFrame(rows).set_index("scale").to_string(float_format="{:.2g}".format))

# %%
# Final accuracy over the grid
# ----------------------------
#
# Without batch normalization, weights and outputs can overflow. NumPy would warn of each; here training ends at the
# first loss that is not a finite number, and the run counts as diverged.


def final_accuracy(activation, side, rate, scale, seed):
    """Accuracy on the test digits, or NaN where training diverged."""
    rng = np.random.default_rng(seed)
    network = dense_network(rng, SIDES[side], widths=WIDTHS, activation=ACTIVATIONS[activation], scale=scale)
    batches = minibatches(data.x_train, data.y_train, BATCH, rng)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = train(network, SGD(rate), batches, STEPS)
        if not np.isfinite(losses[-1]):
            return np.nan
        return accuracy(network, data.x_test, data.y_test)


grids = {
    (activation, side): np.array(
        [
            [[final_accuracy(activation, side, rate, scale, seed) for seed in SEEDS] for rate in RATES]
            for scale in SCALES
        ]
    )
    for activation in ACTIVATIONS
    for side in SIDES
}  # each (scales, rates, seeds)

figure, panels = plt.subplots(2, 2, figsize=(8.2, 7.2), sharex=True, sharey=True)
colors = plt.get_cmap("viridis").with_extremes(bad="white")
for panel, ((activation, side), grid) in zip(panels.flat, grids.items(), strict=True):
    mean = 100 * grid.mean(axis=2)  # NaN where a seed diverged
    shown = panel.pcolormesh(RATES, SCALES, mean, cmap=colors, vmin=10, vmax=100, shading="nearest")
    diverged = np.argwhere(np.isnan(mean))
    panel.plot(RATES[diverged[:, 1]], SCALES[diverged[:, 0]], "kx", label="diverged")
    good = np.argwhere(mean >= 100 * GOOD)
    panel.plot(RATES[good[:, 1]], SCALES[good[:, 0]], "k.", label="at least 90 %")
    panel.set(xscale="log", yscale="log", title=f"{activation}, {side} batch normalization")
    panel.grid(False)
for panel in panels[1]:
    panel.set_xlabel("learning rate")
for panel in panels[:, 0]:
    panel.set_ylabel("scale of the first weights (1: He's)")
figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
figure.colorbar(shown, ax=panels, label="test accuracy in %, mean of two seeds", shrink=0.6)
plt.show()

# %%
# Along the axes
# --------------
#
# The same numbers along two lines of the grid: at He's scale over all rates, and, for every scale, at the rate that
# suits it best.

figure, panels = plt.subplots(1, 2, figsize=(8, 3.8), sharey=True)
he = int(np.argmin(np.abs(np.log(SCALES))))
for (activation, side), grid in grids.items():
    mean = 100 * np.nan_to_num(grid.mean(axis=2), nan=0.1)  # what diverged is as good as a guess
    line = {
        "color": WITH if side == "with" else WITHOUT,
        "linestyle": "-" if activation == "ReLU" else "--",
        "marker": ".",
        "label": f"{activation}, {side}",
    }
    panels[0].semilogx(RATES, mean[he], **line)
    panels[1].semilogx(SCALES, mean.max(axis=1), **line)
panels[0].set(title="He's scale", xlabel="learning rate", ylabel="test accuracy in %")
panels[1].set(title="Best rate for each scale", xlabel="scale of the first weights")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# In numbers
# ----------

rows = []
for (activation, side), grid in grids.items():
    mean = grid.mean(axis=2)
    good = mean >= GOOD
    rows.append(
        {
            "activation": activation,
            "batch normalization": side,
            "at least 90 %": f"{good.mean():.0%}",
            "at least 80 %": f"{(mean >= 0.8).mean():.0%}",
            "no better than a guess": f"{(mean < 0.15).mean():.0%}",
            "diverged": f"{np.isnan(mean).mean():.0%}",
            "best accuracy": f"{np.nanmax(mean):.1%}",
            "rates at He's scale with 90 %": f"{good[he].sum()} of {len(RATES)}",
            "scales with 90 % at some rate": f"{good.any(axis=1).sum()} of {len(SCALES)}",
        }
    )
print("share of the grid")
print(pd.DataFrame(rows).set_index(["activation", "batch normalization"]).T.to_string())

# %%
# Where it ends
# -------------
#
# With ReLU, batch normalization does not save the largest rate either. It makes the weights before it harmless, not
# its own :math:`\gamma` and :math:`\beta`: at that rate they move so far that a whole layer of units gives 0 for
# every digit, and what gives nothing gets no gradient. With :math:`\gamma = 1` and :math:`\beta = 0` held fixed, no
# unit can be lost that way.

rows = []
for affine in (True, False):
    rng = np.random.default_rng(0)
    network = dense_network(rng, lambda channels, affine=affine: BatchNorm(channels, affine=affine), widths=WIDTHS)
    train(network, SGD(RATES[-1]), minibatches(data.x_train, data.y_train, BATCH, rng), STEPS)
    network(data.x_train)
    silent = [float(np.mean(~layer.positive.any(axis=0))) for layer in network.layers if isinstance(layer, ReLU)]
    hit = accuracy(network, data.x_test, data.y_test)
    rows.append(
        {
            "gamma and beta": "learned" if affine else "fixed",
            **{f"silent in layer {place}": f"{share:.0%}" for place, share in enumerate(silent, start=1)},
            "test accuracy": f"{hit:.1%}",
        }
    )
print(f"ReLU, He's scale, learning rate {RATES[-1]:g}: share of the hidden units that give 0 for all digits")
print(pd.DataFrame(rows).set_index("gamma and beta").to_string())

# %%
# What it shows
# -------------
#
# - *Tolerant of the learning rate*: borne out. At He's scale the rates that reach 90 % span two decades with batch
#   normalization, and one decade at most without. It is no licence for any rate: the largest one ruins the network of
#   ReLU through :math:`\gamma` and :math:`\beta`.
# - *Tolerant of the initialization*: borne out, more so for small weights than for large ones. With batch
#   normalization every scale up to 3 comes to 90 %, or close to it, at some rate; without it, only scales within a
#   factor of about three of He's do. Still smaller weights leave the outputs nearly constant, so that the network
#   learns next to nothing in 300 steps, whatever the rate.
# - *The two belong together.* With batch normalization a step turns the weights by about the rate over the square of
#   their scale, which is why the border on the left of the right-hand maps is a diagonal: large weights want large
#   rates. They also do harm where no batch normalization follows: in the last layer.
# - Nothing diverged with batch normalization. Without it, more than a quarter of the grid did with ReLU, and nothing
#   with sigmoid, which cannot overflow but gets stuck instead.
# - At the best point of the grid the two sides are far closer than anywhere else. Batch normalization saves the
#   search for that point more than it raises it.
#
# The share of the grid that reaches 90 % is a share of *this* grid: other borders give other shares. With sigmoid it
# depends on the seeds, too, for most of that map lies close to 90 %; the share at 80 % is steadier. And 300 steps are
# few: slow is not the same as stuck, and at the left border of the maps more steps would help.
