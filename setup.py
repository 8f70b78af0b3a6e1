"""Build entry point: metadata is in pyproject.toml, here are the extensions, one per instruction set and a driver.

Environment: ``FASTBN_NO_EXT=1`` builds none. ``FASTBN_REQUIRE_EXT=1`` makes it an error if one cannot be built; else
the package is installed without it, and says so. ``FASTBN_ABI3=1`` uses Python's limited API: one wheel per platform.
``FASTBN_CFLAGS`` comes after all other options of the compiler, and so wins over those below, unlike ``CFLAGS``.
"""

import itertools
import multiprocessing
import os
import shlex
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

ROOT = Path(__file__).parent
MSVC = sys.platform == "win32" and "GCC" not in sys.version
BACKENDS = "fastbn._backends"
KERNELS = Path("build/kernels")

# No value depends on the last three: nothing reads errno or exception flags. Unrolled: 0.8 of the time for float64.
GNU_OPTIONS = ["-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-funroll-loops"]


def on(variable):
    """Whether an environment variable is set to something that means yes."""
    return os.environ.get(variable, "").lower() in {"1", "true", "yes", "on"}


REQUIRED = on("FASTBN_REQUIRE_EXT") or on("CIBUILDWHEEL")
ABI3 = on("FASTBN_ABI3") and not sysconfig.get_config_var("Py_GIL_DISABLED")


def machine():
    """The processor that is compiled for: ARCHFLAGS may say it on macOS, Python's own platform elsewhere."""
    flags = os.environ.get("ARCHFLAGS", "").split() if sys.platform == "darwin" else []
    named = {value for option, value in itertools.pairwise(flags) if option == "-arch"}
    return named.pop() if len(named) == 1 else sysconfig.get_platform().rpartition("-")[2]


def instruction_sets():
    """Variant -> compiler options. Each lists exactly the extensions that processor.h asks the processor for."""
    if machine() not in {"x86_64", "amd64"} or sys.maxsize < 2**32:
        return {"base": []}
    if MSVC:
        return {"base": [], "v3": ["/arch:AVX2"]}
    both, avx512 = ["-mfma", "-mf16c"], [f"-mavx512{part}" for part in ("f", "cd", "bw", "dq", "vl")]
    return {"base": [], "v3": ["-mavx2", *both], "v4": [*avx512, *both, "-mprefer-vector-width=512"]}


def extensions():
    """The modules to build, from sources that are not all there yet."""
    common = ["/O2", "/fp:precise"] if MSVC else GNU_OPTIONS
    settings = {
        "include_dirs": ["fastbn/_backends"],
        "depends": [f"fastbn/_backends/{header}" for header in ("machine.h", "processor.h")],
        "define_macros": [("Py_LIMITED_API", "0x030B0000")] if ABI3 else [],
        "py_limited_api": ABI3,
        "optional": not REQUIRED,
    }
    driver = "fastbn/_backends/_cython_driver.pyx"
    last = shlex.split(os.environ.get("FASTBN_CFLAGS", ""))
    modules = [Extension(f"{BACKENDS}._cython_driver", [driver], extra_compile_args=[*common, *last], **settings)]
    for name, options in instruction_sets().items():
        source, arguments = KERNELS / f"_kernels_{name}.pyx", [*common, *options, *last]
        modules.append(Extension(f"{BACKENDS}.{source.stem}", [str(source)], extra_compile_args=arguments, **settings))
    return modules


def to_c(modules):
    """Write out the kernels and turn every module into C."""
    from Cython.Build import cythonize

    sys.path.insert(0, str(ROOT))
    from fastbn._backends._cython_source import CythonSource

    text = CythonSource().text()
    KERNELS.mkdir(parents=True, exist_ok=True)
    for source in (Path(source) for module in modules for source in module.sources):
        if source.parent == KERNELS and not (source.exists() and source.read_text(encoding="utf-8") == text):
            source.write_text(text, encoding="utf-8")
    forks = multiprocessing.get_start_method() == "fork"  # other ways run this file once more in each process
    made = cythonize(modules, build_dir="build/cython", nthreads=os.cpu_count() or 1 if forks else 0)
    sources = {module.name: module.sources for module in made}
    for module in modules:
        module.sources = sources[module.name]


class BuildExtensions(build_ext):
    """Builds side by side, and says what could not be built."""

    def finalize_options(self):
        """As many compilers as processors."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self):
        """Build what can be built, and name the rest."""
        self.failed = []
        try:
            to_c(self.extensions)
        except ModuleNotFoundError as error:  # without build isolation, these may be missing
            if REQUIRED or error.name not in {"Cython", "numpy"}:
                raise
            skipped(str(error))
            self.extensions = []
        super().run()
        if {f"{BACKENDS}._cython_driver", f"{BACKENDS}._kernels_base"} & set(self.failed):
            skipped("it could not be compiled; the compiler's messages are above")
        elif self.failed:
            skipped(f"its {', '.join(self.failed)} could not be compiled")

    def build_extension(self, ext):
        """As setuptools does, but an optional module that fails leaves no older build of itself."""
        try:
            super().build_extension(ext)
        except (BaseError, CCompilerError) as error:
            if not ext.optional:
                raise
            print(error, file=sys.stderr)
            self.failed.append(ext.name)
            Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)


def skipped(reason):
    """Say why there is no extension."""
    print(
        f"fastbn: WARNING: no full `cython` backend: {reason}; FASTBN_REQUIRE_EXT=1 makes this an error",
        file=sys.stderr,
    )


setup(
    ext_modules=[] if on("FASTBN_NO_EXT") or sys.implementation.name != "cpython" else extensions(),
    cmdclass={"build_ext": BuildExtensions},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
