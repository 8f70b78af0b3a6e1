r"""
A climate grid, cell by cell
============================

The article's normalization takes one mean and one variance per channel. In climate data every cell of the map is a
channel: its statistics run over the years, and the z-score says how unusual a value is for that place and time of the
year.

This page has two data sets. The first is real: sea-surface temperatures off Peru from 1950 to 2010, one value per
month, as they come with statsmodels; its twelve months are the cells. The second is synthetic, so that its size and
spread can be chosen: temperatures of sea water in kelvin, float32, four a day for 60 years on a small map, with land,
gaps, water that is hardly ever warmer or colder, and cells under ice. It is given to NumPy, bottleneck and xarray.
Right values are computed in integers without rounding.
"""

import math
import warnings
from fractions import Fraction

import bottleneck
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import LogNorm
from pages import WITH, WITHOUT, effort, style
from pages.reference import answers, exact_moments
from statsmodels.datasets import elnino

import fastbn
import fastbn.xarray

style()

# %%
# Months as cells: El Niño
# ------------------------
#
# .. math:: z_{ym} = \frac{x_{ym} - \mu_m}{\sigma_m}, \qquad \mu_m = \frac{1}{Y} \sum_y x_{ym}, \qquad
#    \sigma_m^2 = \frac{1}{Y} \sum_y (x_{ym} - \mu_m)^2
#
# The seasons are gone from the picture on the right; what is left is El Niño: warm water in 1957, 1965, 1972, 1982-83
# and 1997-98.

table = elnino.load_pandas().data
years, months = table.pop("YEAR").astype(int).to_numpy(), list(table.columns)
sea = table.to_numpy()
anomaly, stats = fastbn.zscore(sea, return_stats=True)

fig, axes = plt.subplots(1, 2, figsize=(8, 5.2), sharey=True)
drawn = {
    "temperature (°C)": (sea, {"cmap": "viridis"}),
    "z-score of its month": (anomaly, {"cmap": "PuOr_r", "vmin": -4, "vmax": 4}),
}
for ax, (title, (values, look)) in zip(axes, drawn.items(), strict=True):
    image = ax.pcolormesh(np.arange(12), years, values, **look)
    ax.set(title=title, xticks=range(0, 12, 2), xticklabels=months[::2])
    ax.grid(visible=False)
    fig.colorbar(image, ax=ax, label=title, extend="max" if "vmax" in look else "neither")
axes[0].set_ylabel("year")
axes[0].invert_yaxis()
plt.show()

# %%
# In float64, with 61 values a cell, nothing can go wrong, and nothing does:

january = sea[:, 0]
print(
    answers(
        "variance, January",
        exact_moments(january)[1],
        {
            "NumPy": sea.var(axis=0)[0],
            "bottleneck": bottleneck.nanvar(sea, axis=0)[0],
            "xarray": xr.DataArray(sea, dims=["year", "month"]).var("year")[0],
            "fastbn": stats.var()[0],
        },
    ).to_string()
)

# %%
# A map in kelvin
# ---------------
#
# The mean follows the latitude. The standard deviation grows along the longitude from 0.02 K, as in deep water, to 2
# K, as at the surface. A part of the southernmost row is under ice, at the freezing point at all times. A quarter of
# the map is land, and of the rest 2 % of the values are missing.

rng = np.random.default_rng(0)
steps_per_year, decades = effort(4 * 365, 73), 6
time = np.arange(10 * decades * steps_per_year)
lat, lon = np.linspace(-75.0, 75.0, 6), np.arange(0.0, 360.0, 30.0)
spread = np.geomspace(0.02, 2.0, len(lon))
climate = 271.35 + 28 * np.cos(np.deg2rad(lat))[:, np.newaxis] ** 2
kelvin = climate + spread * rng.normal(size=(len(time), len(lat), len(lon)))
kelvin[:, 0, :4] = 271.35
land = rng.random((len(lat), len(lon))) < 0.25
land[0] = land[3] = False
kelvin[:, land] = np.nan
kelvin[rng.random(kelvin.shape) < 0.02] = np.nan
water = xr.DataArray(
    kelvin.astype(np.float32), {"time": time, "lat": lat, "lon": lon}, ["time", "lat", "lon"], name="temperature"
)
print(dict(water.sizes), water.dtype, f"{water.nbytes / 2**20:.0f} MiB, {float(water.isnull().mean()):.0%} missing")

