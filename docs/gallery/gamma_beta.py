r"""
Gamma and beta
==============

The article says: batch normalization learns a scale :math:`\gamma` and a shift :math:`\beta` for each channel; they
give back what normalizing took away, and set the distribution of a layer's output directly, instead of through all the
weights below.

First, what follows from the formula, checked to the last digits on one layer. Then networks of four hidden layers of 64
units, with sigmoids or ReLUs, learn the digits: what :math:`\gamma` and :math:`\beta` become, and what is lost where
they are left out (``affine=False``), over seven seeds. At last, two cases built so that they are needed.
"""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from networks import (
    SGD,
    BatchNorm,
    Network,
    ReLU,
    Sigmoid,
    accuracy,
    dense_network,
    digits,
    minibatches,
    train,
)
from pages import WITH, effort, one_blas_thread, style

import fastbn

style()
one_blas_thread()

FIXED = "tab:green"  # batch normalization without gamma and beta
data = digits()

# %%
# They set the distribution directly
# ----------------------------------
# A dense layer of random weights, and batch normalization with any :math:`\gamma` and :math:`\beta`, in float64: mean
# and standard deviation of the output are :math:`\beta` and :math:`|\gamma|`, whatever the weights. The bias of the
# dense layer does nothing, and the scale of its weights nothing but divide their gradient. Numbers are the largest
# relative deviation from that.

rng = np.random.default_rng(0)
x = data.x_train.reshape(-1, 64).astype(np.float64)
w, bias = rng.normal(0, 0.2, size=(64, 32)), rng.normal(size=32)
gamma, beta = rng.normal(1, 1, size=32), rng.normal(0, 2, size=32)
dy = rng.normal(size=(len(x), 32))


def layer(w, bias, eps=0.0):
    """Output of the layer, and its gradients by weights and bias."""
    dense = x @ w + bias
    y, stats = fastbn.batch_norm(dense, gamma, beta, eps=eps, return_stats=True)
    dx, _, _ = fastbn.batch_norm_backward(dy, dense, stats, gamma, eps=eps)
    return y, x.T @ dx, dx.sum(axis=0)


def deviation(value, wanted):
    """Largest difference, by the largest number that is wanted."""
    return np.abs(value - wanted).max() / np.abs(wanted).max()


y, dw, dbias = layer(w, bias)
checks = {
    "mean of the output is beta": deviation(y.mean(axis=0), beta),
    "its standard deviation is |gamma|": deviation(y.std(axis=0), np.abs(gamma)),
    "gradient of the bias is 0, by the sum of |dy|": (np.abs(dbias) / np.abs(dy).sum(axis=0)).max(),
    "a bias greater by 100 changes no output": deviation(layer(w, bias + 100)[0], y),
    "gradient of a unit's weights is at right angles to them": np.abs(
        (w * dw).sum(axis=0) / np.linalg.norm(w, axis=0) / np.linalg.norm(dw, axis=0)
    ).max(),
}
for factor in (0.01, 0.1, 10.0, 1000.0):
    scaled, dscaled, _ = layer(factor * w, factor * bias)
    checks[f"weights times {factor:g}: same output"] = deviation(scaled, y)
    checks[f"weights times {factor:g}: gradient divided by {factor:g}"] = deviation(dscaled * factor, dw)
small, _, _ = layer(0.01 * w, 0.01 * bias, eps=1e-5)
checks["weights times 0.01, with the usual eps of 1e-5"] = deviation(small, y)
print(pd.Series(checks, name="deviation").map("{:.0e}".format).to_string())

# %%
# What they learn
# ---------------
# Bands hold the middle 80 % of the units of a layer, lines are medians; one seed, 1500 steps.

STEPS, SEEDS, EVERY = effort(1500, 20), effort(7, 1), 10
ACTIVATIONS = {"sigmoid": (Sigmoid, 0.3, "tab:purple"), "ReLU": (ReLU, 0.1, "tab:olive")}  # rate, colour
WIDTHS = [64] * 4


def learn(network, rate, seed, watch=lambda *_: None):
    """Train a network on batches of 64; return the losses."""
    batches = minibatches(data.x_train, data.y_train, 64, np.random.default_rng([seed, 1]))
    return train(network, SGD(rate), batches, STEPS, watch)


