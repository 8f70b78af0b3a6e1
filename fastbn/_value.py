"""What the public values have in common: they cannot change, are equal bit by bit, and live in files as JSON."""

import os
from collections.abc import Mapping
from typing import Any, NoReturn, Self

from ._environment import in_default_environment

FilePath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Value:
    """An immutable value with a key that equality compares, and a record that holds every bit of it."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot delete {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value) or type(self) is not type(other):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def _fill(self, **values: object) -> None:
        """Set the slots of a new value."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON can hold."""
        raise NotImplementedError

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """Return what `to_dict` described."""
        raise NotImplementedError

    @in_default_environment
    def save(self, path: FilePath) -> None:
        """Write JSON to a file: every bit, readable by others. An existing file is replaced at once or not at all.

        Parameters
        ----------
        path : str, bytes or path-like
            The file. A symbolic link stays, and the file that it leads to is written.

        Raises
        ------
        OSError
            If the file cannot be written, or is a directory, a device or a pipe.
        ValueError
            If `path` is no name that a file can have.
        TypeError
            If `path` is no path.

        See Also
        --------
        load : Read it.

        Examples
        --------
        >>> import tempfile, fastbn
        >>> stats = fastbn.channel_stats([[0.1], [0.2]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stats.save(f"{folder}/stats.json")
        ...     fastbn.ChannelStats.load(f"{folder}/stats.json") == stats
        True
        """
        from ._files import write_record  # json and pathlib cost 5 ms at import

        write_record(path, self.to_dict())

    @classmethod
    @in_default_environment
    def load(cls, path: FilePath) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str, bytes or path-like
            The file.

        Returns
        -------
        ChannelStats or ChannelQuantiles
            Of the class that reads: the same as was saved, bit by bit.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it does not hold what this class writes.
        TypeError
            If `path` is no path.

        See Also
        --------
        save : Write it.

        Examples
        --------
        >>> import tempfile, fastbn
        >>> found = fastbn.channel_quantiles([[0.1], [0.2]], 0.5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found.save(f"{folder}/median.json")
        ...     fastbn.ChannelQuantiles.load(f"{folder}/median.json") == found
        True
        """
        from ._files import read_record

        record = read_record(path)
        try:
            return cls.from_dict(record)
        except ValueError as error:
            raise ValueError(f"path: {os.fsdecode(path)!r}: {error}") from None