cells = ["lat", "lon"]
stats = fastbn.xarray.channel_stats(water, cells, nan_policy="omit")


# %%
# What each library says of every cell. xarray hands reductions to bottleneck if asked to (`use_bottleneck`, which was
# the default for years), and to NumPy otherwise. Both add up float32 numbers in float32, one time after the
# other.


def xarray_with_bottleneck(reduction):
    with xr.set_options(use_bottleneck=True):
        return reduction().values


yearly = water.chunk(time=steps_per_year)
with xr.set_options(use_bottleneck=False), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # NumPy and Dask warn of cells without values
    means = {
        "NumPy nanmean": np.nanmean(water.values, axis=0),
        "xarray": water.mean("time").values,
        "xarray, bottleneck": xarray_with_bottleneck(lambda: water.mean("time")),
        "xarray, a year per chunk": yearly.mean("time").values,
        "fastbn": stats.mean,
    }
    stds = {
        "NumPy nanstd": np.nanstd(water.values, axis=0),
        "xarray": water.std("time").values,
        "xarray, bottleneck": xarray_with_bottleneck(lambda: water.std("time")),
        "xarray, a year per chunk": yearly.std("time").values,
        "fastbn": stats.std(),
    }

CELLS = {"ice, constant": (0, 0), "spread 0.02 K": (3, 0), "spread 0.2 K": (3, 6), "spread 2 K": (3, 11)}
parts = []
for name, cell in CELLS.items():
    values = water.values[:, *cell]
    mean, var = exact_moments(values[np.isfinite(values)])
    parts += [
        answers(f"mean (K), {name}", mean, {library: found[cell] for library, found in means.items()}),
        answers(f"std (K), {name}", math.sqrt(var), {library: found[cell] for library, found in stds.items()}),
    ]
print(pd.concat(parts).to_string())

# %%
# The errors of all cells on the map. Those of the mean are in standard deviations of the cell, for that is what they
# are in the z-score: an anomaly of so much at all times, which is not there.

spread = np.where(stats.std() > 0, stats.std(), np.nan)
mean_error = np.abs(means["xarray, bottleneck"] - stats.mean) / spread
std_error = np.abs(stds["xarray, bottleneck"] / spread - 1)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for ax, (title, error) in zip(
    axes, {"mean, in std of the cell": mean_error, "std, relative": std_error}.items(), strict=True
):
    image = ax.pcolormesh(lon, lat, error, norm=LogNorm(1e-4, 10.0), cmap="cividis")
    ax.set(title=f"error of the {title}", xlabel="longitude (°)")
    ax.grid(visible=False)
fig.colorbar(image, ax=axes, label="error (white: land, ice)", extend="both")
axes[0].set_ylabel("latitude (°)")
fig.suptitle("xarray with bottleneck")
plt.show()

# %%
# The same cell as z-scores, over the first two months: by the mean and standard deviation of xarray with bottleneck,
# and by `fastbn.xarray.zscore`. Missing values stay missing.

scores = fastbn.xarray.zscore(water, cells, nan_policy="omit")
shown, cell = slice(0, effort(240, 60)), CELLS["spread 0.02 K"]
theirs = (water.values - means["xarray, bottleneck"]) / stds["xarray, bottleneck"]
fig, ax = plt.subplots(figsize=(7, 3.2))
for label, values, colour in (("fastbn", scores.values, WITH), ("xarray, bottleneck", theirs, WITHOUT)):
    ax.plot(time[shown] * 365 / steps_per_year, values[shown, *cell], color=colour, linewidth=0.8, label=label)
