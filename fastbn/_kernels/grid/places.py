"""Where things are in a slot, which is what a thread, a unit or a whole channel has summed up, and in its last form."""

from ..sums import PIVOT, SCALE, SQUARES, TOTAL

#: Rows of a slot of moments besides COUNT, SPECIAL and SCALE of ``sums.py``: groups of three words, of the values (or
#: weights), of squares or products, and of weighted squares, which have neither pivot nor scale.
FIRST, SECOND, THIRD = TOTAL, SQUARES, PIVOT
SLOT_ROWS = SCALE + 1
#: Rows of extremes, in two words each.
LEAST, LEAST_TAIL, GREATEST, GREATEST_TAIL = range(4)
END_ROWS = GREATEST_TAIL + 1
#: Rows of moments in their last form after those of ``sums.py``: of weighted data how many values there are, the second
#: word of their weight, and what the next pass subtracts, in two words, and multiplies by (0: nothing).
COUNTED, WEIGHT_TAIL, CENTRE, CENTRE_TAIL, CENTRE_SCALE = 5, 6, 7, 8, 9
CLOSED_ROWS = CENTRE_SCALE + 1
