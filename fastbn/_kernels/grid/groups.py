"""Several values at a time, VALUES of them: what a thread has under way from memory, or to it, at once.

A compiler keeps a group in 16 bytes of registers and reads or writes neighbours by one instruction if they are aligned;
here it is a list, as the simulator has it. GPUs that hide memory by many loads want about 16 bytes per thread under
way (26 KB per multiprocessor of an H200).
"""

from ..machine import load, store


def nothing():
    """A group to be filled."""
    return [0] * VALUES


def near(x, j, aligned):
    """Neighbours from element j on."""
    return [load(x, j + k) for k in range(VALUES)]


def pick(group, k, x):
    """Value k of a group of the type of x."""
    return group[k]


def placed(group, k, v, x):
    """The group with a value, in the type of x, as its k-th, which was not set before."""
    group[k] = v
    return group


def keep(y, j, group, aligned):
    """Put neighbours to memory from element j on."""
    for k in range(VALUES):
        store(y, j + k, group[k])
