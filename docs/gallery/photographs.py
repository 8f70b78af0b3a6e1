r"""
Photographs, colour by colour
=============================

The article normalizes tensors of shape (N, C, H, W), such as images: mean and variance run over N, H and W, for each
channel. Here the channels are colours, and they lie along the last axis, as in every image file.

This page takes scikit-learn's two photographs, a temple in China and a flower, of 427 x 640 pixels in three colours
of 8 bits. It normalizes them by the statistics of both together and by their own, looks at the results as pictures,
and goes back to the pixels.
"""

import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pages import effort, style
from sklearn.datasets import load_sample_images

import fastbn

style()
COLOURS = ["red", "green", "blue"]
TITLES = ["China", "flower"]
x = np.stack(load_sample_images().images)  # (N, H, W, C)
step = effort(1, 4)
x = np.ascontiguousarray(x[:, ::step, ::step])
print(x.shape, x.dtype)


def show(rows, labels):
    """Draw photographs in rows, with numbers from 0 to 1 for each colour."""
    axes = plt.figure(figsize=(7, 2.5 * len(rows))).subplots(len(rows), 2)
    for line, pictures, label in zip(axes, rows, labels, strict=True):
        for ax, picture, title in zip(line, pictures, TITLES, strict=True):
            ax.imshow(np.clip(picture, 0, 1))
            ax.set(title=f"{title}: {label}", xticks=[], yticks=[])
            ax.grid(visible=False)
    plt.show()


# %%
# Statistics of a set
# -------------------
#
# .. math:: \mu_c = \frac{1}{NHW} \sum_{n,h,w} x_{nhwc}, \qquad
#    \sigma_c^2 = \frac{1}{NHW} \sum_{n,h,w} (x_{nhwc} - \mu_c)^2
#
# Statistics of single photographs merge into those of the set: it need not be in memory at once.

each = [fastbn.channel_stats(photograph, channel_axis=-1, method="exact") for photograph in x]
stats = each[0] + each[1]
rows = {title: [*found.mean, *found.std()] for title, found in zip([*TITLES, "both"], [*each, stats], strict=True)}
columns = pd.MultiIndex.from_product([["mean", "std"], COLOURS])
print(pd.DataFrame(rows, index=columns).T.round(2).to_string())
print("merged == whole:", stats == fastbn.channel_stats(x, channel_axis=-1, method="exact"))

# %%
# Integers of 8 bits are read as they are, without a copy in floats. The memory that Python traces beside the input:


def by_numpy():
    return x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))


def float_copy():
    return fastbn.channel_stats(x.astype(np.float32), channel_axis=-1)


def peak(compute):
    """Return the most memory that was allocated during a call, in MiB."""
    compute()
    tracemalloc.start()
    compute()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / 2**20


y = np.empty(x.shape, np.float32)
memory = {
    "NumPy mean and var": peak(by_numpy),
    "float32 copy, then statistics": peak(float_copy),
    "fastbn.channel_stats": peak(lambda: fastbn.channel_stats(x, channel_axis=-1)),
    "fastbn.zscore, out=": peak(lambda: fastbn.zscore(x, -1, out=y)),
}
print(f"the photographs: {x.nbytes / 2**20:.3f} MiB")
print(pd.Series(memory, name="peak (MiB)").to_frame().to_string(float_format="{:.3f}".format))

# %%
# The stretch
# -----------
#
# Min-max maps the darkest value of a colour to 0 and the lightest to 1. A haze over the photographs leaves a quarter
# of their contrast; but one pixel in a thousand, as from a bad sensor, is black or white, and holds the extremes
# apart. Between the 2nd and the 98th percentile, with what lies outside clipped, it is the stretch that image
# programs offer:
#
# .. math:: y = \min\left(\max\left(\frac{x - q_{2}}{q_{98} - q_{2}}, 0\right), 1\right)

rng = np.random.default_rng(0)
hazy = 120 + x // 4
bad = rng.random(x.shape[:-1]) < 0.001
hazy[bad] = rng.choice(np.array([0, 255], np.uint8), (bad.sum(), 1))
ends = fastbn.channel_quantiles(hazy, [0.02, 0.98], channel_axis=-1)
by_extremes, extremes = fastbn.minmax_scale(hazy, -1, return_stats=True)
stretched = fastbn.minmax_scale(hazy, -1, stats=ends, clip=True)
limits = [extremes.min, *ends.values, extremes.max]
print(pd.DataFrame(limits, index=["minimum", "2 %", "98 %", "maximum"], columns=COLOURS).to_string())
show([by_extremes, stretched], ["minimum to maximum", "2 to 98 %"])

# %%
# By the batch or by itself
# -------------------------
#
# Batch normalization takes the statistics above, of both photographs. Instance normalization takes mean and variance
# of each channel of each photograph:
#
# .. math:: \mu_{nc} = \frac{1}{HW} \sum_{h,w} x_{nhwc}
#
# To be seen, the results are drawn from -2 to 2. The statistics of the batch keep what makes the photographs differ:
# one is bright and nearly grey on the whole, the other dark and green. Instance normalization takes that from them.

by_batch = fastbn.batch_norm(x, channel_axis=-1)
by_itself = fastbn.instance_norm(x, channel_axis=-1)
show([x / 255, by_batch / 4 + 0.5, by_itself / 4 + 0.5], ["as it is", "by the batch", "by itself"])

means = {
    (title, kind): values[k].mean(axis=(0, 1), dtype=np.float64)
    for k, title in enumerate(TITLES)
    for kind, values in (("by the batch", by_batch), ("by itself", by_itself))
}
print("mean of each photograph after normalization")
print((pd.DataFrame(means, index=COLOURS).T.round(3) + 0).to_string())

# %%
# And back
# --------
#
# The inverse maps end in integers, rounded to the nearest. The share of values that come back as they were:

z = fastbn.normalize(x, stats, channel_axis=-1)
half = fastbn.normalize(x, stats, channel_axis=-1, dtype=np.float16)
back = {
    "z-score": (x, fastbn.denormalize(z, stats, channel_axis=-1, dtype=np.uint8)),
    "z-score as float16": (x, fastbn.denormalize(half, stats, channel_axis=-1, dtype=np.uint8)),
    "min-max": (hazy, fastbn.minmax_unscale(by_extremes, extremes, channel_axis=-1, dtype=np.uint8)),
    "2 to 98 %, clipped": (hazy, fastbn.minmax_unscale(stretched, ends, channel_axis=-1, dtype=np.uint8)),
}
same = {name: (before == after).mean(axis=(0, 1, 2)) for name, (before, after) in back.items()}
print(pd.DataFrame(same, index=COLOURS).T.to_string(float_format="{:.3%}".format))

# %%
# What it shows
# -------------
#
# * **Mean and variance over N, H, W for each channel**: borne out, with the channels on the last axis as on any
#   other. The statistics of two photographs, merged, are those of both, to the bit.
# * **Normalized by the batch, a photograph does not have mean 0**: the batch has. By itself it has, and with
#   brightness and tint goes what a model may have needed to see.
# * **Min-max is at the mercy of single pixels**; percentiles are not.
# * **Nothing is lost** by z-score and min-max, in float16 neither: all pixels come back. What was clipped does not.
# * uint8 goes in without a copy in floats: beside the result, there is next to nothing to allocate.
