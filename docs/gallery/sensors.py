r"""
Sensors in volts: tiny numbers on large offsets
===============================================

The article's formula divides by the standard deviation, with a small eps to keep the denominator above zero. Small
compared to what? An amplifier for brain waves delivers volts: signals of a millionth, on offsets of the electrodes
that are a hundred thousand times as large. A magnetometer delivers 1e-13 tesla. And one electrode is always dead.

This page makes such a recording (synthetic, float32, one row per sample, as recorders write it) and hands it to NumPy,
SciPy and scikit-learn, and to fastbn. Right values are computed in integers without rounding. Other seeds change the
last digits and no statement.
"""

import math
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.stats
from pages import WITH, WITHOUT, effort, style
from pages.reference import answers, exact_moments
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

import fastbn

style()

# %%
# The recording
# -------------
#
# Six sensors, 512 samples a second: waves of 10 Hz and noise. Between 0.25 and 0.5, neighbouring float32 numbers are
# 3e-8 apart, so that even the worst of these signals has tens of steps to each side.

SENSORS = {  # name: offset, spread
    "EEG 1 (V)": (0.3, 1e-6),
    "EEG 2 (V)": (0.05, 2e-6),
    "EEG 3 (V)": (-0.2, 5e-7),
    "EEG dead (V)": (0.0123, 0.0),
    "MEG (T)": (0.0, 1e-13),
    "air pressure (Pa)": (101325.0, 5.0),
}
rng = np.random.default_rng(0)
samples = effort(2**18, 2**14)
time = np.arange(samples) / 512
offset, spread = np.array(list(SENSORS.values())).T
phase = rng.uniform(0, 2 * np.pi, len(SENSORS))
waves = np.sin(2 * np.pi * 10 * time[:, np.newaxis] + phase) + rng.normal(0.0, np.sqrt(0.5), (samples, len(SENSORS)))
x = (offset + spread * waves).astype(np.float32)
exact = [exact_moments(column) for column in x.T]

fig, axes = plt.subplots(2, 3, figsize=(8, 4), sharex=True)
shown = slice(0, 256)
for ax, name, column, (mean, _) in zip(axes.flat, SENSORS, x.T, exact, strict=True):
    ax.plot(time[shown], column[shown] - mean, color="tab:gray", linewidth=0.8)
    ax.set_title(f"{name}\non an offset of {SENSORS[name][0]:g}", fontsize="small")
for ax in axes[-1]:
    ax.set_xlabel("time (s)")
plt.show()

# %%
# The standard deviation
# ----------------------
#
# NumPy adds up float32 columns in float32. scikit-learn adds up in float64, which has digits enough here.

scaler = StandardScaler().fit(x)
stats = fastbn.channel_stats(x)
stds = {
    "NumPy std(axis=0)": x.std(axis=0),
    "NumPy, dtype=float64": x.std(axis=0, dtype=np.float64),
    "scikit-learn StandardScaler": np.sqrt(scaler.var_),
    "fastbn": stats.std(),
}
parts = [
    answers(f"std, {name}", math.sqrt(exact[k][1]), {library: std[k] for library, std in stds.items()})
    for k, name in enumerate(SENSORS)
]
print(pd.concat(parts).to_string())

# %%
# The z-score
# -----------
#
# .. math:: z_{tc} = \frac{x_{tc} - \mu_c}{\sigma_c}
#
# What comes out has to have mean 0 and standard deviation 1; a dead channel has nothing to scale. The error is the
# largest difference, over all samples, from the z-score in float64 by the exact mean and standard deviation, and so in
# standard deviations. Batch normalization is here too, with the eps of 1e-5 that networks use.

mean = np.array([mean for mean, _ in exact])
std = np.sqrt([var for _, var in exact])
right = (x - mean) / np.where(std > 0, std, 1.0)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    scores = {
        "SciPy zscore": scipy.stats.zscore(x),
        "scikit-learn StandardScaler": scaler.transform(x),
        "fastbn.batch_norm, eps 1e-5": fastbn.batch_norm(x),
        "fastbn.zscore": fastbn.zscore(x),
    }
rows = {}
for library, z in scores.items():
    found = fastbn.channel_stats(z)
    for k, name in enumerate(SENSORS):
        rows[name, library] = (found.mean[k], found.std()[k], np.abs(z[:, k] - right[:, k]).max())
