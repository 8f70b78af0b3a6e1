"""
Convergence
===========

The article says: batch normalization makes training converge faster, since activations stay where the nonlinearity has
gradient.

Networks of 2, 4 and 8 hidden layers of 64 units, with sigmoids or with ReLUs, learn the digits with and without batch
normalization, by plain gradient descent on batches of 64. Weights start as He's; sigmoid networks without batch
normalization get a second chance with weights that are four times Glorot's, which are made for sigmoids. Both sides are
compared at the same rates, and each at its own best one: of seven from 0.01 to 10, that with the smallest mean loss
over 300 steps and two seeds. Figures and tables are from five other seeds.
"""

from time import perf_counter
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from networks import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    ReLU,
    Sigmoid,
    accuracy,
    dense_network,
    digits,
    inputs_of,
    minibatches,
    train,
)
from pages import WITH, WITHOUT, effort, one_blas_thread, style

style()
one_blas_thread()

DEPTHS = effort((2, 4, 8), (2, 4))
deepest = DEPTHS[-1]
RATES = effort((0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0), (0.1, 1.0))
SEEDS, TUNING_SEEDS = effort(5, 1), effort((100, 101), (100,))
STEPS, TUNING_STEPS, EVERY = effort(800, 20), effort(300, 10), 10
SAME = 0.1  # the rate of the comparison at the same rate
ACTIVATIONS = {"sigmoid": Sigmoid, "ReLU": ReLU}


class Kind(NamedTuple):
    """A way to build a network, and how it is drawn."""

    normalized: bool
    scale: float  # of the first weights, in He's
    line: str


PLAIN, WIDE, NORMALIZED = "without", "without, larger weights", "with"
KINDS = {PLAIN: Kind(False, 1.0, "-"), WIDE: Kind(False, 4 / np.sqrt(2), "--"), NORMALIZED: Kind(True, 1.0, "-")}
COLOURS = {PLAIN: WITHOUT, WIDE: WITHOUT, NORMALIZED: WITH}
NETWORKS = [
    (name, depth, kind) for name in ACTIVATIONS for depth in DEPTHS for kind in KINDS if (name, kind) != ("ReLU", WIDE)
]

data = digits()
images = data.x_train[:256]


class Run(NamedTuple):
    """What was measured while a network trained; T times, L layers."""

    losses: np.ndarray  # infinite where they were no numbers any more
    accuracy: float
    gradients: np.ndarray  # (T, L), norms by the weights of each layer
    seen: np.ndarray  # (T, L, 3): spread over the images, share saturated, mean derivative
    seconds: float  # of a step


def derivative(name, x):
    """The slope of the activation where it is."""
    if name == "ReLU":
        return (x > 0).astype(np.float32)
    y = Sigmoid()(x)
    return y * (1 - y)


def observe(name, network):
    """For every activation: the spread of its inputs, the share with a slope below 0.05, and the mean slope."""
    inputs = inputs_of((ACTIVATIONS[name],), network, images)
    slopes = [derivative(name, x) for x in inputs]
    return [
        (x.std(axis=0).mean(), (slope < 0.05).mean(), slope.mean()) for x, slope in zip(inputs, slopes, strict=True)
    ]


def run(name, depth, kind, rate, seed, steps=STEPS, observed=True, optimizer=SGD) -> Run:
    """Train one network."""
    normalized, scale, _ = KINDS[kind]
    rng = np.random.default_rng(seed)
    network = dense_network(
        rng, BatchNorm if normalized else None, widths=[64] * depth, activation=ACTIVATIONS[name], scale=scale
    )
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    gradients, seen = [], []

    def look(step, _):
        if observed and step % EVERY == 0:
            gradients.append([np.linalg.norm(layer.gradients[0]) for layer in dense])
            seen.append(observe(name, network))

    batches = minibatches(data.x_train, data.y_train, 64, np.random.default_rng([seed, 1]))
    with np.errstate(all="ignore"):  # some rates are too large
        start = perf_counter()
        losses = np.nan_to_num(train(network, optimizer(rate), batches, steps, look), nan=np.inf)
        seconds = (perf_counter() - start) / steps
        return Run(losses, accuracy(network, data.x_test, data.y_test), np.array(gradients), np.array(seen), seconds)


# %%
# Which rate
# ----------
# The mean loss over the first 300 steps: low is fast. It is what chooses the best rate.

tuning = {
    place: [
        np.mean([run(*place, rate, seed, TUNING_STEPS, observed=False).losses.mean() for seed in TUNING_SEEDS])
        for rate in RATES
    ]
    for place in NETWORKS
}
best = {place: RATES[int(np.argmin(scores))] for place, scores in tuning.items()}


def panels(title, height=4.6):
    """A figure with one row per activation and one column per depth, and what to draw in each."""
    figure, axes = plt.subplots(2, len(DEPTHS), figsize=(7.4, height), sharex=True, sharey=True, squeeze=False)
    figure.suptitle(title, fontsize="medium")
    for row, name in zip(axes, ACTIVATIONS, strict=True):
        for axis, depth in zip(row, DEPTHS, strict=True):
            axis.set_title(f"{name}, {depth} layers")
    places = dict(zip([(name, depth) for name in ACTIVATIONS for depth in DEPTHS], axes.flat, strict=True))
    return figure, axes, places


