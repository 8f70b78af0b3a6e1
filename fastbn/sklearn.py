"""scikit-learn's StandardScaler and MinMaxScaler on the kernels of fastbn.

The same parameters, attributes and results to within rounding, beside which: arrays of any rank, mergeable statistics,
one pass over the data, one new array, and the accuracy of `channel_stats`, `normalize` and `minmax_scale`, whose bits
these are.
"""

from ._sklearn_minmax import MinMaxScaler
from ._sklearn_standard import StandardScaler

__all__ = ["MinMaxScaler", "StandardScaler"]