ax.set(title="The cell with a spread of 0.02 K", xlabel="time (days)", ylabel="z-score")
ax.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %%
# Areas
# -----
#
# Cells near the poles are small. A mean over the map counts each by the cosine of its latitude:
#
# .. math:: \mu = \frac{\sum_{tij} w_i x_{tij}}{\sum_{tij} w_i}, \qquad w_i = \cos \varphi_i
#
# `weights=` does so, in one pass with the variance. xarray's `weighted` does it in the dtype of the weights and the
# data together: with float64 weights it is right. With float32 weights it is not.

area = np.cos(np.deg2rad(water.lat))
whole = fastbn.xarray.channel_stats(water, None, weights=area, nan_policy="omit")
by_latitude = fastbn.xarray.channel_stats(water, "lat", nan_policy="omit")
share = [Fraction(w) * int(n) for w, n in zip(area.values.tolist(), by_latitude.count, strict=True)]
rows = [water.values[:, row] for row in range(len(lat))]
exact = [Fraction(exact_moments(row[np.isfinite(row)])[0]) for row in rows]
right = float(sum(w * mean for w, mean in zip(share, exact, strict=True)) / sum(share))
with xr.set_options(use_bottleneck=False):
    weighted = {
        "xarray weighted, float64 weights": water.weighted(area).mean().item(),
        "xarray weighted, float32 weights": water.weighted(area.astype(np.float32)).mean().item(),
        "fastbn": whole.mean.item(),
    }
    unweighted = {
        "xarray": water.mean().item(),
        "xarray, bottleneck": xarray_with_bottleneck(water.mean).item(),
        "fastbn": fastbn.xarray.channel_stats(water, None, nan_policy="omit").mean.item(),
    }
plain = exact_moments(water.values[np.isfinite(water.values)])[0]
areas = answers("mean, by area (K)", right, weighted), answers("mean, each cell once (K)", plain, unweighted)
print(pd.concat(areas).to_string())

# %%
# Decades
# -------
#
# Statistics of decades merge into those of all years. With `method="exact"` they are the same bits; the compensated
# ones, which are the default, may differ in the last.


def by_decades(method):
    parts = np.array_split(np.arange(len(time)), decades)
    return sum(
        fastbn.xarray.channel_stats(water.isel(time=part), cells, nan_policy="omit", method=method) for part in parts
    )


merged, merged_exact = by_decades("compensated"), by_decades("exact")
exact_stats = fastbn.xarray.channel_stats(water, cells, nan_policy="omit", method="exact")
difference = np.nanmax(np.abs(merged.std() - stats.std()) / spread)
print("exact: every bit equal:", merged_exact == exact_stats)
print(f"compensated: largest relative difference of a standard deviation {difference:.1e}")

# %%
# What it shows
# -------------
#
# * **Short float64 series** are safe everywhere: the table of El Niño's months has no error worth a word.
# * **Long float32 series in kelvin are not.** NumPy's `nanmean` and `nanstd` along the first axis, and xarray by
#   either way, are off by several standard deviations in cells that hardly vary, and by nothing that matters where
#   the spread is a hundredth of the mean. The reason is the sum: where it is large, float32 has no digits left for
#   the next value.
# * **Constant cells** get a standard deviation there that is not 0; z-scores of ice are numbers instead of zeros.
# * **Chunks hide it**: a year per chunk is right to a hundredth of a standard deviation or better here. So the answer
#   depends on how the data are cut, and a constant cell is still not constant.
# * **Over the whole map**, xarray with bottleneck says a mean that is several kelvin too low, for the same reason;
#   NumPy, which adds up contiguous numbers in blocks, gives it to seven digits. Weights in float32 cost tenths of a
#   kelvin.
# * **fastbn** gives the right float64 number or its neighbour in all rows of the tables, whatever the cut.