def finish(figure, x, y):
    """Name the axes and the lines of a figure, and show it."""
    for axis in figure.axes[-len(DEPTHS) :]:
        axis.set_xlabel(x)
    figure.supylabel(y, fontsize="medium")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    plt.show()


def draw(axis, kind, x, y):
    """A line in the colour of its kind."""
    axis.plot(x, y, KINDS[kind].line, color=COLOURS[kind], label=kind)


figure, axes, places = panels("Mean loss over the first steps, against the rate")
for (name, depth, kind), scores in tuning.items():
    draw(places[name, depth], kind, RATES, np.minimum(scores, 4))
axes[0, 0].set(xscale="log", ylim=(0, 3))
finish(figure, "learning rate", "loss")

# %%
# Loss against step, at the same rate
# -----------------------------------
# Median over seeds of the loss, a mean of 25 steps; the band is from the smallest to the largest.


def loss_curves(runs, title):
    """Draw the losses of runs."""
    figure, axes, places = panels(title)
    for (name, depth, kind), chosen in runs.items():
        axis = places[name, depth]
        smooth = pd.DataFrame([one.losses for one in chosen]).T.rolling(25, min_periods=1).mean().clip(upper=1e3)
        draw(axis, kind, smooth.index, smooth.median(axis=1))
        axis.fill_between(
            smooth.index, smooth.min(axis=1), smooth.max(axis=1), color=COLOURS[kind], alpha=0.15, linewidth=0
        )
    axes[0, 0].set(yscale="log", ylim=(3e-4, 5))
    finish(figure, "step", "training loss")


same = {place: [run(*place, SAME, seed) for seed in range(SEEDS)] for place in NETWORKS}
loss_curves(same, f"All at a rate of {SAME}")

# %%
# And each at its own best rate
# -----------------------------

tuned = {place: [run(*place, best[place], seed) for seed in range(SEEDS)] for place in NETWORKS}
loss_curves(tuned, "Each at its best rate")


def steps_to(runs, level=0.1):
    """Median of the steps until the mean loss of 25 steps is below a level; infinite if it never is."""
    counts = []
    for one in runs:
        below = np.flatnonzero(pd.Series(one.losses).rolling(25).mean() < level)
        counts.append(below[0] + 1 if below.size else np.inf)
    return float(np.median(counts))


rows = []
for place in NETWORKS:
    row = dict(zip(["activation", "layers", "batch norm"], place, strict=True))
    row["best rate"] = best[place]
    for title, runs in ((f"rate {SAME}", same[place]), ("best rate", tuned[place])):
        row[f"steps to 0.1, {title}"] = steps_to(runs)
        row[f"loss, {title}"] = np.median([one.losses[-100:].mean() for one in runs])
        row[f"accuracy, {title}"] = np.median([one.accuracy for one in runs])
    rows.append(row)
print(pd.DataFrame(rows).set_index(["activation", "layers", "batch norm"]).round(3).to_string())

# %%
# And with Adam, which divides every gradient by its own size: the deepest sigmoid network, loss over the last 100
# steps, one seed.

rates = effort((0.001, 0.003, 0.01), (0.01,))
table = {
    kind: [
        run("sigmoid", deepest, kind, rate, 0, observed=False, optimizer=Adam).losses[-100:].mean() for rate in rates
    ]
    for kind in KINDS
}
print(pd.DataFrame(table, index=pd.Index(rates, name="Adam's rate")).round(3).to_string())

# %%
# Gradients by layer
# ------------------
# The norm of the gradient by the weights of each layer of the deepest networks. First at the start, for both kinds with
# the same weights: median over seeds.

figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
for axis, name in zip(axes, ACTIVATIONS, strict=True):
    for kind in KINDS:
        if (name, deepest, kind) in same:
            norms = np.median([one.gradients[0] for one in same[name, deepest, kind]], axis=0)
            draw(axis, kind, np.arange(1, len(norms) + 1), norms)
    axis.set(title=f"{name}, at the start", xlabel="layer", yscale="log")
axes[0].set_ylabel("norm of the gradient")
axes[0].legend(fontsize="small")
plt.show()

# %%
# Then over training, at the same rate, one seed.

figure, axes = plt.subplots(2, 2, figsize=(7, 4.6), sharex=True, sharey=True)
for row, name in zip(axes, ACTIVATIONS, strict=True):
    for axis, kind in zip(row, (PLAIN, NORMALIZED), strict=True):
        norms = same[name, deepest, kind][0].gradients
        heat = axis.pcolormesh(
            np.arange(len(norms)) * EVERY, np.arange(1, norms.shape[1] + 1), np.log10(norms + 1e-12).T, vmin=-4, vmax=1
        )
        axis.set_title(f"{name}, {kind}")
        axis.grid(False)
