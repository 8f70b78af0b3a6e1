"""Run the command line and say how much memory the process had at most; of Linux alone.

python peak.py ARGUMENTS ...
"""

import sys
from pathlib import Path

from fastbn.cli import main


def peak() -> int:
    """Bytes of memory that this process had at most, since it began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    code = main(sys.argv[1:])
    print(peak(), file=sys.stderr)
    sys.exit(code)
