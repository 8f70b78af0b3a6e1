"""
Internal covariate shift
========================

The article says: while a network trains, the inputs of a layer drift, because the layers below change (internal
covariate shift); batch normalization holds them still, and that is why it helps.

Two networks of four hidden layers of 64 units, one with sigmoids and one with ReLUs, learn the digits with and without
batch normalization: from the same weights, at the same rate, from batches of 64 images. Every ten steps, 128 fixed
images tell what each activation sees. Drift is the Wasserstein distance between what a unit sees at one such time and
at the next, in standard deviations of that unit; all of it for five seeds. Then drift is put back by force: if it were
what slows training down, training would be slow again.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from networks import (
    SGD,
    BatchNorm,
    Network,
    Plain,
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

DEPTH, EVERY = 4, 10
STEPS, SEEDS = effort(1000, 20), effort(5, 1)
ACTIVATIONS = {"sigmoid": (Sigmoid, 0.3), "ReLU": (ReLU, 0.1)}  # and the rate
KINDS = {False: ("without", WITHOUT), True: ("with", WITH)}

data = digits()
images = data.x_train[:128]


def build(activation, normalized, seed):
    """Hidden layers of 64 units; from a seed, both kinds start from the same weights."""
    rng = np.random.default_rng(seed)
    return dense_network(rng, BatchNorm if normalized else None, widths=[64] * DEPTH, activation=activation)


class Track(NamedTuple):
    """What was measured while a network trained; T times, L layers, U units."""

    losses: np.ndarray
    accuracy: float
    bands: np.ndarray  # (T, 3, U), percentiles of what the last activation saw
    way: np.ndarray  # (U,), how far that moved in all
    drift: np.ndarray  # (T - 1, L), of what activations saw
    ahead: np.ndarray  # (T - 1, L), of what normalizations saw, or activations where there are none
    moments: np.ndarray  # (L, 2), how far mean and standard deviation moved per time
    whole: np.ndarray  # (L,), distance from the start to the end


def distance(one, other):
    """Wasserstein distance between sorted samples (..., images, U), in standard deviations of the first."""
    return np.abs(other - one).mean(axis=-2) / one.std(axis=-2)


def step_by_step(values, std):
    """How far values (T, L, U) move from one time to the next, in standard deviations; (L,)."""
    return (np.abs(np.diff(values, axis=0)) / std[:-1]).mean(axis=(0, 2))


def follow(network, rate, seed, steps=STEPS) -> Track:
    """Train a network, and look at what its layers see on the way."""
    activations, ahead = [], []

    def look(step, _):
        if step % EVERY == 0:
            seen = inputs_of((Sigmoid, ReLU), network, images)
            activations.append(np.sort(seen, axis=1))
            ahead.append(np.sort(inputs_of((BatchNorm,), network, images) or seen, axis=1))

    batches = minibatches(data.x_train, data.y_train, 64, np.random.default_rng([seed, 1]))
    losses = train(network, SGD(rate), batches, steps, look)
    seen, before = np.array(activations), np.array(ahead)  # (T, L, images, U)
    steps_taken = distance(seen[:-1], seen[1:])
    mean, std = seen.mean(axis=2), seen.std(axis=2)
    return Track(
        losses,
        accuracy(network, data.x_test, data.y_test),
        np.percentile(seen[:, -1], [15, 50, 85], axis=1).swapaxes(0, 1),
        steps_taken[:, -1].sum(axis=0),
        steps_taken.mean(axis=-1),
        distance(before[:-1], before[1:]).mean(axis=-1),
        np.transpose([step_by_step(mean, std), step_by_step(std, std)]),
        distance(seen[0], seen[-1]).mean(axis=-1),
    )


tracks = {}
for name, (activation, rate) in ACTIVATIONS.items():
    for normalized in KINDS:
        for seed in range(SEEDS):
            network = build(activation, normalized, seed)
            tracks[name, normalized, seed] = follow(network, rate, seed)

# %%
# What one unit sees
# ------------------
# The 15th, 50th and 85th percentile of the input of one activation in the last hidden layer, as in figure 1 of Ioffe
# and Szegedy (2015). The unit is that whose way is the median of its layer's: neither the calmest nor the wildest.

times = np.arange(0, STEPS, EVERY)
figure, axes = plt.subplots(2, 2, figsize=(7, 5), sharex=True, sharey="row")
for row, name in zip(axes, ACTIVATIONS, strict=True):
    for axis, (normalized, (label, colour)) in zip(row, KINDS.items(), strict=True):
        track = tracks[name, normalized, 0]
        unit = np.argsort(track.way)[len(track.way) // 2]
        low, middle, high = track.bands[:, :, unit].T
        axis.fill_between(times, low, high, color=colour, alpha=0.25, linewidth=0, label="15th to 85th percentile")
        axis.plot(times, middle, color=colour, label="median")
        axis.set_title(f"{name}, {label} batch normalization")
    row[0].set_ylabel("input of the activation")
for axis in axes[1]:
    axis.set_xlabel("step")
for axis, place in ((axes[0, 0], "upper left"), (axes[1, 1], "upper right")):
    axis.legend(fontsize="small", loc=place)
plt.show()

# %%
# How far the distributions move
# ------------------------------
# Each line is the mean over the units of a layer, and the median over seeds.


def median(name, normalized, field):
    """Median over seeds of what was measured of one kind of network."""
    return np.median([getattr(tracks[name, normalized, seed], field) for seed in range(SEEDS)], axis=0)


figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), sharey=True)
for axis, name in zip(axes, ACTIVATIONS, strict=True):
    for normalized, (label, colour) in KINDS.items():
        drift = median(name, normalized, "drift")
        for layer, line in ((0, ":"), (DEPTH - 1, "-")):
            axis.semilogy(times[1:], drift[:, layer], line, color=colour, label=f"{label}, layer {layer + 1}")
    axis.set_title(name)
    axis.set_xlabel("step")
axes[0].set_ylabel(f"drift in {EVERY} steps\n(standard deviations)")
axes[1].legend(fontsize="small")
plt.show()

# %%
# The same in numbers, from one time to the next: how far the mean and the standard deviation of a unit's input move,
# and the distance, all in standard deviations of the unit; and the distance from the start to the end. Means over
# units and times, medians over seeds.

parts = {}
for name in ACTIVATIONS:
    for normalized, (label, _) in KINDS.items():
        numbers = pd.DataFrame(median(name, normalized, "moments"), columns=["mean moves", "std moves"])
        numbers["drift"] = median(name, normalized, "drift").mean(axis=0)
        numbers["start to end"] = median(name, normalized, "whole")
        parts[name, label] = numbers.set_index(pd.RangeIndex(1, DEPTH + 1, name="layer"))
table = pd.concat(parts, names=["activation", "batch norm"])
print(table.round(3).to_string())

# %%
# Where the drift goes
# --------------------
# Batch normalization does not stop the layers below from moving; it subtracts and divides by what moved. *Ahead* of it,
# in standard deviations, is what an activation would see with the statistics of ten steps ago. What is left *after* it
# are :math:`\gamma` and :math:`\beta`, which move as slowly as they learn, and the shape of the distribution.

parts = {}
for name in ACTIVATIONS:
    numbers = pd.DataFrame(
        {
            "without": median(name, False, "drift").mean(axis=0),
            "with, ahead": median(name, True, "ahead").mean(axis=0),
            "with, after": median(name, True, "drift").mean(axis=0),
        },
        index=pd.RangeIndex(1, DEPTH + 1, name="layer"),
    )
    numbers["without / after"] = numbers["without"] / numbers["with, after"]
    numbers["ahead / after"] = numbers["with, ahead"] / numbers["with, after"]
    parts[name] = numbers
print(pd.concat(parts, names=["activation"]).round(3).to_string())

# %%
# At other rates
# --------------
# A network that moves faster drifts more. One seed: the drift of the last layer against the rate, and the loss over the
# last hundred steps. Drift is infinite, or no number, where some unit sees the same for all images: it is dead.

rows = []
for name, (activation, _) in ACTIVATIONS.items():
    for rate in effort((0.03, 0.1, 0.3, 1.0), (0.1,)):
        row = {"activation": name, "rate": rate}
        for normalized, (label, _) in KINDS.items():
            network = build(activation, normalized, 0)
            with np.errstate(all="ignore"):  # the largest rate is too large for some
                track = follow(network, rate, 0)
            row[f"drift {label}"] = track.drift[:, -1].mean()
            row[f"loss {label}"] = track.losses[-100:].mean()
        rows.append(row)
print(pd.DataFrame(rows).set_index(["activation", "rate"]).round(3).to_string())

# %%
# Drift by force
# --------------
# Santurkar et al. (2018) put noise behind each batch normalization that shifts and scales every unit anew in every
# step. If drift is what slows training down, a network whose distributions drift by more than those without batch
# normalization is slower than that one, too. A strength of 0.5 shifts by up to 0.5, and scales by up to
# :math:`e^{0.5}`, either way.


class Drifting(Plain):
    """Shifts and scales every unit by numbers drawn in every pass of training."""

    def __init__(self, strength: float, rng: np.random.Generator) -> None:
        super().__init__()
        self.strength, self.rng = strength, rng

    def __call__(self, x):
        if not self.training:
            return x
        shift, scale = self.strength * self.rng.uniform(-1, 1, size=(2, x.shape[1])).astype(np.float32)
        self.scale = np.exp(scale)
        return x * self.scale + shift

    def backward(self, dy):
        return dy * self.scale


def drifting(activation, strength, seed):
    """The network with batch normalization, and forced drift behind it."""
    network = build(activation, True, seed)
    rng = np.random.default_rng([seed, 2])
    layers = []
    for layer in network.layers:
        layers.append(layer)
        if isinstance(layer, BatchNorm):
            layers.append(Drifting(strength, rng))
    return Network(*layers)


STRENGTHS = effort({0.5: "--", 1.0: ":"}, {0.5: "--"})
noisy = {
    (name, strength, seed): follow(drifting(activation, strength, seed), rate, seed)
    for name, (activation, rate) in ACTIVATIONS.items()
    for strength in STRENGTHS
    for seed in range(SEEDS)
}


def smooth(losses):
    """Mean over the last fifty steps."""
    return pd.Series(losses).rolling(50, min_periods=1).mean()


rows = []
figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), sharey=True)
for axis, name in zip(axes, ACTIVATIONS, strict=True):
    curves = {label: (tracks, normalized, colour, "-") for normalized, (label, colour) in KINDS.items()}
    curves |= {f"with, drift {strength}": (noisy, strength, WITH, line) for strength, line in STRENGTHS.items()}
    for label, (source, key, colour, line) in curves.items():
        chosen = [source[name, key, seed] for seed in range(SEEDS)]
        losses = np.median([smooth(track.losses) for track in chosen], axis=0)
        axis.semilogy(losses, line, color=colour, label=label)
        reached = losses < 0.2
        rows.append(
            {
                "activation": name,
                "batch norm": label,
                "drift, last layer": np.median([track.drift[:, -1].mean() for track in chosen]),
                "steps to a loss of 0.2": np.argmax(reached) if reached.any() else np.nan,
                "loss at the end": losses[-1],
                "test accuracy": np.median([track.accuracy for track in chosen]),
            }
        )
    axis.set_title(name)
    axis.set_xlabel("step")
axes[0].set_ylabel("training loss, mean of 50 steps")
axes[0].legend(fontsize="small")
plt.show()
print(pd.DataFrame(rows).set_index(["activation", "batch norm"]).round(3).to_string())

# %%
# What it shows
# -------------
# * **The inputs of layers drift, and more the deeper they lie**: borne out, for both activations. Without batch
#   normalization the drift grows from layer to layer, as each adds its own to that of the layers below; see the first
#   table. In the last sigmoid layer it is largest, for there the images differ least, so that a small step is many
#   standard deviations.
# * **Batch normalization holds them still**: borne out on the whole of training, for every layer, and in the last one
#   at every rate tried. Means hardly move at all, since the mean after it is :math:`\beta`. But the difference is made
#   early, as the lines show: once the plain ReLU network has learned all, it stands still, and drifts no more.
# * **Because it subtracts the drift**: in part. By *ahead / after*, the subtraction removes about a third of what
#   reaches it at most, and less in the upper layers. The larger part is that little reaches it: the inputs of the layer
#   below were normalized, too, so that drift does not add up on the way.
# * **That is why training is faster**: not borne out. The sigmoid network with batch normalization and twice the drift
#   of the one without still needs a fraction of its steps. The plain ReLU network drifts several times as much as the
#   normalized one, but reaches the same training loss no later. Drift by force does have its price: it takes steps,
#   and the more the stronger it is. So far this agrees with Santurkar et al.; :doc:`convergence` looks for other
#   reasons.
