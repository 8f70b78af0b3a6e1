"""Batch normalization as a layer: parameters, running statistics, and a backward pass.

Long for its documentation: the work is done in `batchnorm` and `statistics`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ._arrays import number_dtype, plain_array, refuse_device, widened
from ._channel_stats import ChannelStats
from ._environment import in_default_environment
from ._kinds import of_any_kind
from ._layout import split_axes
from ._printable import shown
from ._running import Default, check_apart, check_convention, open_running, put_together
from ._scalars import check_count, check_flag, check_int, check_shape, each_of
from .batchnorm import batch_norm, batch_norm_backward
from .statistics import channel_stats

__all__ = ["BatchNorm"]


class BatchNorm:
    """A batch normalization layer for NumPy arrays, with PyTorch's behaviour and names of states.

    Parameters
    ----------
    num_channels : int
        Channels of the arrays it will see.
    channel_axis : int, default 1
        The axis that counts channels.
    momentum : float or None, optional
        As in `batch_norm`. None: running statistics are the plain average over all batches seen (of which there is one
        number, `num_batches_tracked`: a channel that is masked as a whole in some of them gets less than its share).
    eps : float, optional
        Added to the variance, in the units of the data squared; as in `batch_norm`.
    affine : bool, default True
        Whether there are `gamma` (at first 1) and `beta` (at first 0).
    track_running_stats : bool, default True
        Whether there are running statistics. Without them the layer always normalizes with those of the batch.
    convention : {"torch", "keras", "onnx"}, default "torch"
        As in `batch_norm`.
    dtype : dtype, default float32
        Of parameters and running statistics: float16, float32 or float64. Outputs have the dtype that `batch_norm`
        gives.

    Attributes
    ----------
    gamma, beta : ndarray or None
        Parameters of shape ``(num_channels,)``, to be written to by an optimizer.
    grad_gamma, grad_beta : ndarray or None
        Their gradients, of their shape and dtype, set anew by each `backward`.
    running_mean, running_var : ndarray or None
        Running statistics of shape ``(num_channels,)``, in the units of the data and in their square.
    num_batches_tracked : int
        Batches that entered them.
    training : bool
        Whether the layer normalizes with the statistics of the batch (at first True); see `train` and `eval`.

    Raises
    ------
    ValueError
        If `num_channels`, `momentum`, `eps` or `convention` is not one of those that there are.
    TypeError
        If an argument has another type, or `dtype` is no float16, float32 or float64.

    See Also
    --------
    batch_norm : The function that it calls, with formula and source.
    batch_norm_backward : The gradients.

    Notes
    -----
    What a method changes it changes in one step at the end: an interrupt (Ctrl-C) leaves the layer as it was, or as it
    is to be.

    Threads may share a layer in evaluation, but not its `backward`, which belongs to the last `forward` of all. Those
    that train one layer at the same time do not wait for each other, as in PyTorch: updates may be lost. Give each a
    layer of its own, or use a lock.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> layer = fastbn.BatchNorm(2)
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]], dtype=np.float32)
    >>> layer(x).round(3)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.running_mean
    array([0.2, 2. ], dtype=float32)
    >>> layer.backward(np.ones_like(x)).shape, layer.grad_beta
    ((2, 2), array([2., 2.], dtype=float32))
    """

    def __init__(
        self,
        num_channels: int,
        *,
        channel_axis: int = 1,
        momentum: float | Default | None = Default.CONVENTION,
        eps: float | Default = Default.CONVENTION,
        affine: bool = True,
        track_running_stats: bool = True,
        convention: str = "torch",
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.num_channels = check_count("num_channels", num_channels)
        shape = check_shape("num_channels", self.num_channels)
        self.channel_axis = check_int("channel_axis", channel_axis, "an int")
        rules = check_convention(convention, Default.CONVENTION if momentum is None else momentum, eps)
        self.convention = convention
        self.momentum = None if momentum is None else rules.momentum
        self.eps = rules.eps
        self.affine = check_flag("affine", affine)
        self.track_running_stats = check_flag("track_running_stats", track_running_stats)
        self.dtype = number_dtype(dtype, "dtype")
        if self.dtype.kind != "f":
            raise TypeError(f"dtype: got {self.dtype}; wants float16, float32 or float64")
        self.training = True
        self.gamma = np.ones(shape, self.dtype) if self.affine else None
        self.beta = np.zeros(shape, self.dtype) if self.affine else None
        self.grad_gamma: np.ndarray | None = None
        self.grad_beta: np.ndarray | None = None
        self.running_mean = np.zeros(shape, self.dtype) if self.track_running_stats else None
        self.running_var = np.ones(shape, self.dtype) if self.track_running_stats else None
        self.num_batches_tracked = 0
        self._seen: tuple[npt.ArrayLike, ChannelStats, bool] | None = None

    def __repr__(self) -> str:
        shown = {"channel_axis": 1, "affine": True, "track_running_stats": True, "convention": "torch"}
        changed = [f"{name}={getattr(self, name)!r}" for name, usual in shown.items() if getattr(self, name) != usual]
        numbers = [f"eps={self.eps!r}", f"momentum={self.momentum!r}"]
        return f"BatchNorm({', '.join([str(self.num_channels), *numbers, *changed, f'dtype={self.dtype.name}'])})"

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_seen": None}  # the batch of the last forward pass stays behind

    def train(self, mode: bool = True) -> Self:
        """Normalize with the statistics of the batch from now on, or not.

        Parameters
        ----------
        mode : bool, default True
            False: as `eval`.

        Returns
        -------
        BatchNorm
            The layer itself.

        Raises
        ------
        TypeError
            If `mode` is neither true nor false.

        See Also
        --------
        eval : The opposite.

        Examples
        --------
        >>> import fastbn
        >>> layer = fastbn.BatchNorm(2).eval()
        >>> layer.train().training
        True
        """
        self.training = check_flag("mode", mode)
        return self

    def eval(self) -> Self:
        """Normalize with the running statistics from now on.

        Returns
        -------
        BatchNorm
            The layer itself.

        See Also
        --------
        train : The opposite.

        Examples
        --------
        >>> import numpy as np, fastbn
        >>> layer = fastbn.BatchNorm(2, eps=0.0).eval()
        >>> layer(np.array([[1.0, 10.0]]))
        array([[ 1., 10.]])
        """
        return self.train(False)

    def __call__(self, x: npt.ArrayLike) -> np.ndarray:
        """As `forward`."""
        return self.forward(x)

    @of_any_kind
    def forward(self, x: npt.ArrayLike) -> np.ndarray:
        """Normalize a batch; in training, update the running statistics.

        Parameters
        ----------
        x : array_like
            The batch. It is kept, not copied, for `backward`. What a masked array masks does not count.

        Returns
        -------
        ndarray
            Of the shape of `x`, as from `batch_norm`.

        Raises
        ------
        ValueError, TypeError
            As in `batch_norm`; nothing is changed then.

        See Also
        --------
        backward : The way back.

        Examples
        --------
        >>> import numpy as np, fastbn
        >>> layer = fastbn.BatchNorm(1, eps=0.0)
        >>> layer.forward(np.array([[1.0], [3.0]]))
        array([[-1.],
               [ 1.]])
        """
        refuse_device(x, "x", "where the parameters are")
        x = x if isinstance(x, np.ma.MaskedArray) else plain_array(x, "x")
        by_batch = self.training or not self.track_running_stats
        mean, var = self.running_mean, self.running_var
        axes = split_axes(x.shape, self.channel_axis)
        if axes.shape != (self.num_channels,):
            raise ValueError(f"x: got {axes.channels} channels in shape {x.shape}; wants {self.num_channels}")
        if self.training:  # copies are updated
            running = open_running({"running_mean": mean, "running_var": var}, axes, True, x)
            check_apart(running, {"x": x})
            mean, var = (None if array is None else widened(array) for array in running.values())
        y: np.ndarray
        y, stats = batch_norm(
            x,
            self.gamma,
            self.beta,
            running_mean=mean,
            running_var=var,
            training=by_batch,
            momentum=self._momentum(),
            eps=self.eps,
            channel_axis=self.channel_axis,
            convention=self.convention,
            return_stats=True,
        )
        seen = x, stats, by_batch
        if mean is None or not self.training:
            self._seen = seen
            return y
        counted = stats.weight.any() if isinstance(x, np.ma.MaskedArray) else x.size
        own = vars(self)
        put_together(
            [
                (self.running_mean, ..., mean),
                (self.running_var, ..., var),
                (own, "num_batches_tracked", self.num_batches_tracked + bool(counted)),
                (own, "_seen", seen),
            ]
        )
        return y

    def _momentum(self) -> float:
        """The given one, or what makes the running statistics the average of all batches."""
        if self.momentum is not None:
            return self.momentum
        new = 1.0 / (self.num_batches_tracked + 1)
        return 1.0 - new if check_convention(self.convention, Default.CONVENTION, self.eps).of_old else new

    @of_any_kind
    def backward(self, dy: npt.ArrayLike) -> np.ndarray:
        """Gradient with respect to the last batch; sets `grad_gamma` and `grad_beta`.

        Parameters
        ----------
        dy : array_like of float
            Gradient with respect to the output of the last `forward`.

        Returns
        -------
        ndarray
            Of the shape and dtype of `dy`, in its units over those of the batch.

        Raises
        ------
        RuntimeError
            If nothing went forward yet.
        ValueError, TypeError
            As in `batch_norm_backward`.

        See Also
        --------
        batch_norm_backward : The function that it calls, with formula and source.

        Examples
        --------
        >>> import numpy as np, fastbn
        >>> layer = fastbn.BatchNorm(1)
        >>> y = layer(np.array([[1.0], [2.0], [6.0]]))
        >>> dx = layer.backward(np.array([[1.0], [0.0], [0.0]]))
        >>> layer.grad_beta, layer.grad_gamma.round(3)
        (array([1.], dtype=float32), array([-0.926], dtype=float32))
        """
        if self._seen is None:
            raise RuntimeError("backward: nothing went forward yet; call the layer first")
        x, stats, by_batch = self._seen
        dx, dgamma, dbeta = batch_norm_backward(
            dy, x, stats, self.gamma, eps=self.eps, training=by_batch, channel_axis=self.channel_axis
        )
        if self.affine:
            with np.errstate(over="ignore"):  # of float16
                self.grad_gamma, self.grad_beta = dgamma.astype(self.dtype), dbeta.astype(self.dtype)
        return dx

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1, no batches.

        Examples
        --------
        >>> import numpy as np, fastbn
        >>> layer = fastbn.BatchNorm(1)
        >>> y = layer(np.array([[1.0], [3.0]]))
        >>> layer.reset_running_stats()
        >>> layer.running_mean, layer.num_batches_tracked
        (array([0.], dtype=float32), 0)
        """
        self._take_over(0, running_mean=0, running_var=1)

    @in_default_environment
    def recalibrate(self, batches: Iterable[npt.ArrayLike]) -> ChannelStats:
        """Replace the running statistics by the exact ones of all batches together.

        Averages over batches forget how large these were, and how far apart their means.

        Parameters
        ----------
        batches : iterable of array_like
            The data, in pieces of any size.

        Returns
        -------
        ChannelStats
            Of all of it.

        Raises
        ------
        ValueError
            If the layer has no running statistics, there are no values, or a batch has other channels.
        TypeError
            If `batches` is not iterable, or a dtype is not supported.

        Examples
        --------
        >>> import numpy as np, fastbn
        >>> layer = fastbn.BatchNorm(1)
        >>> stats = layer.recalibrate([np.array([[1.0], [2.0]]), np.array([[6.0]])])
        >>> layer.running_mean, layer.running_var
        (array([3.], dtype=float32), array([7.], dtype=float32))
        """
        if self.running_mean is None or self.running_var is None:
            raise ValueError("recalibrate: this layer has no running statistics; wants track_running_stats=True")
        total = ChannelStats.empty(self.num_channels)
        count = 0
        for batch in each_of("batches", batches, "several arrays"):
            part = channel_stats(batch, self.channel_axis, method="exact")
            if part.shape != total.shape:
                raise ValueError(f"batches: got one with channels of shape {part.shape}; wants {total.shape}")
            count += bool((part.count > 0).any())
            total = total + part
        if not (total.count > 0).all():
            raise ValueError(f"batches: got {count} with no values; wants some of each channel")
        ddof = check_convention(self.convention, Default.CONVENTION, self.eps).ddof
        var = np.where(total.count > ddof, total.var(ddof), total.var())
        self._take_over(count, running_mean=total.mean, running_var=var)
        return total

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of parameters and running statistics, under PyTorch's names.

        Returns
        -------
        dict of ndarray
            ``weight``, ``bias``, ``running_mean``, ``running_var``, ``num_batches_tracked``, as far as there are such.

        See Also
        --------
        load_state_dict : The way back.

        Examples
        --------
        >>> import fastbn
        >>> sorted(fastbn.BatchNorm(2).state_dict())
        ['bias', 'num_batches_tracked', 'running_mean', 'running_var', 'weight']
        """
        state = {name: array.copy() for name, array in self._arrays().items()}
        if self.track_running_stats:
            state["num_batches_tracked"] = np.array(self.num_batches_tracked, np.int64)
        return state

    @in_default_environment
    def load_state_dict(self, d: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, or a ``torch.nn.BatchNorm`` module's own (of CPU tensors).

        Parameters
        ----------
        d : mapping of array_like
            Arrays by PyTorch's names, in the shapes of this layer's.

        Raises
        ------
        ValueError
            If a name is missing or unknown, or a shape or the number of batches does not fit. Nothing is changed then.
        TypeError
            If `d` is no mapping, or holds what is no array.

        See Also
        --------
        state_dict : What it takes.

        Examples
        --------
        >>> import numpy as np, fastbn
        >>> trained, layer = fastbn.BatchNorm(1), fastbn.BatchNorm(1)
        >>> y = trained(np.array([[1.0], [3.0]]))
        >>> layer.load_state_dict(trained.state_dict())
        >>> layer.running_mean
        array([0.2], dtype=float32)
        """
        if not isinstance(d, Mapping):
            raise TypeError(f"d: got {type(d).__name__}; wants a mapping of arrays")
        arrays = self._arrays()
        wanted = {*arrays, *(["num_batches_tracked"] if self.track_running_stats else [])}
        if set(d) - {"num_batches_tracked"} != wanted - {"num_batches_tracked"} or set(d) - wanted:
            raise ValueError(f"d: got {shown(sorted(map(str, d)))}; wants {sorted(wanted)}")
        shapes = {name: array.shape for name, array in arrays.items()} | {"num_batches_tracked": ()}
        given = {name: plain_array(d.get(name, 0), "d") for name in shapes}  # older files of PyTorch have no number
        for name, array in given.items():
            if array.shape != shapes[name] or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
                raise ValueError(f"d: got {name} of {array.dtype} and shape {array.shape}; wants {shapes[name]}")
        batches = given.pop("num_batches_tracked").item()
        if not (0 <= batches < 2**63 and batches == int(batches)):
            raise ValueError(f"d: got num_batches_tracked {batches}; wants a whole number >= 0")
        self._take_over(int(batches), **given)

    def _take_over(self, num_batches_tracked: int, **values: npt.ArrayLike) -> None:
        """Set arrays, as far as there are such, and the number of batches: all or, if that is interrupted, none."""
        steps = [(array, ..., np.array(values[name])) for name, array in self._arrays().items() if name in values]
        put_together([(vars(self), "num_batches_tracked", num_batches_tracked), *steps])

    def _arrays(self) -> dict[str, np.ndarray]:
        named = {
            "weight": self.gamma,
            "bias": self.beta,
            "running_mean": self.running_mean,
            "running_var": self.running_var,
        }
        return {name: array for name, array in named.items() if array is not None}
