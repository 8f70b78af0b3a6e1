"""
Generalization over seeds
=========================

The article says that networks with batch normalization generalize better: that they are better on data that they were
not trained on.

This page trains a dense network (64-64) and a convolutional one (8 and 16 channels), each with and without batch
normalization, on 100, 300 and 1297 digits, until the training loss is nearly zero. Then it counts the hits among 500
digits that, nearly all, other people wrote. Digits by few hands are a small sample, however many they are, so this is
done for three test parts that share no digit, with four seeds each. The seed chooses the training digits, the first
weights and the order of the batches. Both sides of a pair get the same ones, so that the difference within each pair
is what batch normalization does.
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
RATES = (0.01, 0.03, 0.1, 0.3)
BATCH = 32
STEPS = effort(350, 8)
PARTS = [digits(start=start) for start in (0, 600, 1200)]  # the last 500 of 1797 from there on are the test part
SEEDS = range(effort(4, 1))
TRIAL_SEEDS = range(100, effort(102, 101))  # not those of the final runs


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
# What suits a network without batch normalization need not suit one with it. So for each test part, each side of each
# comparison gets the one of four rates that does best on a validation part: the last 297 of the training digits, two
# seeds, other than those that follow. The test digits have no say in it. The table shows the mean over the three
# parts.


def validate(kind, side, rate, size, data):
    """Mean accuracy on the validation part, in %."""
    x, x_validation = np.split(data.x_train, [1000])
    labels, labels_validation = np.split(data.y_train, [1000])
    fits = [fit(kind, side, rate, size, seed, x, labels)[0] for seed in TRIAL_SEEDS]
    return 100 * np.mean([accuracy(network, x_validation, labels_validation) for network in fits])


validated = pd.DataFrame(
    [
        (kind, size, side, part, rate, validate(kind, side, rate, size, data))
        for kind in NETWORKS
        for size in SIZES
        for side in SIDES
        for part, data in enumerate(PARTS)
        for rate in RATES
    ],
    columns=["network", "digits", "side", "part", "rate", "accuracy"],
).pivot(index=["network", "digits", "side", "part"], columns="rate", values="accuracy")
rates = validated.idxmax(axis=1)
shown = validated.groupby(["network", "digits", "side"]).mean().round(1)
shown["chosen"] = rates.groupby(["network", "digits", "side"]).agg(lambda chosen: ", ".join(map(str, chosen)))
print("accuracy on the validation part in %, by learning rate, and the rate chosen for each test part")
print(shown.to_string())
side = shown[list(RATES)].unstack("side").swaplevel(axis=1)
lead = pd.DataFrame(
    {
        f"at the rate {RATES[0]} for both": side["with"][RATES[0]] - side["without"][RATES[0]],
        "at the best rate of each": side["with"].max(axis=1) - side["without"].max(axis=1),
    }
)
print()
print("lead of batch normalization on the validation part, in percentage points")
print(lead.round(1).to_string())

# %%
# Twelve pairs
# ------------
#
# The final networks are trained with the chosen rates, for 350 steps of 32 digits with a momentum of 0.9.


def measure(kind, side, size, seed, part):
    """Loss on the digits that a network saw, and accuracy on the test digits in %."""
    data = PARTS[part]
    network, x, labels = fit(kind, side, rates[kind, size, side, part], size, seed, data.x_train, data.y_train)
    hit = accuracy(network, data.x_test, data.y_test)
    return {"training loss": cross_entropy(network.eval()(x), labels)[0], "test accuracy": 100 * hit}


runs = pd.DataFrame(
    [
        {"network": kind, "digits": size, "side": side, "part": part, "seed": seed}
        | measure(kind, side, size, seed, part)
        for kind in NETWORKS
        for size in SIZES
        for side in SIDES
        for part in range(len(PARTS))
        for seed in SEEDS
    ]
)

figure, panels = plt.subplots(1, 2, figsize=(7.6, 4), sharey=True)
for panel, kind in zip(panels, NETWORKS, strict=True):
    for side, color in COLORS.items():
        hits = runs[(runs["network"] == kind) & (runs["side"] == side)].pivot(
            index="digits", columns=["part", "seed"], values="test accuracy"
        )
        place = np.arange(len(SIZES)) + (0.12 if side == "with" else -0.12)
        panel.plot(place, hits, ".", color=color, alpha=0.5)
        panel.errorbar(
            place,
            hits.mean(axis=1),
            hits.std(axis=1),
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
figure.suptitle("A dot for each run; bars: mean and standard deviation", fontsize="medium")
plt.show()

# %%
# Differences within pairs
# ------------------------
#
# Each seed gives a pair of networks that had the same digits and the same first weights. The mean of the differences
# comes with its 95 % confidence interval by Student's t distribution. An interval above 0 says that batch
# normalization did better, one below 0 that it did worse, and one that holds 0 that these pairs show no difference.
# Pairs of one test part share its digits, so that the interval is rather too narrow: the means of the parts say how
# much depends on who wrote the test digits.

by_side = runs.pivot(index=["network", "digits", "part", "seed"], columns="side", values="test accuracy")
differences = (by_side["with"] - by_side["without"]).unstack(["part", "seed"])
pairs = differences.shape[1]
mean = differences.mean(axis=1)
half_width = stats.t.ppf(0.975, pairs - 1) * differences.std(axis=1) / np.sqrt(pairs)
verdict = np.select([mean - half_width > 0, mean + half_width < 0], ["better", "worse"], "no difference shown")
by_part = differences.T.groupby("part").mean().T

means = runs.groupby(["network", "digits", "side"])[["training loss", "test accuracy"]].mean().unstack("side")
print(f"accuracy in %, differences in percentage points, {pairs} pairs")
print(means.iloc[:, ::-1].round(3).to_string())
print()
table = pd.DataFrame({"difference": mean, "from": mean - half_width, "to": mean + half_width})
table = table.join(by_part.add_prefix("part ")).round(2)
table["pairs better with"] = (differences > 0).sum(axis=1)
table["batch normalization is"] = verdict
print(table.to_string())
print(f"mean difference over all rows: {mean.mean():.1f}")

figure, panel = plt.subplots(figsize=(7.2, 4))
rows = np.arange(len(mean))[::-1]
panel.axvline(0, color="grey", linewidth=1)
for part, (marker, shift) in enumerate((("^", 0.2), ("s", 0), ("v", -0.2))):
    panel.plot(differences[part], rows + shift, marker, color="grey", alpha=0.5, markersize=4)
    panel.plot([], [], marker, color="grey", label=f"pairs of test part {part}")
panel.errorbar(mean, rows, xerr=half_width, color=WITH, marker="o", capsize=4, linestyle="none", label="mean, 95 %")
panel.set_yticks(rows, [f"{kind}, {size} digits" for kind, size in mean.index])
panel.set(
    title="Difference within pairs",
    xlabel="test accuracy with minus without, in percentage points",
)
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %%
# What it shows
# -------------
#
# - *Better generalization*: partly borne out. Averaged over everything, networks with batch normalization hit one or
#   two percentage points more of the test digits, with the same training loss of nearly zero. No row shows it to be
#   worse. But not every row shows it to be better by itself, and which ones do changes with the seeds.
# - It depends on who wrote the test digits: what is clear on one test part can be close to zero on another. One test
#   part alone, with any number of seeds, says little about other writers.
# - With 100 digits the choice of the learning rate by so few validation runs can cost more than batch normalization
#   gains.
# - The differences are of the size of the scatter from seed to seed. A comparison of one network with one other says
#   nothing here.
# - Part of the gain belongs to the learning rate: on the validation part the lead is on average smaller with a small
#   rate for both sides than with the best rate for each. Networks with batch normalization stand larger rates, which
#   end in other minima; and its noise, which makes each digit's output depend on its batch, may do the rest.
