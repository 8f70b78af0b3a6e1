"""Kernels in plain Python over flat arrays, written once and compiled by each backend.

They index as C does (``x[base + j]``), take sizes as numbers and never allocate. Names which a backend binds before it
compiles: the machine operations (``machine.py``), the algebra, and per module the functions that make its variant
(``step`` for the sums, ``transform`` for the maps; ``variants.py`` and ``reductions.py`` have them all).

Words used below: a *lane* is an independent accumulator within a tile; a *slot* is the place of one tile's (or one
channel's) sums; a *row* of a buffer is one quantity, ``PITCH`` places apart, so that every loop over lanes or slots
runs along memory.
"""
