r"""
A raster with nodata
====================

The article takes means and variances over all pixels of a channel. In a raster not all pixels are measurements: the
margin of a scene and what clouds hide are filled with a number that stands for nothing, such as 65535 or -9999. They
have to stay out of the statistics, and out of what is done with the result.

This page makes such a scene from one of scikit-learn's photographs: a surface temperature in hundredths of kelvin as
uint16, the same in kelvin as float32, and bands with larger offsets. It computes means, standard deviations and
z-scores with and without the filled pixels, by NumPy, its masked arrays, bottleneck, scikit-learn, rasterio and
fastbn. Right values are computed in integers without rounding.
"""

import math

import bottleneck
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pages import effort, style
from pages.reference import answers, exact_moments
from rasterio import Affine
from rasterio.io import MemoryFile
from sklearn.datasets import load_sample_images
from sklearn.preprocessing import StandardScaler

import fastbn

style()

# %%
# The scene
# ---------
#
# The brightness of the photograph is taken for temperatures from 282 K to 308 K. Its white sky makes the clouds; the
# corner makes the margin of the scene.

step = effort(1, 4)
photograph = load_sample_images().images[0][::step, ::step]
height, width = photograph.shape[:2]
row, column = np.ogrid[:height, :width]
missing = (photograph.min(axis=-1) > 220) | (row / height + 1.5 * column / width < 0.6)
measured = ~missing

kelvin = 282 + photograph.mean(axis=-1) / 10
hundredths = np.where(missing, 65535, np.round(100 * kelvin)).astype(np.uint16)
celsius = np.where(missing, -9999, kelvin - 273.15).astype(np.float32)
print(hundredths.shape, f"{missing.mean():.0%} missing")

# %%
# With and without
# ----------------
#
# scikit-learn has no word for nodata; it can be told by NaN, which uint16 does not have. rasterio, which is GDAL, reads
# it from the file.


def rasterio_statistics(band, nodata):
    """Return mean and standard deviation as GDAL computes them for a file of one band."""
    shape = {"height": height, "width": width, "count": 1, "dtype": band.dtype}
    with MemoryFile() as file:
        with file.open(
            driver="GTiff", nodata=nodata, transform=Affine(30, 0, 0, 0, -30, 30 * height), **shape
        ) as scene:
            scene.write(band, 1)
        with file.open() as scene:
            found = scene.stats(approx=False)[0]
    return found.mean, found.std


def everyone(band, nodata):
    """Return mean and standard deviation of one band by library."""
    masked = np.ma.masked_equal(band, nodata)
    holes = np.where(band == nodata, np.nan, band.astype(np.float32))
    scaler = StandardScaler().fit(holes.reshape(-1, 1))
    stats = fastbn.channel_stats(band, None, nodata=nodata)
    return {
        "NumPy, nodata not excluded": (band.mean(), band.std()),
        "NumPy masked array": (masked.mean(), masked.std()),
        "NumPy nanmean, nanstd": (np.nanmean(holes), np.nanstd(holes)),
        "bottleneck nanmean, nanstd": (bottleneck.nanmean(holes), bottleneck.nanstd(holes)),
        "scikit-learn, NaN": (scaler.mean_[0], np.sqrt(scaler.var_[0])),
        "rasterio (GDAL)": rasterio_statistics(band, nodata),
        "fastbn, nodata=": (stats.mean, stats.std()),
    }


BANDS = {"0.01 K, uint16": (hundredths, 65535), "°C, float32": (celsius, -9999)}
parts = []
for name, (band, nodata) in BANDS.items():
    mean, var = exact_moments(band[measured])
    found = everyone(band, nodata)
    parts += [
        answers(f"mean, {name}", mean, {library: pair[0] for library, pair in found.items()}),
        answers(f"std, {name}", math.sqrt(var), {library: pair[1] for library, pair in found.items()}),
    ]
print(pd.concat(parts).to_string())

# %%
# The picture
# -----------
#
# .. math:: z = \frac{x - \mu}{\sigma} \quad\text{for measurements}, \qquad z = \text{nodata elsewhere}
#
# With the filled pixels in the statistics, the scene is a single colour next to them. Without, it has contrast, and
# the filled pixels keep their number, so that the result is a raster with the same nodata.