table = pd.DataFrame(rows, index=["mean", "std", "largest error (std)"]).T
print(table.to_string(float_format="{:.2g}".format))
print("warnings:", len(caught))

# %%
# The first sensor. The waves are in neither SciPy's z-score nor that of batch normalization: the one divides by a
# standard deviation that is far too large, the other by the root of eps.

fig, ax = plt.subplots(figsize=(7, 3.4))
looks = {
    "fastbn.zscore": (WITH, "-"),
    "SciPy zscore": (WITHOUT, "-"),
    "fastbn.batch_norm, eps 1e-5": ("tab:gray", "--"),
}
for library, (colour, line) in looks.items():
    ax.plot(time[shown], scores[library][shown, 0], line, color=colour, label=library, linewidth=1)
ax.set(title="EEG 1, by three functions", xlabel="time (s)", ylabel="z-score")
ax.legend(ncols=3, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %%
# The eps trap
# ------------
#
# Batch normalization divides by :math:`\sqrt{\sigma^2 + \epsilon}`. That is the standard deviation only if the
# variance is well above eps; a variance of 1e-12 is not. Below :math:`\sqrt{\epsilon}`, the output is smaller than 1
# by as much as the input is smaller than that.

sizes = np.logspace(-14, 0, effort(29, 8))
column = rng.normal(size=(4096, 1))
fig, ax = plt.subplots(figsize=(7, 3.4))
for eps, line in ((1e-3, ":"), (1e-5, "--"), (1e-12, "-.")):
    y = fastbn.batch_norm(column * sizes, eps=eps)
    ax.loglog(sizes, fastbn.channel_stats(y).std(), line, color=WITHOUT, label=f"batch_norm, eps {eps:g}")
ax.loglog(sizes, fastbn.channel_stats(fastbn.zscore(column * sizes)).std(), color=WITH, label="zscore")
for name in ("MEG (T)", "EEG 1 (V)"):
    ax.axvline(SENSORS[name][1], color="tab:gray", linewidth=0.8)
    ax.text(SENSORS[name][1], 1e-10, f" {name.partition(' ')[0]}", color="tab:gray")
ax.set(title="What comes out", xlabel="standard deviation of the input", ylabel="standard deviation of the output")
ax.legend()
plt.show()

# %%
# Ranges
# ------
#
# Min-max has no eps, but a test for constants, so as not to divide by zero. scikit-learn's holds every range below
# ten times the resolution of the dtype for zero; in float32 that is 1.2e-6, whatever the size of the numbers.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    scaled = {
        "scikit-learn MinMaxScaler": MinMaxScaler().fit_transform(x),
        "scikit-learn MinMaxScaler, float64": MinMaxScaler().fit_transform(x.astype(np.float64)),
        "fastbn.minmax_scale": fastbn.minmax_scale(x),
        "scikit-learn MaxAbsScaler": MaxAbsScaler().fit_transform(x),
        "scikit-learn RobustScaler": RobustScaler().fit_transform(x),
        "fastbn.robust_scale": fastbn.robust_scale(x),
    }
ranges = {library: np.ptp(y, axis=0) for library, y in scaled.items()}
print("range of the output, maximum - minimum")
print(pd.DataFrame(ranges, index=list(SENSORS)).T.to_string(float_format="{:.3g}".format))

# %%
# What it shows
# -------------
#
# * **"A small eps"** is small only against the variance. With 1e-5, which is right for the inputs of a network, batch
#   normalization makes waves of a microvolt into numbers below a thousandth, and a magnetometer silent. The article
#   does not say so. `fastbn.zscore` has an eps of 0, and treats constant channels by what they are.
# * **NumPy's standard deviation** of float32 columns is tens to a thousand times too large where there is an offset,
#   and that of the dead channel is not 0. With `dtype=np.float64` it is right. **SciPy's zscore** takes NumPy's, and
#   gives signals that are shifted by a whole standard deviation and nearly flat; no warning is raised.
# * **scikit-learn's** standard deviations are right, and its dead channel is 0. Its z-scores are off by about a
#   hundredth of a standard deviation on the largest offset, because the mean is rounded to float32 before it is
#   subtracted.
# * **scikit-learn's MinMaxScaler and MaxAbsScaler** leave the magnetometer unscaled in float32: for them it is
#   constant. Its RobustScaler, and MinMaxScaler in float64, scale it.
# * **fastbn** is within a unit in the last place or so of float32 on every channel, and 0 on the dead one.
