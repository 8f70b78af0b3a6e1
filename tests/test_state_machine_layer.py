"""A layer driven by random steps: its running statistics are what those before and the batch make of them."""

from __future__ import annotations

import copy
import io
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import fastbn
import oracle
from random_steps import drive, seen
from rational import assert_standardized

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

RULES = {"torch": (0.1, False, 1), "keras": (0.99, True, 0), "onnx": (0.9, True, 0)}  # momentum, is it of the old, ddof
CHANNELS = 2


class Layer(RuleBasedStateMachine):
    """Running statistics of `BatchNorm`: after every step they are what the one before and the batch make of them."""

    @initialize(
        convention=st.sampled_from(sorted(RULES)),
        momentum=st.sampled_from(("usual", None, 0.0, 0.25, 1.0)),
        dtype=st.sampled_from(("f4", "f8")),
    )
    def make(self, convention, momentum, dtype):
        options = {} if momentum == "usual" else {"momentum": momentum}
        self.layer = fastbn.BatchNorm(CHANNELS, convention=convention, dtype=dtype, **options)
        self.momentum, self.of_old, self.ddof = RULES[convention]
        self.momentum = self.momentum if momentum == "usual" else momentum
        self.dtype = np.dtype(dtype)
        self.batches = 0
        self.training = True
        self.running = self.held()

    def held(self):
        return self.layer.running_mean.tolist(), self.layer.running_var.tolist()

    @rule(
        shape=st.sampled_from(((0, CHANNELS), (1, CHANNELS), (2, CHANNELS), (5, CHANNELS), (2, CHANNELS, 3))),
        seed=st.integers(0, 99),
    )
    def forward(self, shape, seed):
        x = np.random.default_rng(seed).normal(3, 2, shape).astype(self.dtype)
        values = math.prod(shape) // CHANNELS
        if self.training and values == 1:
            with pytest.raises(ValueError, match="x: got shape"):
                self.layer(x)
            return
        y = self.layer(x)
        assert y.shape == shape
        if self.training and values:
            share = self.momentum
            if share is None:
                share = 1 / (self.batches + 1)
                share = 1 - share if self.of_old else share
            self.batches += 1
            self.moved(oracle.channel_moments(x), share)
            assert_standardized(y, x, eps=self.layer.eps, gamma=self.layer.gamma, beta=self.layer.beta)
        elif values:
            moments = [(Fraction(mean), Fraction(var)) for mean, var in zip(*self.running, strict=True)]
            assert_standardized(y, x, moments=moments, eps=self.layer.eps, gamma=self.layer.gamma, beta=self.layer.beta)

    def moved(self, exact, share):
        """As in `test_batch_norm`: 1 ulp, and four roundings in float64 of either term."""
        m = 1 - Fraction(share) if self.of_old else Fraction(share)
        found = self.held()
        news = [moments.mean for moments in exact], [moments.var(self.ddof) for moments in exact]
        for olds, values, rows in zip(self.running, found, news, strict=True):
            for old, value, new in zip(olds, values, rows, strict=True):
                terms = (1 - m) * Fraction(old), m * new
                bound = oracle.ulp(sum(terms), self.dtype) + 4 * oracle.ulp(max(map(abs, terms)))
                assert abs(Fraction(value) - sum(terms)) <= bound
        self.running = found

    @rule(mode=st.booleans())
    def train(self, mode):
        assert (self.layer.train() if mode else self.layer.eval()) is self.layer
        self.training = mode

    @rule()
    def reset(self):
        self.layer.reset_running_stats()
        self.batches, self.running = 0, ([0.0] * CHANNELS, [1.0] * CHANNELS)

    @rule(sizes=st.lists(st.integers(0, 4), max_size=4), seed=st.integers(0, 99))
    def recalibrate(self, sizes, seed):
        rng = np.random.default_rng(seed)
        batches = [rng.normal(3, 2, (size, CHANNELS)) for size in sizes]
        if not sum(sizes):
            with pytest.raises(ValueError, match="batches: got"):
                self.layer.recalibrate(batches)
            return
        self.layer.recalibrate(iter(batches))
        exact = oracle.channel_moments(np.concatenate(batches))
        ddof = self.ddof if sum(sizes) > self.ddof else 0
        # Rounded to float64 first: to the last bit of that, and then to the dtype of the layer.
        mean, var = (
            [oracle.rounded(v) for v in row] for row in zip(*((m.mean, m.var(ddof)) for m in exact), strict=True)
        )
        self.running = np.array(mean).astype(self.dtype).tolist(), np.array(var).astype(self.dtype).tolist()
        self.batches = sum(map(bool, sizes))

    @rule(way=st.sampled_from(("state", "file", "pickle", "copy")))
    def bring_back(self, way):
        if way in ("pickle", "copy"):
            self.layer = pickle.loads(pickle.dumps(self.layer)) if way == "pickle" else copy.deepcopy(self.layer)
            return
        state, file = self.layer.state_dict(), io.BytesIO()
        if way == "file":
            np.savez(file, **state)
            file.seek(0)
            state = dict(np.load(file))
        self.layer.load_state_dict({name: np.full_like(array, 3) for name, array in state.items()})
        self.layer.load_state_dict(state)

    @rule(
        name=st.sampled_from(("weight", "running_mean", "num_batches_tracked", "other")),
        value=st.sampled_from((np.ones(3), "a", -1)),
    )
    def refuse(self, name, value):
        with pytest.raises(ValueError, match="d: got"):
            self.layer.load_state_dict(self.layer.state_dict() | {"running_var": np.full(CHANNELS, 9.0), name: value})

    @invariant()
    def holds(self):
        if hasattr(self, "layer"):
            seen["states"] += 1
            assert self.held() == self.running
            assert (self.layer.num_batches_tracked, self.layer.training) == (self.batches, self.training)
            assert self.layer.running_mean.dtype == self.layer.running_var.dtype == self.dtype


def test_any_steps_leave_the_running_statistics_that_the_rules_give(tally):
    tally("states of statistics driven by random steps", drive(Layer))
