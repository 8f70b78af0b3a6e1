"""Sizes of tiles and buffers, and where things are in them."""

WIDTH = 256  # lanes at most
PITCH = 320  # from row to row of a buffer: 2^n bytes would alias in the store buffer (1.6 times the time)
ROWS = 256  # terms per lane at most, and one of a row that is not full
DEPTH = 4  # rows that a lane takes at a time
LANES = 64  # lanes along a long run: 16 cost 1.3 times the time, 256 no less than 64
ROWS_OF_STATE = 8
KNOBS = 8  # coefficients of a map

# Parts of the float64 scratch: what lanes hold, slots of the tiles at work, terms of the finish.
ACC, SLOTS, TERMS, SCRATCH = 0, 21 * PITCH, 32 * PITCH, 44 * PITCH
# What lanes hold: their sums (of d: S - START + C + T, of d*d: Q - BIAS + F), the totals of groups, room for a fold.
S, C, T, Q, F, PIVOT, PIVOT_TAIL, START, BIAS = (row * PITCH for row in range(9))
TOTALS, OTHERS = 9 * PITCH, 15 * PITCH
# Parts of the scratch in the dtype of x: extremes of lanes and of slots.
LANE_LEAST, LANE_GREATEST, LANE_NEAREST, SLOT_LEAST, SLOT_GREATEST, ENDS = (row * PITCH for row in range(6))
BATCH = 16  # tiles of a run finished together, so that the finish is vectorized too

# Places in ``geometry``: sizes and strides in elements, then the cut.
OUTER, CHANNELS, INNER, OUTER_STRIDE, CHANNEL_STRIDE, SEGMENTS, TILES = 0, 1, 2, 3, 4, 5, 6
PIECES, RUN, RUNS = 7, 8, 9  # of a tile along rows: outer pieces, their length, tiles per piece
BLOCK, REPEAT, TILE_ROWS = 10, 11, 12  # of a tile of columns: channels, rows side by side in the lanes, rows
MAP_ROWS, PLACES = 13, 14  # rows of a unit of a map; length of ``geometry``
