r"""
Counts in cells: many zeros, constants, one enormous value
==========================================================

The article's normalization gives every feature variance 1. A table of gene expression is where that is asked of
features that hardly have a variance: thousands of genes, most counts 0, genes that no cell expresses, genes that one
cell does.

This page draws counts from negative binomial distributions, as single-cell data are commonly modelled, takes
``log1p`` as analyses do, and plants four genes: a silent one, a constant one, one that is constant but for the last bit
of one cell, and one with an enormous value. It scales every gene by NumPy, SciPy, scikit-learn and fastbn.
Other seeds change digits, and no statement.
"""

import math
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.stats
from pages import WITH, WITHOUT, effort, style
from pages.reference import answers, exact_moments
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

import fastbn

style()

# %%
# The table
# ---------
#
# The variance of a negative binomial count of mean :math:`m` is :math:`m + m^2 / r`; means differ by gene, and by how
# deeply a cell was read.

rng = np.random.default_rng(0)
cells, genes, r = effort(6000, 800), effort(2000, 200), 0.5
mean = rng.lognormal(-2.0, 1.5, genes) * rng.lognormal(0.0, 0.3, (cells, 1))
counts = rng.negative_binomial(r, r / (r + mean))
x = np.log1p(counts).astype(np.float32)

PLANTED = ["silent", "constant", "last bit", "outlier"]
plenty = np.argsort(-counts.sum(axis=0))[0]
x[:, 0] = 0.0
x[:, 1:3] = np.log1p(np.float32(3))
x[7, 2] = np.nextafter(x[7, 2], np.float32(2))
x[:, 3] = x[:, plenty]
x[11, 3] = 1e6
names = PLANTED + [f"gene {k}" for k in range(len(PLANTED), genes)]
print(x.shape, x.dtype, f"{np.mean(counts == 0):.0%} of the counts are 0")

# %%
# What is constant
# ----------------
#
# A gene is constant if its variance is 0, and only then. A float32 mean of equal numbers is another number than they
# are, as a rule, and then nothing is constant.

scaler = StandardScaler().fit(x)
stats = fastbn.channel_stats(x).with_names(names)
stds = {
    "NumPy std(axis=0)": x.std(axis=0),
    "NumPy, dtype=float64": x.std(axis=0, dtype=np.float64),
    "scikit-learn StandardScaler": np.sqrt(scaler.var_),
    "fastbn": stats.std(),
}
exact = [exact_moments(x[:, k]) for k in range(len(PLANTED))]
parts = [
    answers(f"std, {name}", math.sqrt(exact[k][1]), {library: std[k] for library, std in stds.items()})
    for k, name in enumerate(PLANTED)
]
print(pd.concat(parts).to_string())

# %%
# Z-scores, clipped
# -----------------
#
# .. math:: z = \min\left(\max\left(\frac{x - \mu}{\sigma}, -10\right), 10\right)
#
# Analyses clip at 10, so that a gene seen in one cell does not decide all distances. The table shows the largest size
# of a z-score before clipping, and that of the rest: for a silent or a constant gene both have to be 0; for one value
# of :math:`n` that differs they are :math:`\sqrt{n - 1}` and :math:`1 / \sqrt{n - 1}`.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    scores = {
        "NumPy": (x - x.mean(axis=0)) / x.std(axis=0),
        "SciPy zscore": scipy.stats.zscore(x),
        "scikit-learn StandardScaler": scaler.transform(x),
        "fastbn.zscore": fastbn.zscore(x),
    }
