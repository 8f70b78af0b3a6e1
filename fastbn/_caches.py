"""What a thread has of the last cache: it decides which channels are worked on together, never what comes out."""

import functools

_PLACE = "/sys/devices/system/cpu/cpu0/cache/index3/"
_USUAL = 1 << 25, 2  # bytes, and processors that share them, where the system does not tell


def _read(name: str) -> str:
    with open(_PLACE + name, encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 4 ms at import
        return file.read().strip()


@functools.cache
def _last() -> tuple[int, int]:
    """Bytes of the last cache, and how many processors share it."""
    try:
        kilobytes, sharing = int(_read("size").removesuffix("K")), int(_read("shared_cpu_map").replace(",", ""), 16)
        return max(1, kilobytes) << 10, max(1, sharing.bit_count())
    except (OSError, ValueError):
        return _USUAL


def share_of_cache(threads: int) -> int:
    """Bytes of the last cache for each of so many threads."""
    size, sharing = _last()
    return size // min(threads, sharing)
