"""Two ways to sum up an (outer, channel, inner) array by blocks of threads, and the fold of what they leave.

*rows*: a unit of threads takes part of one channel, along memory. *columns*: it takes one column of the matrix (outer,
channel * inner) and some of its rows, and neighbouring columns are read together. The threads of a unit are folded by
halves in shared memory, and its slot, words of sums and four of extremes, goes to memory, where `close` folds the slots
of a channel.

A variant binds THREADS, WORDS, TERMS and ENDS (numbers of a block), WORD (the type of sums), ROWS (words of a slot),
VALUES (that a thread has under way at once), ATTEMPTS, ROUNDS (after how many groups of values sums come to ``rest``;
0: never), the rules of ``rules.py``, and what is done with sums (``moments.py``, ``exact.py``): ``start``, ``take``,
``put``, ``join``, ``settle`` and ``conclude``.
"""

from numba import cuda
from numpy import float64, int32, int64

from ..machine import greater, load, store, window
from .groups import near, nothing, pick, placed
from .lines import advance, place_in_columns
from .places import END_ROWS, GREATEST, GREATEST_TAIL, LEAST, LEAST_TAIL

KERNELS = ("reduce_rows", "reduce_columns", "close")


def lesser_of(a, b, c, d):
    """The smaller of two numbers in two words; NaN if one is."""
    return (c, d) if c < a or (c == a and d < b) or c != c else (a, b)


def join_ends(ends, i, part, j, pitch):
    """Extremes of a slot and of another."""
    a, b = lesser_of(
        load(ends, LEAST * THREADS + i),
        load(ends, LEAST_TAIL * THREADS + i),
        load(part, LEAST * pitch + j),
        load(part, LEAST_TAIL * pitch + j),
    )
    store(ends, LEAST * THREADS + i, a)
    store(ends, LEAST_TAIL * THREADS + i, b)
    a, b = lesser_of(
        -load(ends, GREATEST * THREADS + i),
        -load(ends, GREATEST_TAIL * THREADS + i),
        -load(part, GREATEST * pitch + j),
        -load(part, GREATEST_TAIL * pitch + j),
    )
    store(ends, GREATEST * THREADS + i, -a)
    store(ends, GREATEST_TAIL * THREADS + i, -b)


def largest(ends, at, pitch):
    """Size of the largest value of a slot; at most 0 if there is none."""
    return greater(load(ends, GREATEST * pitch + at), -load(ends, LEAST * pitch + at))


def put_ends(ends, at, low, high):
    """Extremes of a thread; 0 is +0."""
    store(ends, LEAST * THREADS + at, head(low) + 0.0)
    store(ends, LEAST_TAIL * THREADS + at, tail_of(low))
    store(ends, GREATEST * THREADS + at, head(high) + 0.0)
    store(ends, GREATEST_TAIL * THREADS + at, tail_of(high))


def fold(words, ends, thread, member, size, stride):
    """Add up the slots of ``size`` threads, which are ``stride`` apart, into that of their first member."""
    cuda.syncthreads()
    while size > 1:
        half = (size + 1) // 2
        if member + half < size:
            other = thread + half * stride
            join(words, thread, words, other, THREADS, largest(ends, thread, THREADS), largest(ends, other, THREADS))
            join_ends(ends, thread, ends, other, THREADS)
        cuda.syncthreads()
        size = half


def sum_line(
    x, y, base, inner, stride, jump, beside, aligned, begin, end, member, members, centre, tail, scale, words, ends, at
):
    """Sum up some of the values ``begin`` to ``end`` of a channel.

    Value p is at ``base + p // inner * stride + p % inner * jump``. A thread takes VALUES at a time: neighbours, if
    ``beside`` says that all have as many, else every ``members``-th from ``member`` on.
    """
    n, low, high = int64(0), NOTHING_LEAST, NOTHING_GREATEST
    taken = start(words, at)
    together = VALUES if beside else 1
    p, step = begin + member * together, members * together
    o, i = p // inner, p % inner
    outer_step, inner_step = step // inner, step % inner
    rounds = 0
    while p < end:
        if beside:
            j = base + o * stride + i * jump
            xs, ys, count = near(x, j, aligned), near(y, j, aligned), VALUES
            p, o, i = advance(p, o, i, step, outer_step, inner_step, inner)
        else:
            xs, ys, count = nothing(), nothing(), 0
            for k in range(VALUES):
                if p < end:
                    j = base + o * stride + i * jump
                    xs, ys, count = placed(xs, k, load(x, j), x), placed(ys, k, load(y, j), y), k + 1
                p, o, i = advance(p, o, i, step, outer_step, inner_step, inner)
        for k in range(VALUES):
            v, w = number(pick(xs, k, x)), pick(ys, k, y)
            if k < count and counts(v, w):
                n += 1
                low, high = v if v < low or v != v else low, v if v > high or v != v else high
                taken = take(v, w, centre, tail, scale, taken, words, at)
        rounds += 1
        if rounds == ROUNDS:
            taken, rounds = rest(taken), 0
    put(words, at, n, scale, taken)
    put_ends(ends, at, low, high)


