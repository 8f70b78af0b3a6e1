"""
Generalization over seeds
=========================

The article says that networks with batch normalization generalize better: that they are better on data that they were
not trained on.

This page trains a dense network (64-64) and a convolutional one (8 and 16 channels), each with and without batch
normalization, on 100, 300 and all 1297 training digits, until the training loss is nearly zero. Then it counts the
hits among 500 digits that other people wrote. Ten seeds each choose the training digits, the first weights and the
order of the batches. Both sides of a pair get the same ones, so that the difference within each pair is what batch
normalization does.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from networks import (
    BatchNorm,
    Momentum,
    accuracy,
    convolutional_network,
    cross_entropy,
    dense_network,
    digits,
    minibatches,
    train,
)
from pages import WITH, WITHOUT, effort, one_blas_thread, style
from scipy import stats

style()
one_blas_thread()

NETWORKS = {"dense": dense_network, "convolutional": convolutional_network}
SIDES = {"without": None, "with": BatchNorm}
COLORS = {"without": WITHOUT, "with": WITH}
SIZES = (100, 300, 1297)
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
BATCH = 32
STEPS = effort(400, 15)
SEEDS = range(effort(10, 2))
TRIAL_SEEDS = range(100, effort(103, 101))  # not those of the final runs


def fit(kind, side, rate, size, seed, x, labels):
    """Train one network on `size` of the digits, and return it with the digits it saw."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(x))[:size]
    network = NETWORKS[kind](rng, SIDES[side])
    train(network, Momentum(rate), minibatches(x[chosen], labels[chosen], BATCH, rng), STEPS)
    return network, x[chosen], labels[chosen]


# %%
# A learning rate for each side
# -----------------------------
#
# What suits a network without batch normalization need not suit one with it. So each side of each comparison gets the
# one of five rates that does best on a validation part: the last 297 of the training digits, three seeds, other than
# those that follow. The test digits have no say in it.

selection = digits(train=1000)
x_validation, y_validation = selection.x_test[:297], selection.y_test[:297]


def validate(kind, side, rate, size):
    """Mean accuracy on the validation part."""
    hits = []
    for seed in TRIAL_SEEDS:
        network, _, _ = fit(kind, side, rate, size, seed, selection.x_train, selection.y_train)
        hits.append(accuracy(network, x_validation, y_validation))
    return np.mean(hits)


validated = pd.DataFrame(
    [
        (kind, size, side, rate, 100 * validate(kind, side, rate, size))
        for kind in NETWORKS
        for size in SIZES
        for side in SIDES
        for rate in RATES
    ],
    columns=["network", "digits", "side", "rate", "accuracy"],
).pivot(index=["network", "digits", "side"], columns="rate", values="accuracy")
rates = validated.idxmax(axis=1)
print("accuracy on the validation part in %, by learning rate, and the rate chosen")
print(validated.assign(chosen=rates).round(3).to_string(float_format="{:.4g}".format))

# %%
# Ten seeds
# ---------
#
# The final networks are trained with the chosen rates, for 400 steps of 32 digits with a momentum of 0.9.

data = digits()


def measure(kind, side, size, seed):
    """Loss and accuracy on the digits that a network saw, and on the test digits."""
    network, x, labels = fit(kind, side, rates[kind, size, side], size, seed, data.x_train, data.y_train)
    network.eval()
    return {
        "training loss": cross_entropy(network(x), labels)[0],
        "training accuracy": 100 * accuracy(network, x, labels),
        "test accuracy": 100 * accuracy(network, data.x_test, data.y_test),
    }


runs = pd.DataFrame(
    [
        {"network": kind, "digits": size, "side": side, "seed": seed, **measure(kind, side, size, seed)}
        for kind in NETWORKS
        for size in SIZES
        for side in SIDES
        for seed in SEEDS
    ]
)

figure, panels = plt.subplots(1, 2, figsize=(7.6, 4), sharey=True)
for panel, kind in zip(panels, NETWORKS, strict=True):
    for side, color in COLORS.items():
        part = runs[(runs["network"] == kind) & (runs["side"] == side)].pivot(
            index="digits", columns="seed", values="test accuracy"
        )
        place = np.arange(len(SIZES)) + (0.12 if side == "with" else -0.12)
        panel.plot(place, part, ".", color=color, alpha=0.5)
        panel.errorbar(
            place,
            part.mean(axis=1),
            part.std(axis=1),
            color=color,
            marker="_",
            markersize=14,
            capsize=4,
            linestyle="none",
            label=f"{side} batch normalization",
        )
    panel.set_xticks(range(len(SIZES)), SIZES)
    panel.set(title=f"{kind} network", xlabel="training digits")
panels[0].set_ylabel("test accuracy in %")
panels[0].legend(loc="lower right")
figure.suptitle("A dot for each seed; bars: mean and standard deviation")
plt.show()

# %%
# Differences within pairs
# ------------------------
#
# Each seed gives a pair of networks that had the same digits and the same first weights. The mean of the differences
# comes with its 95 % confidence interval by Student's t distribution. An interval above 0 says that batch
# normalization did better, one below 0 that it did worse, and one that holds 0 that these seeds show no difference.

by_side = runs.pivot(index=["network", "digits", "seed"], columns="side", values="test accuracy")
differences = (by_side["with"] - by_side["without"]).unstack("seed")
mean = differences.mean(axis=1)
half_width = stats.t.ppf(0.975, len(SEEDS) - 1) * differences.std(axis=1) / np.sqrt(len(SEEDS))
verdict = np.select([mean - half_width > 0, mean + half_width < 0], ["better", "worse"], "no difference shown")

grouped = runs.groupby(["network", "digits", "side"])
table = pd.DataFrame(
    {
        ("training loss", "without"): grouped["training loss"].mean().xs("without", level="side"),
        ("training loss", "with"): grouped["training loss"].mean().xs("with", level="side"),
        ("test accuracy", "without"): grouped["test accuracy"].mean().xs("without", level="side"),
        ("test accuracy", "with"): grouped["test accuracy"].mean().xs("with", level="side"),
        ("difference", "mean"): mean,
        ("difference", "from"): mean - half_width,
        ("difference", "to"): mean + half_width,
        ("seeds", "better with"): (differences > 0).sum(axis=1),
    }
).sort_index(level="network", ascending=False, sort_remaining=False)
table = table.round(2)
table["", "verdict"] = pd.Series(verdict, mean.index)
print(f"accuracy in %, differences in points, {len(SEEDS)} seeds")
print(table.to_string())

figure, panel = plt.subplots(figsize=(7.2, 3.6))
rows = np.arange(len(mean))[::-1]
panel.axvline(0, color="grey", linewidth=1)
panel.plot(differences.to_numpy(), rows, ".", color="grey", alpha=0.5)
panel.errorbar(mean, rows, xerr=half_width, color=WITH, marker="o", capsize=4, linestyle="none")
panel.set_yticks(rows, [f"{kind}, {size} digits" for kind, size in mean.index])
panel.set(
    title="Difference within pairs: mean and 95 % interval; a grey dot for each seed",
    xlabel="test accuracy with minus without, in percentage points",
)
plt.show()