def follow_affine(network, rate, seed):
    """Train a network; return gamma and beta of its hidden layers on the way, (times, 2, layers, units)."""
    norms = [layer for layer in network.layers if isinstance(layer, BatchNorm)]
    track = []

    def look(step, _):
        if step % EVERY == 0:
            track.append(np.stack([norm.parameters for norm in norms], axis=1))

    learn(network, rate, seed, look)
    return np.array(track)


affine_tracks = {
    name: follow_affine(
        dense_network(np.random.default_rng(0), BatchNorm, widths=WIDTHS, activation=activation), rate, 0
    )
    for name, (activation, rate, _) in ACTIVATIONS.items()
}

figure, axes = plt.subplots(2, len(WIDTHS), figsize=(7.4, 4.4), sharex=True, sharey="row")
for name, (_, _, colour) in ACTIVATIONS.items():
    low, middle, high = np.percentile(affine_tracks[name], [10, 50, 90], axis=-1)  # (times, 2, layers)
    times = np.arange(len(middle)) * EVERY
    for row in range(2):
        for place, axis in enumerate(axes[row]):
            axis.fill_between(times, low[:, row, place], high[:, row, place], color=colour, alpha=0.25, linewidth=0)
            axis.plot(times, middle[:, row, place], color=colour, label=name)
for place, axis in enumerate(axes[0]):
    axis.set_title(f"layer {place + 1}")
axes[0, 0].set_ylabel("gamma")
axes[1, 0].set_ylabel("beta")
axes[0, 0].legend(fontsize="small")
figure.supxlabel("step", fontsize="medium")
plt.show()

rows = []
for name in ACTIVATIONS:
    gammas, betas = affine_tracks[name][-1]
    for place in range(len(WIDTHS)):
        g, b = gammas[place], betas[place]
        rows.append((name, place + 1, g.mean(), g.min(), g.max(), np.abs(g - 1).mean(), b.mean(), np.abs(b).mean()))
columns = ["activation", "layer", "mean gamma", "least", "largest", "mean |gamma - 1|", "mean beta", "mean |beta|"]
print(pd.DataFrame(rows, columns=columns).set_index(["activation", "layer"]).round(3).to_string())

# %%
# What is lost without them
# -------------------------
# The same networks from the same weights on the same batches. Loss is the mean over the last 100 steps, accuracy is on
# the test images; means and standard deviations over seeds.

KINDS = {"gamma and beta": BatchNorm, "affine=False": partial(BatchNorm, affine=False), "no batch norm": None}
results = []
for name, (activation, rate, _) in ACTIVATIONS.items():
    for kind, normalization in KINDS.items():
        for seed in range(SEEDS):
            network = dense_network(np.random.default_rng(seed), normalization, widths=WIDTHS, activation=activation)
            losses = learn(network, rate, seed)
            right = accuracy(network, data.x_test, data.y_test)
            results.append((name, kind, seed, losses[:200].mean(), losses[-100:].mean(), 100 * right))
results = pd.DataFrame(results, columns=["activation", "kind", "seed", "early loss", "loss", "accuracy (%)"])
figures = results.drop(columns="seed").groupby(["activation", "kind"], sort=False).agg(["mean", "std"])
print(figures.round(4).to_string())

# %%
# Seed by seed, what :math:`\gamma` and :math:`\beta` add to the accuracy, in percentage points of 500 test images:

accuracies = results.pivot(index=["activation", "seed"], columns="kind", values="accuracy (%)")
gain = (accuracies["gamma and beta"] - accuracies["affine=False"]).unstack("activation")
print(gain.describe().loc[["mean", "std", "min", "max"]].round(2).to_string())

# %%
# Needed: ahead of a softmax
# --------------------------
# Normalize the logits themselves. Without :math:`\gamma` they have a variance of 1, and a network cannot be sure: where
# ten equally frequent classes are told apart perfectly, the logit of the right one is 3 and each other is
# :math:`-1/3`, so that no balanced batch has a loss below :math:`\log(1 + 9 e^{-10/3})`, which is about 0.28.

