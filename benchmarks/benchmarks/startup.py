"""What a user waits for before the first result. Each sample is a fresh interpreter."""

import fastbn

from . import common

FIRST_CALLS = {
    "channel_stats": "fastbn.channel_stats(x)",
    "zscore": "fastbn.zscore(x)",
    "batch_norm": "fastbn.batch_norm(x)",
}


class Import:
    """`import fastbn` in an interpreter that has NumPy already."""

    version = "1"

    def timeraw_import(self):
        return "import fastbn", "import numpy"


class FirstCall(common.Selected):
    """Import and first call, with compiled code in the cache on disk: on a small array and on one for all threads."""

    version = "1"
    param_names = ["call", "layout", "backend"]
    params = [list(FIRST_CALLS), ["small", "table"], common.BACKENDS]

    def setup(self, call, layout, backend):
        self.select(backend)
        x, _ = common.make_array(layout, "float32")
        getattr(fastbn, call)(x)  # fills the cache

    def timeraw_first_call(self, call, layout, backend):
        shape, _ = common.LAYOUTS[layout]
        return (
            f"import fastbn; fastbn.set_backend({backend!r}); {FIRST_CALLS[call]}",
            f"import numpy as np; x = np.random.default_rng(0).standard_normal({shape}, dtype=np.float32)",
        )


class CommandLine:
    """`fastbn --help`, from the import on."""

    version = "1"

    def timeraw_help(self):
        return """
            import contextlib, io
            from fastbn.cli import main
            with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
                main(["--help"])
        """
