"""Memory beyond input and output."""

from pathlib import Path

import fastbn

from . import common


def resident_peak():
    """Return the largest resident size of this process so far, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


class Memory(common.Data):
    """`peakmem` counts the whole process, imports and arrays too; `track_extra` what one call adds to it."""

    version = "1"
    operations = {
        "channel_stats": lambda d: fastbn.channel_stats(d.x, d.channel_axis),
        "zscore": lambda d: fastbn.zscore(d.x, d.channel_axis, out=d.out),
        "batch_norm": lambda d: fastbn.batch_norm(d.x, d.gamma, d.beta, channel_axis=d.channel_axis, out=d.out),
    }
    param_names = ["operation", "layout", "dtype", "backend"]
    params = [list(operations), list(common.LAYOUTS), common.DTYPES, common.BACKENDS]

    def setup(self, operation, layout, dtype, backend):
        self.prepare(layout, dtype, backend)
        self.operation = self.operations[operation]
        self.operation(self)  # compiles, which takes more memory than any call

    def peakmem_call(self, *_):
        self.operation(self)

    def track_extra(self, *_):
        reset = Path("/proc/self/clear_refs")
        if not reset.exists():
            raise NotImplementedError("the peak of the resident size can be reset on Linux only")
        reset.write_text("5")
        before = resident_peak()
        self.operation(self)
        return resident_peak() - before

    track_extra.unit = "bytes"