bound = np.log(1 + 9 * np.exp(-10 / 3))
figure, axis = plt.subplots(figsize=(7, 3.4))
rows = []
for label, affine, colour in (("gamma and beta", True, WITH), ("affine=False", False, FIXED)):
    curves, right = [], []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        body = dense_network(rng, BatchNorm).layers
        network = Network(*body, BatchNorm(10, affine=affine))
        curves.append(learn(network, 0.1, seed))
        right.append(100 * accuracy(network, data.x_test, data.y_test))
    smooth = pd.DataFrame(curves).T.rolling(25, min_periods=1).mean()
    axis.semilogy(smooth.median(axis=1), color=colour, label=label)
    axis.fill_between(smooth.index, smooth.min(axis=1), smooth.max(axis=1), color=colour, alpha=0.2, linewidth=0)
    rows.append((label, smooth.iloc[-1].median(), np.mean(right), np.std(right)))
axis.axhline(bound, color="black", linewidth=0.8, linestyle="--", label="bound without gamma")
axis.set(xlabel="step", ylabel="training loss", title="Batch normalization of the logits")
axis.legend()
plt.show()
columns = ["logits", "loss at the end", "mean accuracy (%)", "its std"]
print(f"bound: {bound:.3f}")
print(pd.DataFrame(rows, columns=columns).set_index("logits").round(3).to_string())

# %%
# Needed: a sigmoid with nothing behind it
# ----------------------------------------
# One normalized input, one sigmoid, and what it is to become: a line, a step in the middle, a step off the middle. A
# :math:`\gamma` below 1 keeps the sigmoid where it is straight, a large one saturates it, :math:`\beta` moves the step.

inputs = np.sort(np.random.default_rng(0).normal(size=(400, 1)).astype(np.float32), axis=0)
TARGETS = {
    "a line": lambda x: 0.5 + 0.1 * x,
    "a step": lambda x: (x > 0).astype(np.float32),
    "a step at 1": lambda x: (x > 1).astype(np.float32),
}
figure, axes = plt.subplots(1, 3, figsize=(7.4, 3), sharey=True)
rows = []
for axis, (name, target) in zip(axes, TARGETS.items(), strict=True):
    norm = BatchNorm(1)
    network, wanted = Network(norm, Sigmoid()), target(inputs)
    fixed = network(inputs)
    optimizer = SGD(10.0)
    for _ in range(effort(2000, 10)):
        network.backward((network(inputs) - wanted) / np.float32(len(inputs)))
        optimizer.step(network.parameters, network.gradients)
    learned = network(inputs)
    axis.plot(inputs, wanted, color="black", linewidth=0.8, linestyle="--", label="wanted")
    axis.plot(inputs, fixed, color=FIXED, label="affine=False")
    axis.plot(inputs, learned, color=WITH, label="gamma and beta")
    axis.set(title=name, xlabel="input")
    errors = [np.sqrt(np.mean((y - wanted) ** 2)) for y in (fixed, learned)]
    rows.append((name, *(p[0] for p in norm.parameters), *errors))
axes[0].set_ylabel("output of the sigmoid")
axes[0].legend(fontsize="small")
plt.show()
columns = ["wanted", "gamma", "beta", "error, affine=False", "error, gamma and beta"]
print(pd.DataFrame(rows, columns=columns).set_index("wanted").round(3).to_string())

# %%
# What it shows
# -------------
# * **They set the distribution directly**: borne out to the last digits. Weights and bias below decide about its shape
#   only; a bias ahead of batch normalization may be left out. The scale of weights does matter where it is so small
#   that the variance comes near :math:`\epsilon`, and it always matters for the gradient, which falls as weights grow.
# * **What they learn**: little. In all layers but the last, most stay within some tenths of 1 and 0, where they start.
#   In the last, ahead of the logits, :math:`\gamma` grows, most of all with sigmoids, whose outputs it spreads.
# * **Something is lost without them**: in training, yes. The loss at the end is about twice as high with sigmoids, and
#   higher by less than that with ReLUs. In test accuracy it does not show: differences are not larger than those
#   between seeds. The layers above make up for it: ahead of a ReLU, :math:`\gamma` is a factor that the next weights
#   can hold.
# * **There are cases that need them**: borne out. Logits without :math:`\gamma` keep the loss above its bound, though
#   not the accuracy, which asks only for the largest. A sigmoid with nothing behind it can be straight, steep or moved
#   to the side with them, and neither without.
