"""scikit-learn's StandardScaler and MinMaxScaler on the kernels of fastbn.

The same parameters, attributes and results to within rounding, beside which: arrays of any rank, mergeable statistics,
one pass over the data, one new array, and the accuracy of `channel_stats`, `normalize` and `minmax_scale`, whose bits
these are.
"""

from ._minmax import MinMaxScaler
from ._standard import StandardScaler

__all__ = ["MinMaxScaler", "StandardScaler"]