def put_part(words, ends, thread, parts, part_ends, slot, channels, channel):
    """Leave a folded slot in memory."""
    settle(words, thread)
    for row in range(ROWS):
        store(parts, (slot * ROWS + row) * channels + channel, load(words, row * THREADS + thread))
    for row in range(END_ROWS):
        store(part_ends, (slot * END_ROWS + row) * channels + channel, load(ends, row * THREADS + thread))


def reduce_rows(
    x,
    y,
    channels,
    inner,
    stride,
    jump,
    beside,
    aligned,
    values,
    splits,
    share,
    lanes,
    state,
    groups,
    members,
    parts,
    part_ends,
):
    """Each ``lanes`` threads: one of ``splits`` parts, of ``share`` values, of one channel."""
    words = cuda.shared.array(WORDS, WORD)
    ends = cuda.shared.array(ENDS, float64)
    thread = int64(cuda.threadIdx.x)
    member = thread % lanes
    unit = int64(cuda.blockIdx.x) * (THREADS // lanes) + thread // lanes
    channel = unit // splits
    begin = unit % splits * share
    end = min(begin + share, values)
    if channel >= channels:
        channel, end = int64(0), begin
    centre, tail, scale = centre_of(state, groups, channel // members)
    base = channel * jump
    for _ in range(ATTEMPTS):
        sum_line(
            x,
            y,
            base,
            inner,
            stride,
            1,
            beside,
            aligned,
            begin,
            end,
            member,
            lanes,
            centre,
            tail,
            scale,
            words,
            ends,
            thread,
        )
        fold(words, ends, thread, member, lanes, 1)
        scale = scale_for(largest(ends, thread - member, THREADS))
        if not cuda.syncthreads_or(int32(scale != 1.0)):
            break
    if member == 0 and unit < channels * splits:
        put_part(words, ends, thread, parts, part_ends, unit % splits, channels, channel)


def reduce_columns(
    x, y, channels, inner, stride, jump, outer, splits, share, width, state, groups, members, parts, part_ends
):
    """Each block: ``share`` rows of ``width`` columns; column i of a channel leaves its part at split * inner + i."""
    words = cuda.shared.array(WORDS, WORD)
    ends = cuda.shared.array(ENDS, float64)
    thread = int64(cuda.threadIdx.x)
    columns = channels * inner
    column, split, member, height = place_in_columns(int64(cuda.blockIdx.x), thread, width, columns)
    begin = split * share
    end = min(begin + share, outer)
    found = column < columns and member < height
    if not found:
        column, end = int64(0), begin
    channel, place = column // inner, column % inner
    centre, tail, scale = centre_of(state, groups, channel // members)
    base = channel * jump + place
    for _ in range(ATTEMPTS):
        sum_line(
            x, y, base, outer, 0, stride, 0, 0, begin, end, member, height, centre, tail, scale, words, ends, thread
        )
        fold(words, ends, thread, member, height, width)
        scale = scale_for(largest(ends, thread % width, THREADS))
        if not cuda.syncthreads_or(int32(scale != 1.0)):
            break
    if member == 0 and found:
        put_part(words, ends, thread, parts, part_ends, split * inner + place, channels, channel)


def close(parts, part_ends, channels, count, lanes, state, groups, members, closed, closed_ends):
    """Each ``lanes`` threads: fold the ``count`` slots of a channel and bring their sums into their last form."""
    words = cuda.shared.array(WORDS, WORD)
    ends = cuda.shared.array(ENDS, float64)
    terms = cuda.shared.array(TERMS, float64)
    thread = int64(cuda.threadIdx.x)
    member = thread % lanes
    channel = int64(cuda.blockIdx.x) * (THREADS // lanes) + thread // lanes
    found = channel < channels
    if not found:
        channel = int64(0)
    for row in range(ROWS):
        store(words, row * THREADS + thread, load(parts, (member * ROWS + row) * channels + channel))
    for row in range(END_ROWS):
        store(ends, row * THREADS + thread, load(part_ends, (member * END_ROWS + row) * channels + channel))
    for slot in range(member + lanes, count, lanes):
        at, at_ends = slot * ROWS * channels + channel, slot * END_ROWS * channels + channel
        sizes = largest(ends, thread, THREADS), largest(part_ends, at_ends, channels)
        join(words, thread, parts, at, channels, sizes[0], sizes[1])
        join_ends(ends, thread, part_ends, at_ends, channels)
    fold(words, ends, thread, member, lanes, 1)
    if member == 0 and found:
        centre, tail, scale = centre_of(state, groups, channel // members)
        last = window(words, thread), window(ends, thread), window(terms, thread)
        conclude(*last, closed, channels, channel, centre, tail, scale)
        for row in range(END_ROWS):
            store(closed_ends, row * channels + channel, load(ends, row * THREADS + thread))
