r"""
The four steps of batch normalization
=====================================

The article writes batch normalization as four steps: the mean of the batch, its variance, normalization, and a scale
and shift. For a batch of shape (N, C, H, W) the first two run over N, H and W, for each channel c. It says that the
third gives mean 0 and variance 1, and that the small eps keeps the denominator above zero.

This page takes the steps one by one on a batch of patches of scikit-learn's two photographs, draws the histogram
after each, and compares the four steps, done by hand in float64, with `fastbn.batch_norm`.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pages import effort, style
from sklearn.datasets import load_sample_images

import fastbn

style()
COLOURS = {"red": "tab:red", "green": "tab:green", "blue": "tab:blue"}
LINES = ("-", "--", ":")

# %%
# The batch
# ---------
#
# Patches of 32 x 32 pixels from random places of both photographs, as float32 in units of full brightness.

rng = np.random.default_rng(0)
photographs = load_sample_images().images
size, count = 32, effort(64, 8)
patches = []
for n in range(count):
    photograph = photographs[n % 2]
    row, column = (rng.integers(0, extent - size + 1) for extent in photograph.shape[:2])
    patches.append(photograph[row : row + size, column : column + size])
x = np.stack(patches).transpose(0, 3, 1, 2).astype(np.float32) / 255
print(x.shape, x.dtype)


def histogram(ax, values, title):
    """Draw the density of each channel of (N, C, H, W)."""
    for c, (name, colour) in enumerate(COLOURS.items()):
        ax.hist(
            values[:, c].ravel(), bins=60, density=True, histtype="step", color=colour, linestyle=LINES[c], label=name
        )
    ax.set(title=title, ylabel="density")


fig, ax = plt.subplots(figsize=(8, 1.3))
ax.imshow(np.concatenate(patches[:8], axis=1))
ax.set(title="eight of the patches", xticks=[], yticks=[])
ax.grid(visible=False)
plt.show()

# %%
# 1. The mean of the batch
# ------------------------
#
# .. math:: \mu_c = \frac{1}{NHW} \sum_{n,h,w} x_{nchw}
#
# Subtracting it moves every histogram to 0 and leaves its shape.

axes = (0, 2, 3)
mean = x.mean(axes, dtype=np.float64, keepdims=True)
centred = x - mean

# %%
# 2. The variance of the batch
# ----------------------------
#
# .. math:: \sigma_c^2 = \frac{1}{NHW} \sum_{n,h,w} (x_{nchw} - \mu_c)^2
#
# The sum is divided by the number of values, not by one less: this is the biased variance, of the batch itself.

var = (centred**2).mean(axes, keepdims=True)

# %%
# 3. Normalization
# ----------------
#
# .. math:: x'_{nchw} = \frac{x_{nchw} - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}}

eps = 1e-5
normalized = centred / np.sqrt(var + eps)

# %%
# 4. Scale and shift
# ------------------
#
# .. math:: y_{nchw} = \gamma_c \, x'_{nchw} + \beta_c
#
# A network learns :math:`\gamma_c` and :math:`\beta_c`. Here they are chosen so that each channel shows them.

gamma, beta = np.array([0.5, 1.0, 2.0]), np.array([-2.0, 0.0, 3.0])
y = normalized * gamma[:, np.newaxis, np.newaxis] + beta[:, np.newaxis, np.newaxis]

fig, drawn = plt.subplots(2, 2, figsize=(8, 5.4))
steps = {
    "the batch": (x, "x"),
    "mean subtracted": (centred, r"$x - \mu$"),
    "normalized": (normalized, r"$x'$"),
    "scaled and shifted": (y, r"$y = \gamma x' + \beta$"),
}
for ax, (title, (values, label)) in zip(drawn.flat, steps.items(), strict=True):
    histogram(ax, values, title)
    ax.set(xlabel=label)
drawn[0, 0].legend()
plt.show()

# %%
# The mean and the standard deviation of each channel after each step:

rows = {}
for title, (values, _) in steps.items():
    stats = fastbn.channel_stats(values)
    rows[title] = np.concatenate([stats.mean, stats.std()])
columns = pd.MultiIndex.from_product([["mean", "std"], COLOURS])
print(pd.DataFrame(rows, index=columns).T.round(4).to_string())

# %%
# One call
# --------
#
# `fastbn.batch_norm` does the four steps in one pass for the statistics and one to apply them, with a float32 result.
# The difference from the steps above is counted in units in the last place (ulp) of float32 at the size of y: half an
# ulp is what rounding the float64 result costs anyway.

by_call = fastbn.batch_norm(x, gamma, beta, eps=eps)
stats = fastbn.channel_stats(x)


def in_ulps(got, right):
    return (np.abs(got - right) / np.spacing(np.abs(right).astype(np.float32))).max(axis=axes)


print(
    pd.DataFrame(
        {
            "mean, relative difference": np.abs(stats.mean / mean.ravel() - 1),
            "variance, relative difference": np.abs(stats.var() / var.ravel() - 1),
            "batch_norm, largest difference (ulp)": in_ulps(by_call, y),
            "largest difference (sigma)": np.abs(by_call - y).max(axis=axes) / gamma,
        },
        index=COLOURS,
    ).to_string(float_format="{:.2g}".format)
)

# %%
# What eps does
# -------------
#
# With eps the variance after the third step is not 1 but
#
# .. math:: \frac{\sigma_c^2}{\sigma_c^2 + \epsilon}
#
# which is nearly 1 as long as the variance is well above eps. Here the contrast of the batch is taken away bit by
# bit; at the end the batch is constant, and the result is beta exactly.

contrasts = 10.0 ** -np.arange(0, 6, effort(0.25, 1.0))
measured = [fastbn.channel_stats(fastbn.batch_norm(contrast * centred, eps=eps)).std() for contrast in contrasts]
sigma = contrasts[:, np.newaxis] * np.sqrt(var.ravel())

fig, ax = plt.subplots(figsize=(7, 3.4))
for c, (name, colour) in enumerate(COLOURS.items()):
    ax.loglog(sigma[:, c], np.array(measured)[:, c], "o^s"[c], color=colour, markersize=4, label=f"{name}, measured")
ax.loglog(np.sort(sigma.ravel()), np.sort((sigma / np.sqrt(sigma**2 + eps)).ravel()), color="black", label="formula")
ax.axvline(np.sqrt(eps), color="tab:gray", linestyle="--", label=r"$\sqrt{\epsilon}$")
ax.set(title="Normalized, but for eps", xlabel=r"standard deviation $\sigma$ of the channel", ylabel="std of $x'$")
ax.legend()
plt.show()

constant = fastbn.batch_norm(np.full_like(x, 0.1), gamma, beta, eps=eps)
print("a constant batch gives", np.unique(constant), "- beta is", beta)

# %%
# What it shows
# -------------
#
# * **Mean 0 and variance 1**: borne out for the mean. The variance falls short of 1 by the share of eps, which is
#   nothing to speak of for these photographs, and everything for a channel whose standard deviation is below
#   :math:`\sqrt{\epsilon} \approx 0.003`. Data in small units want a smaller eps: `fastbn.zscore` has 0.
# * **eps keeps the denominator above zero**: borne out. A constant batch gives beta, without a division by zero.
# * The histograms move and stretch, and **keep their shape**: what has two peaks before has two peaks after.
#   Normalization does not make data normal.
# * **By hand or by call**: the same, to half a unit in the last place of float32, which is what the format itself
#   costs.
