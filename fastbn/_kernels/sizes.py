"""Sizes of tiles, buffers and states, and where things are in them."""

from typing import NamedTuple

WIDTH = 256  # lanes at most
PITCH = 320  # from row to row of a buffer: 2^n bytes would alias in the store buffer (1.6 times the time)
ROWS = 256  # terms per lane at most, and one of a row that is not full
DEPTH = 4  # rows that a lane takes at a time ...
WHOLE_DEPTH = 8  # ... of 8- and 16-bit integers
LANES = 64  # lanes along a long run: 16 cost 1.3 times the time, 256 no less than 64
KNOBS = 8  # coefficients of a map
MAP_WIDTH, MAP_PITCH = 1024, 1088  # lanes of a map at most; from row to row of their coefficients
FAR = 1 << 20  # values of an array that maps ask for ahead

# Parts of the float64 scratch: what lanes hold, slots of the tiles, terms of the finish, rows as they are read.
ACC, SLOTS, TERMS, READ = 0, 37 * PITCH, 48 * PITCH, 60 * PITCH
SCRATCH = READ + DEPTH * PITCH  # a channel whose lanes begin after others still ends in its rows: WIDTH < PITCH
# The same for maps: coefficients of the lanes, a row as it is read, one of results.
MAP_READ, MAP_MADE = KNOBS * MAP_PITCH, (KNOBS + 1) * MAP_PITCH
# What lanes hold: their sums (of d: S - START + C + T, of d*d: Q - BIAS + F), the totals of groups, room for a fold.
S, C, T, Q, F, PIVOT, PIVOT_TAIL, START, BIAS = (row * PITCH for row in range(9))
TOTALS, OTHERS = 9 * PITCH, 15 * PITCH
# Between tiles, where lanes hold nothing: two states of ``JOINED`` rows while they are joined.
JOINED = 8
BESIDE = JOINED * PITCH
# Of the exact method: nine words of a lane (the first rows are those above), where they started, the smallest size
# that is summed, totals and room for a fold.
H, G, R, K = (row * PITCH for row in range(5, 9))
STARTS, FLOOR, EXACT_TOTALS, EXACT_OTHERS = 9 * PITCH, 18 * PITCH, 19 * PITCH, 28 * PITCH
# Of pairs: six words of a lane, S to H, and what is subtracted.
PIVOT_OF_PAIRS = 6 * PITCH
# Parts of the scratch in the dtype of x: extremes of lanes, of slots, and of lanes before they were folded.
LANE_LEAST, LANE_GREATEST, LANE_NEAREST, SLOT_LEAST, SLOT_GREATEST, LANE_KEPT = (row * PITCH for row in range(6))
# Where some values are absent: how many of a lane, of a channel, a 1, what to fill lanes with, filled rows; whether the
# last tile had any.
LANE_GAPS, TILE_GAPS, LANE_ONE, LANE_FILL, FILLED = (row * PITCH for row in range(6, 11))
HINT = FILLED + (DEPTH + 1) * PITCH
ENDS = HINT + 1
BATCH = 16  # tiles of a run finished together, so that the finish is vectorized too

# Places in ``geometry``: sizes and strides in elements, then the cut.
OUTER, CHANNELS, INNER, OUTER_STRIDE, CHANNEL_STRIDE, SEGMENTS, TILES = 0, 1, 2, 3, 4, 5, 6
PIECES, RUN, RUNS = 7, 8, 9  # of a tile along rows: outer pieces, their length, tiles per piece
BLOCK, REPEAT, TILE_ROWS = 10, 11, 12  # of a tile: channels; of columns: rows side by side in the lanes, rows
MAP_ROWS = 13  # rows of a unit of a map
LANES_OF_RUN = 14  # lanes of one channel along a run
MAP_BLOCKS = 15  # blocks of channels of a unit of a map ...
BLOCKS_TOGETHER, PLACES = 16, 17  # ... and of one of a reduction of columns; length of ``geometry``

# Rows of an exact state, int64: values counted, NaN and infinities among them, then the words of the sum of the values
# and of the sum of their squares, two's complement in words of 32 bits.
COUNT, NANS, PLUS, MINUS, SUM_WORDS = 0, 1, 2, 3, 4
WORD_BITS = 32
SUM_POINT, SQUARE_POINT = 34 * WORD_BITS, 68 * WORD_BITS  # bits below 1 of all words that there can be


class Words(NamedTuple):
    """Which words of all that there can be a state has: enough for 2^63 values of a dtype."""

    sum_first: int
    sum_count: int
    square_first: int
    square_count: int

    @property
    def rows(self) -> int:
        """Rows of the state."""
        return SUM_WORDS + self.sum_count + self.square_count


SHORT = Words(27, 14, 57, 22)  # float32 and integers
LONG = Words(0, 69, 0, 135)  # float64
