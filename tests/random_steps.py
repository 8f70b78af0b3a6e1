"""What tests share that drive values by random steps: the driver, and the ways through files and pickles and back."""

from __future__ import annotations

import copy
import json
import pickle
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

STEPS = 50
SEQUENCES = 2  # for every example of other property tests
CHANNEL_COUNTS = st.sampled_from((2, 2, 2, 1, 3))  # as a rule two, so that most of what is drawn merges
seen: Counter[str] = Counter()  # "states": those that were checked


def drive(machine: type[RuleBasedStateMachine]) -> int:
    """Take steps until a state is wrong, or enough was seen; the number of states that were checked."""
    seen.clear()
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    count = SEQUENCES * settings().max_examples
    chosen = settings(max_examples=count, stateful_step_count=STEPS, suppress_health_check=checks)
    run_state_machine_as_test(machine, settings=chosen)
    assert seen["states"] > count
    return seen["states"]


def brought_back(value: Any, way: str) -> Any:
    """Through a record, JSON, a pickle, a copy or a file."""
    kind = type(value)
    if way == "file":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "stats.json")
            value.save(path)
            return kind.load(path)
    return {
        "dict": lambda: kind.from_dict(value.to_dict()),
        "json": lambda: kind.from_dict(json.loads(json.dumps(value.to_dict(), allow_nan=False))),
        "pickle": lambda: pickle.loads(pickle.dumps(value)),
        "copy": lambda: copy.deepcopy(value),
    }[way]()


WAYS = st.sampled_from(("dict", "json", "json", "pickle", "copy", "file"))
