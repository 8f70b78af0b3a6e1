"""Kernels for grids of blocks of threads: the schedule of a GPU around the shared algebra.

A kernel is plain Python with the free names of a variant, as the others are; ``_backends/cuda_kernels.py`` binds and
compiles them. What differs is how work is cut: a block of threads sums part of a channel (*rows*) or of neighbouring
columns (*columns*), its threads are folded by halves in shared memory, and what the blocks leave is folded by `close`.
Cuts depend on shapes and dtypes alone, folds go by index, and nothing is added atomically but integers: the bits are
the same in every run.
"""
