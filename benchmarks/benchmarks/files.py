"""The command line on files: time from opening to the synced output, and the peak of memory."""

import contextlib
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np

from . import common

try:
    from fastbn.cli import main
except ImportError:  # versions before it
    main = None

ROWS = {"small": 2**10, "64 MB": 2**19, "512 MB": 2**22}


class Files:
    """`stats`, `normalize` and `quantiles` of a table of 32 float32 columns in a `.npy` file, 128 MB allowed."""

    version = "1"
    timeout = 120
    param_names = ["command", "rows"]
    params = [["stats", "stats --exact", "normalize", "normalize --stats", "quantiles"], list(ROWS)]

    def setup(self, command, rows):
        if main is None:
            raise NotImplementedError("this version has no command line")
        self.folder = Path(tempfile.mkdtemp())
        source, stats = self.folder / "x.npy", self.folder / "s.json"
        x, _ = common.make_array("small", "float32")
        np.save(source, np.tile(np.resize(x, (2**10, 32)), (ROWS[rows] // 2**10, 1)))
        self.run("stats", source, "-o", stats)
        name, *options = command.split()
        self.argv = [name, source]
        if name == "normalize":
            self.argv += [self.folder / "y.npy", "--overwrite"]
        self.argv += [*options, *([stats] if "--stats" in options else [])]
        self.time_command()

    def teardown(self, *_):
        if main is not None:
            shutil.rmtree(self.folder)

    def run(self, *argv):
        with contextlib.redirect_stdout(io.StringIO()):
            if main([*map(str, argv), "--memory", "128MB"]):
                raise NotImplementedError("this version cannot do that")

    def time_command(self, *_):
        self.run(*self.argv)

    def peakmem_command(self, *_):
        self.run(*self.argv)