rows = {}
for library, z in scores.items():
    for k, name in enumerate(PLANTED):
        size = np.sort(np.abs(z[:, k]))
        rows[name, library] = (size[-1], size[len(size) // 2], f"{np.isnan(size).mean():.0%}")
table = pd.DataFrame(rows, index=["largest size", "median size", "NaN"]).T.sort_index(level=0, sort_remaining=False)
print(table.to_string(float_format="{:.4g}".format))
print(f"sqrt(n - 1) is {math.sqrt(cells - 1):.4g}, its inverse {1 / math.sqrt(cells - 1):.4g}")
print("warnings:", sorted({str(warning.message) for warning in caught}))

clipped = np.clip(scores["fastbn.zscore"], -10, 10)
print(f"{np.mean(np.abs(scores['fastbn.zscore']) > 10):.2%} of all z-scores are clipped at 10")

# %%
# Genes by their mean, with the largest z-score of each. Rare genes have the largest ones, not those that vary most:
# the fewer cells express a gene, the closer its largest z-score comes to the bound that the number of cells sets.

largest = fastbn.channel_stats(scores["fastbn.zscore"]).max
others = slice(len(PLANTED), None)
fig, ax = plt.subplots(figsize=(7, 3.6))
ax.loglog(stats.mean[others], largest[others], ".", color="tab:gray", markersize=3, label="genes")
for name, marker in zip(("last bit", "outlier"), "s^", strict=True):
    k = PLANTED.index(name)
    ax.loglog(stats.mean[k], largest[k], marker, color=WITH, label=name)
ax.axhline(math.sqrt(cells - 1), color="black", linestyle=":", label=r"$\sqrt{n - 1}$")
ax.axhline(10, color=WITHOUT, linestyle="--", label="clipped above")
ax.set(title="The largest z-score of every gene", xlabel="mean of log(1 + count)", ylabel="largest z-score")
ax.legend(fontsize="small")
plt.show()

# %%
# One enormous value
# ------------------
#
# In the gene with the outlier, all other cells have nearly the same z-score. The robust map, :math:`(x -
# \text{median}) / (q_{75} - q_{25})`, does not mind, where there is a range to divide by. For most genes here there
# is none, since three quarters of the cells have the same count, 0. scikit-learn divides by 1 then, and so mixes
# genes in units of their own with genes in units of counts; fastbn makes them 0, and a range of other quantiles can
# be asked for.

robust = RobustScaler().fit(x)
wide = fastbn.robust_scale(x, quantile_range=(5.0, 95.0))
ours = fastbn.robust_scale(x)
no_range = np.ptp(np.quantile(x, [0.25, 0.75], axis=0), axis=0) == 0
normal = np.arange(cells) != 11


def largest_of(y):
    return {
        "outlier": np.abs(y[11, 3]),
        "outlier, std of others": y[normal, 3].std(dtype=np.float64),
        "no range: genes that are all 0": f"{np.mean((y[:, no_range] == 0).all(axis=0)):.0%}",
        "no range: largest": np.abs(y[:, no_range]).max(),
    }


print(f"{no_range.mean():.0%} of the genes have an interquartile range of 0")
maps = {
    "z-score, fastbn": scores["fastbn.zscore"],
    "RobustScaler, scikit-learn": robust.transform(x),
    "robust_scale, fastbn": ours,
    "robust_scale 5 to 95 %, fastbn": wide,
}
print(pd.DataFrame({name: largest_of(y) for name, y in maps.items()}).T.to_string(float_format="{:.3g}".format))

fig, axes = plt.subplots(1, 2, figsize=(8, 3.2))
drawn = {"z-score": scores["fastbn.zscore"], "robust_scale": ours}
for ax, (title, y) in zip(axes, drawn.items(), strict=True):
    ax.hist(y[normal, 3], bins=60, color="tab:gray")
    ax.set(title=f"{title}: all cells but the outlier", xlabel=title, ylabel="cells")
plt.show()

# %%
# Ranges, again with the two genes that are constant, or nearly:

minmax = {
    "scikit-learn MinMaxScaler": np.ptp(MinMaxScaler().fit_transform(x), axis=0),
    "fastbn.minmax_scale": np.ptp(fastbn.minmax_scale(x), axis=0),
}
print("range of the output")
print(pd.DataFrame(minmax, index=names).T[PLANTED].to_string(float_format="{:.3g}".format))

# %%
# Samples
# -------
#
# Cells come from several samples, of different sizes, perhaps from several laboratories. Their `ChannelStats` are
# small; added up, they are those of all cells together, and each sample is scaled by them. Scaled by its own
# statistics, each sample would lose what makes it differ.

cut = np.cumsum([cells // 10, cells // 4])
samples = np.split(x, cut)
together = sum(fastbn.channel_stats(sample).with_names(names) for sample in samples)
by_all = np.concatenate([fastbn.normalize(sample, together.with_names(None)) for sample in samples])
exact_parts = sum(fastbn.channel_stats(sample, method="exact") for sample in samples)
print("cells:", [len(sample) for sample in samples], "together:", together.count[0])
print("merged == whole, exact:", exact_parts == fastbn.channel_stats(x, method="exact"))
print(f"largest difference of a z-score: {np.abs(by_all - scores['fastbn.zscore']).max():.1e}")

# %%
# What it shows
# -------------
#
# * **Constant genes**: scikit-learn and fastbn make silent and constant ones 0. NumPy and SciPy give NaN for the
#   silent one, and plus or minus 1 in every cell for the constant one, for whose standard deviation they find
#   rounding errors. With `dtype=np.float64` NumPy finds 0, and leaves it to you to divide by it.
# * **Nearly constant genes**: the last bit of one cell becomes a z-score of :math:`\sqrt{n - 1}`, in scikit-learn and
#   in fastbn. It is what the formula says, and seldom what is wanted: choose genes by their variance first, or clip.
#   scikit-learn's MinMaxScaler leaves such a gene as it is, fastbn's `minmax_scale` stretches it to the whole range.
# * **One enormous value** takes the whole scale of a z-score. Clipping bounds that value, and leaves all other cells of
#   the gene next to each other. The robust map withstands it, but only a minority of these genes have an interquartile
#   range at all: with so many zeros it is not the map for all of them.
# * **Samples** measured one after the other give the statistics of all cells, to the bit with `method="exact"`.
