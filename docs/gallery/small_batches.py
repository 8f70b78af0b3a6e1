"""
Small batches
=============

The article says that batch normalization is sensitive to small batches: their mean and variance are inaccurate, which
can make training unstable.

This page trains a dense network (64-64) and a convolutional one (8 and 16 channels) on the 1297 training digits with
batches of 2 to 128, with batch normalization and with group norm and layer norm, which do not look at the batch. Each
run sees every digit the same number of times, so small batches take more steps; the learning rate is in proportion to
the batch, so that those steps are smaller. Three seeds each. Before that, it measures how far mean and variance of a
batch are off inside a trained network.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from networks import (
    SGD,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    accuracy,
    convolutional_network,
    dense_network,
    digits,
    inputs_of,
    minibatches,
    train,
)
from pages import WITH, effort, one_blas_thread, style

import fastbn

style()
one_blas_thread()

SIZES = np.array(effort([2, 4, 8, 16, 32, 64, 128], [2, 32]))
SEEDS = range(effort(3, 1))
SEEN = effort(6 * 1297, 256)  # digits, over all steps of a run
RATE = 0.05 / 32  # times the batch size
WINDOW = 128  # digits over which the training loss is averaged, so that it is as noisy for any batch size

data = digits()

# %%
# How inaccurate statistics of a batch are
# ----------------------------------------
#
# For :math:`n` independent normal values the error of the mean is :math:`1/\sqrt{n}` standard deviations, and the
# relative error of the variance about :math:`\sqrt{2/n}`. What a hidden layer passes on is not normal, and the pixels
# of a channel are not independent. How much one image counts for can be computed: if :math:`s^2` is the variance of
# all values of a channel and :math:`s_m^2` that of the means of whole images, then for the mean an image counts as
# :math:`s^2 / s_m^2` independent values. For the variance it counts as :math:`2 s^4 / s_v^2`, where :math:`s_v^2` is
# the variance, over images, of the mean square about the mean of the channel. A dense layer has one value per digit.
# All this is measured at the inputs of batch normalization in two trained networks, with 400 random batches of each
# size.

DRAWS = effort(400, 20)


def counts_for(activations, whole):
    """As how many independent normal values one image counts, for the mean and for the variance."""
    pixels = activations.reshape(*activations.shape[:2], -1)  # (N, C, values)
    centred = pixels - whole.mean[:, np.newaxis]
    of_means = np.mean(centred.mean(axis=2).var(axis=0) / whole.var())
    of_squares = np.mean((centred**2).mean(axis=2).var(axis=0) / whole.var() ** 2)
    return 1 / of_means, 2 / of_squares


def statistics_error(activations, size, rng):
    """Errors of mean and variance, root mean square over batches and channels, beside what theory says."""
    whole = fastbn.channel_stats(activations)
    batches = [fastbn.channel_stats(activations[rng.integers(0, len(activations), size)]) for _ in range(DRAWS)]
    of_mean = [(batch.mean - whole.mean) / whole.std() for batch in batches]
    of_var = [batch.var() / whole.var() - 1 for batch in batches]
    n = size * activations[0, 0].size
    for_mean, for_var = counts_for(activations, whole)
    return {
        "n": n,
        "error of mean": np.sqrt(np.mean(np.square(of_mean))),
        "1/sqrt(n)": 1 / np.sqrt(n),
        "mean by images": 1 / np.sqrt(size * for_mean),
        "error of variance": np.sqrt(np.mean(np.square(of_var))),
        "sqrt(2/n)": np.sqrt(2 / n),
        "variance by images": np.sqrt(2 / (size * for_var)),
    }


def trained(build, normalization, size, seed):
    """A network after `SEEN` digits, and the mean training loss of each `WINDOW` of them."""
    rng = np.random.default_rng(seed)
    network = build(rng, normalization)
    batches = minibatches(data.x_train, data.y_train, size, rng)
    losses = train(network, SGD(RATE * size), batches, SEEN // size)
    per_window = WINDOW // size
    windows = len(losses) // per_window
    return network, losses[: windows * per_window].reshape(windows, per_window).mean(axis=1)


rng = np.random.default_rng(0)
dense, _ = trained(dense_network, BatchNorm, 32, 0)
convolutional, _ = trained(convolutional_network, BatchNorm, 32, 0)
layers = {
    "dense, second layer": inputs_of((BatchNorm,), dense, data.x_train)[1],
    "convolution, first layer": inputs_of((BatchNorm,), convolutional, data.x_train)[0],
    "convolution, second layer": inputs_of((BatchNorm,), convolutional, data.x_train)[1],
}
errors = pd.DataFrame(
    [
        {"layer": name, "batch": size, **statistics_error(activations, size, rng)}
        for name, activations in layers.items()
        for size in SIZES
    ]
)

figure, panels = plt.subplots(1, 3, figsize=(8.6, 4), sharey=True)
for panel, (name, part) in zip(panels, errors.groupby("layer", sort=False), strict=True):
    for of, theory, color, marker in (("mean", "1/sqrt(n)", "black", "o"), ("variance", "sqrt(2/n)", "tab:green", "s")):
        panel.loglog(part["batch"], part[f"error of {of}"], marker, color=color, label=f"{of}, measured")
        panel.loglog(part["batch"], part[theory], "--", color=color, label=f"{of}, {theory}")
        panel.loglog(part["batch"], part[f"{of} by images"], ":", color=color, label=f"{of}, by what an image counts")
    panel.minorticks_off()
    panel.set_xticks(SIZES, SIZES)
    panel.set(title=name, xlabel="digits in the batch")
panels[0].set_ylabel("error of the batch's statistics")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

print("error of the mean in standard deviations, of the variance relative; n: values in the batch")
print(errors.set_index(["layer", "batch"]).round(3).to_string())
print()
counted = {
    name: (activations[0, 0].size, *counts_for(activations, fastbn.channel_stats(activations)))
    for name, activations in layers.items()
}
counts = pd.DataFrame.from_dict(counted, "index", columns=["values", "count for the mean", "count for the variance"])
print("per image")
print(counts.round(1).to_string())

# %%
# Accuracy
# --------
#
# A network with batch normalization is evaluated in three ways: with its running statistics; after `recalibrate`,
# which computes them once more, exactly, from all training digits; and with the statistics of test batches of the
# size that it was trained with, as in training. Group norm takes groups of 8 units or of 4 channels, layer norm all
# values of a digit. Both have learned scales and shifts as batch normalization has.

NETWORKS = {
    "dense": (dense_network, {"group norm": lambda units: GroupNorm(units, units // 8), "layer norm": LayerNorm}),
    "convolutional": (
        convolutional_network,
        {
            "group norm": lambda channels: GroupNorm(channels, channels // 4),
            "layer norm": lambda channels: GroupNorm(channels, 1),
        },
    ),
}
RUNNING, RECALIBRATED, OWN = "batch norm, running", "batch norm, recalibrated", "batch norm, batch's own"


def accuracy_by_batches(network, size, rng):
    """Accuracy on the test digits where each batch of them is normalized by its own statistics."""
    order = rng.permutation(len(data.x_test))
    parts = np.split(order, range(size, len(order), size))
    network.train()
    return float(np.concatenate([network(data.x_test[p]).argmax(axis=1) == data.y_test[p] for p in parts]).mean())


def evaluate(network, size, seed):
    """Accuracy of a network with batch normalization, by the statistics that it takes."""
    running = accuracy(network, data.x_test, data.y_test)
    own = accuracy_by_batches(network, size, np.random.default_rng(seed))
    network.recalibrate([data.x_train])
    return {RUNNING: running, RECALIBRATED: accuracy(network, data.x_test, data.y_test), OWN: own}


rows, courses = [], {}
for kind, (build, others) in NETWORKS.items():
    for name, normalization in {"batch norm": BatchNorm, **others}.items():
        for size in SIZES:
            for seed in SEEDS:
                network, losses = trained(build, normalization, size, seed)
                courses[kind, name, size, seed] = losses
                batch = normalization is BatchNorm
                hits = evaluate(network, size, seed) if batch else {name: accuracy(network, data.x_test, data.y_test)}
                rows += [(kind, statistics, size, seed, 100 * hit) for statistics, hit in hits.items()]
runs = pd.DataFrame(rows, columns=["network", "statistics", "batch", "seed", "accuracy"])
LINES = {
    RUNNING: {"color": WITH, "marker": "o"},
    RECALIBRATED: {"color": WITH, "marker": "s", "linestyle": "--"},
    OWN: {"color": WITH, "marker": "^", "linestyle": ":"},
    "group norm": {"color": "tab:green", "marker": "v"},
    "layer norm": {"color": "black", "marker": "d"},
}
figure, panels = plt.subplots(1, 2, figsize=(8, 4.4))
for panel, kind in zip(panels, NETWORKS, strict=True):
    for statistics, line in LINES.items():
        part = runs[(runs["network"] == kind) & (runs["statistics"] == statistics)]
        part = part.groupby("batch")["accuracy"].agg(["mean", "std"])
        panel.errorbar(part.index, part["mean"], part["std"], label=statistics, capsize=2, markersize=4, **line)
    panel.set_xscale("log")
    panel.minorticks_off()
    panel.set_xticks(SIZES, SIZES)
    panel.set(title=f"{kind} network", xlabel="digits in the batch")
panels[0].set_ylabel("test accuracy in %")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
figure.suptitle("Mean and standard deviation over seeds; mind the different scales", fontsize="medium")
plt.show()

print("test accuracy in %, mean over seeds")
means = runs.groupby(["network", "statistics", "batch"], sort=False)["accuracy"].mean()
print(means.unstack("batch").round(1).to_string())

# %%
# The loss in training
# --------------------
#
# The loss of a batch is noisy because its digits are few. To compare batches of different sizes, losses are averaged
# over each 128 digits. What is left beyond the noise of 128 digits comes from the training itself. Scatter is the
# standard deviation of these averages over the last pass through the data, loss their mean.

figure, panels = plt.subplots(1, 2, figsize=(8, 3.8), sharey=True)
for panel, kind in zip(panels, NETWORKS, strict=True):
    for name, color in (("batch norm", WITH), ("layer norm", "black")):
        for size, style_of_line in ((SIZES[0], "-"), (SIZES[-1], ":")):
            losses = courses[kind, name, size, SEEDS[0]]
            seen = WINDOW * np.arange(1, len(losses) + 1) / len(data.x_train)
            panel.semilogy(seen, losses, style_of_line, color=color, label=f"{name}, batches of {size}")
    panel.set(title=f"{kind} network, one seed", xlabel="passes through the data")
panels[0].set_ylabel("training loss, averaged over 128 digits")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

last_pass = -(len(data.x_train) // WINDOW)
noise = pd.DataFrame(
    [
        (kind, name, size, losses[last_pass:].mean(), losses[last_pass:].std())
        for (kind, name, size, _), losses in courses.items()
    ],
    columns=["network", "norm", "batch", "loss", "scatter"],
)
noise = noise.groupby(["network", "norm", "batch"], sort=False)[["loss", "scatter"]].mean()
print("training loss of the last pass, mean over seeds")
print(noise.unstack("batch").stack(0, future_stack=True).round(3).to_string())

# %%
# What it shows
# -------------
#
# - *Mean and variance of small batches are inaccurate*: borne out. In the dense network they follow the theory
#   closely; the variance is a little better than :math:`\sqrt{2/n}`, which is meant for large :math:`n`. What counts
#   is the number of values, not of digits: two images of 64 pixels give a far better mean than two rows.
# - Pixels of a convolution do not simply repeat each other. For the mean an image counts for *more* than its pixels:
#   it has one value at each place, and what an edge adds on one side it often takes away on the other. For the
#   variance it counts for less than its pixels.
# - *Sensitive to small batches*: borne out for the dense network, and only for the smallest ones. With batches of two
#   it loses more than 20 points, with four two or three, from eight on nearly nothing. The convolutional network,
#   with 32 values or more in each channel, loses a point or so.
# - *Unstable training*: borne out for the dense network with batches of two to eight, where the loss stays higher and
#   scatters more than with any other norm; it never diverged. Not borne out for the convolutional network.
# - *What helps.* `recalibrate` gains a few points at most, so running statistics are not the main trouble. With two
#   values batch normalization returns -1 and 1, however far apart they were: the network learned from values that it
#   never sees in evaluation. The statistics of small test batches are worse still in the dense network. Group norm
#   and layer norm do not notice the size of the batch, and are the better choice below eight rows. From eight on the
#   dense networks are within a point of each other, and the convolutional one is best with batch normalization, by
#   about as much as seeds differ.
#
# The learning rate was in proportion to the batch, and not chosen anew for each norm. The convolutional networks with
# group and layer norm fall behind at 128 because they had few steps, and large ones.