spoiled = fastbn.zscore(hundredths, None)
scores, stats = fastbn.zscore(hundredths, None, nodata=65535, return_stats=True)
fig, axes = plt.subplots(1, 3, figsize=(8.5, 2.9))
drawn = {
    "temperature (K)": (np.where(missing, np.nan, hundredths / 100), "cividis", None),
    "z-score, nodata counted": (spoiled, "PuOr_r", 3),
    "z-score, nodata=65535": (np.ma.masked_equal(scores, 65535), "PuOr_r", 3),
}
for ax, (title, (values, colours, limit)) in zip(axes, drawn.items(), strict=True):
    image = ax.imshow(values, cmap=colours, vmin=limit and -limit, vmax=limit)
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(visible=False)
    fig.colorbar(image, ax=ax, orientation="horizontal", label="K" if limit is None else "standard deviations")
plt.show()

inside = fastbn.channel_stats(spoiled[measured], None), fastbn.channel_stats(scores[measured], None)
table = pd.DataFrame(
    {"mean": [s.mean for s in inside], "std": [s.std() for s in inside]},
    ["nodata counted", "nodata=65535"],
    dtype=float,
)
print("z-scores of the measurements")
print(table.round(6).abs().to_string())
print("pixels without data that are still 65535:", f"{np.mean(scores[missing] == 65535):.0%}")
back = fastbn.denormalize(scores, stats, None, dtype=np.uint16)
print("measurements that come back exactly:", f"{np.mean(back[measured] == hundredths[measured]):.0%}")

# %%
# Pixel by pixel
# --------------
#
# Rasters are often read as a table: one row per pixel, one column per band (pixel interleaved). Statistics then run
# along the first axis, and that is where float32 sums lose digits. Four bands, NaN for nodata.

brightness = photograph.astype(np.float64)
BANDS = {
    "reflectance": brightness[..., 0] / 255,
    "temperature (K)": kelvin,
    "air pressure (Pa)": 101000 + brightness[..., 1] / 5,
    "northing (m)": 5_000_000 + 30.0 * (height - row) + np.zeros_like(kelvin),
}
pixels = np.stack([np.where(missing, np.nan, band) for band in BANDS.values()], axis=-1).astype(np.float32)
pixels = pixels.reshape(-1, len(BANDS))
scaler = StandardScaler().fit(pixels)
stds = {
    "NumPy nanstd(axis=0)": np.nanstd(pixels, axis=0),
    "NumPy masked array": np.ma.masked_invalid(pixels).std(axis=0),
    "bottleneck nanstd(axis=0)": bottleneck.nanstd(pixels, axis=0),
    "scikit-learn, NaN": np.sqrt(scaler.var_),
    "fastbn": fastbn.channel_stats(pixels, nan_policy="omit").std(),
}
exact = [exact_moments(column[np.isfinite(column)]) for column in pixels.T]
parts = [
    answers(f"std, {name}", math.sqrt(exact[k][1]), {library: std[k] for library, std in stds.items()})
    for k, name in enumerate(BANDS)
]
print(pd.concat(parts).to_string())

# %%
# The z-scores, with the largest error of each band:

mean = np.array([mean for mean, _ in exact])
std = np.sqrt([var for _, var in exact])
right = (pixels - mean) / std
scores = {
    "NumPy nanmean, nanstd": (pixels - np.nanmean(pixels, axis=0)) / np.nanstd(pixels, axis=0),
    "scikit-learn StandardScaler": scaler.transform(pixels),
    "fastbn.zscore": fastbn.zscore(pixels, nan_policy="omit"),
}
errors = {library: np.nanmax(np.abs(z - right), axis=0) for library, z in scores.items()}
print("largest error (std)")
print(pd.DataFrame(errors, index=list(BANDS)).T.to_string(float_format="{:.1e}".format))

# %%
# What it shows
# -------------
#
# * **Nodata in the statistics** ruins them: the mean is not the temperature of any pixel, and the measurements keep a
#   few hundredths of a standard deviation of contrast.
# * **Excluded, band by band**, masked arrays, scikit-learn with NaN and rasterio are right. NumPy's `nanmean` and
#   `nanstd` are right to the digits of float32 for a whole band, which they add up in blocks; bottleneck, which does
#   not, loses two or three more.
# * **Pixel by pixel in float32**, the standard deviation that NumPy, its masked arrays and bottleneck give for
#   pressures is several times too large, and that of northings nearly twice. scikit-learn, which adds up in float64,
#   is right.
# * **Applying** costs digits, too: scikit-learn rounds the mean to float32 first, and may lose one for every power of
#   ten in the offset over the spread. fastbn's z-scores are within a unit in the last place or so in every band.
# * fastbn takes uint16 with `nodata=` as it is, without a copy in floats, and `denormalize` gives every measurement
#   back.