figure.supxlabel("step", fontsize="medium")
figure.supylabel("layer", fontsize="medium")
figure.colorbar(heat, ax=axes, label="log10 of the norm of the gradient")
plt.show()

# %%
# Where activations are
# ---------------------
# The share of saturated sigmoids, whose slope is below 0.05, that is, :math:`|x| > 2.9`; and how much the inputs of
# activations differ between images, where a network that tells images apart needs some. Means over layers, medians over
# seeds, each network at its best rate.

SPREAD, SATURATED, SLOPE = 0, 1, 2


def seen_by(runs, what):
    """A measure of the activations, (T, L), median over seeds."""
    return np.median([one.seen[:, :, what] for one in runs], axis=0)


times = np.arange(0, STEPS, EVERY)
figure, axes = plt.subplots(2, len(DEPTHS), figsize=(7.4, 4.8), sharex=True, sharey="row")
for kind in KINDS:
    for column, depth in zip(axes.T, DEPTHS, strict=True):
        runs = tuned["sigmoid", depth, kind]
        draw(column[0], kind, times, 100 * seen_by(runs, SATURATED).mean(axis=1))
        draw(column[1], kind, times, seen_by(runs, SPREAD)[:, -1])
        column[0].set_title(f"sigmoid, {depth} layers")
axes[0, 0].set_ylabel("saturated (%)")
axes[1, 0].set(ylabel="spread between images,\nlast hidden layer", yscale="log")
finish(figure, "step", "")

# %%
# The same in numbers, at the start and at the end, with the mean slope of the activation; for a ReLU that is the share
# of inputs above 0, and *saturated* the others.

rows = []
for place in NETWORKS:
    row = dict(zip(["activation", "layers", "batch norm"], place, strict=True))
    for when, time in (("start", 0), ("end", -1)):
        row[f"saturated, {when}"] = seen_by(tuned[place], SATURATED)[time].mean()
        row[f"slope, {when}"] = seen_by(tuned[place], SLOPE)[time].mean()
        row[f"spread in last, {when}"] = seen_by(tuned[place], SPREAD)[time, -1]
    rows.append(row)
print(pd.DataFrame(rows).set_index(["activation", "layers", "batch norm"]).round(3).to_string())

# %%
# What a step costs
# -----------------
# Time of a step with batch normalization, as a multiple of one without, on the machine that built this page; and what
# is then left of the gain at the best rates, over the faster of the first weights without.

rows = []
for name in ACTIVATIONS:
    for depth in DEPTHS:
        with_, without = (
            min(run(name, depth, kind, SAME, seed, TUNING_STEPS, observed=False).seconds for seed in range(3))
            for kind in (NORMALIZED, PLAIN)
        )
        plain = min(steps_to(tuned[name, depth, kind]) for kind in (PLAIN, WIDE) if (name, depth, kind) in tuned)
        fewer = plain / steps_to(tuned[name, depth, NORMALIZED])
        rows.append((name, depth, with_ / without, fewer, fewer * without / with_))
columns = ["activation", "layers", "time of a step", "fewer steps to 0.1", "faster by the clock"]
print(pd.DataFrame(rows, columns=columns).set_index(["activation", "layers"]).round(2).to_string())

# %%
# What it shows
# -------------
# * **Faster at the same rate**: with sigmoids, borne out, and the more so the deeper the network. With ReLUs it is not:
#   at the small rates that suit both, the network without batch normalization falls as fast or faster.
# * **Faster, each at its best rate**: borne out in most cases, counted in steps to a loss of 0.1. ReLU networks with it
#   take rates several times as large, and there lies their gain, of up to about two. With two layers of sigmoids,
#   there is little gain or none. With four, it takes a third of the steps, but not many fewer than larger weights do;
#   with eight, nothing is learned without it at any of these rates, and slowly with larger weights. Part of what batch
#   normalization gives is a good start, and part of it Adam gives as well: with it, each of them learns.
# * **To a lower loss**: not borne out. Late in training, networks without it often have as low a training loss, or a
#   lower one, for the statistics of a batch are noisy, and at a large rate that noise shows. Test accuracy of the ReLU
#   networks is the higher one with it all the same; :doc:`generalization` has more of that.
# * **Gradients reach the lower layers**: borne out for sigmoids. Without, the norm of the gradient falls by some four
#   powers of ten on its way down eight layers; with, it is nearly level, since dividing by a small standard deviation
#   multiplies the gradient by its inverse. For ReLUs with He's weights it is level either way.
# * **Activations stay where there is gradient**: borne out where the plain sigmoid network learns: far fewer of its
#   sigmoids are saturated with batch normalization. But that is not what stops the deep one. Hardly any of its
#   sigmoids is saturated, and their slopes are as large; what it has lost is the difference between images, which
#   shrinks from layer to layer, and batch normalization restores in each.
# * **By the clock**: a step of these small networks takes two to four times as long with batch normalization, whose
#   cost grows with the width while that of the products of matrices grows with its square. What is left of the gain
#   here is in the last column.
