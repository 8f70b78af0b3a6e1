"""Kernels in plain Python over flat arrays, written once and compiled by each backend.

They index as C does (``x[base + j]``), take sizes as numbers and never allocate. Names which a backend binds before it
compiles: ``load``, ``store``, ``lesser`` and ``greater`` (``machine.py``), the algebra, and per module the functions
that make its variant (``accumulate`` for the walks, ``transform`` for the maps).

Words used below: a *lane* is an independent accumulator within a tile; a *slot* is the place of one tile's (or one
channel's) sums; a *row* of a buffer is one quantity, ``PITCH`` places apart, so that every loop over lanes or slots
runs along memory.
"""
