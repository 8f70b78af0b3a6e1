"""What README and guide show is what happens: snippets run, output matches, links lead somewhere, commands parse."""

import contextlib
import io
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import fastbn
import fastbn.cli

ROOT = Path(__file__).parents[1]
#: Pages whose snippets are run -> what they need beside this package.
RUN = {
    "README.md": (),
    "docs/guide.md": (),
    "docs/exact.md": (),
    "docs/batches.md": (),
    "docs/trust.md": (),
    "docs/formulas/minmax.md": (),
    "docs/formulas/zscore.md": (),
    "docs/formulas/four-steps.md": (),
    "docs/formulas/channels.md": (),
    "docs/formulas/eps.md": (),
    "docs/formulas/gradients.md": (),
    "docs/formulas/variance.md": (),
    "docs/arrays.md": ("array_api_strict",),
    "docs/scikit-learn.md": ("sklearn", "pandas"),
    "docs/dask.md": ("dask",),
    "docs/xarray.md": ("xarray", "dask"),
    "docs/frames.md": ("pandas", "polars"),
    "docs/pytorch.md": ("torch",),
    "docs/migration.md": ("sklearn", "scipy"),
    "docs/command-line.md": ("sklearn", "pyarrow"),
    "docs/geotiff-stack.md": ("sklearn", "rasterio"),
    "docs/training-years.md": ("statsmodels", "h5netcdf", "xarray"),
    "docs/ten-machines.md": (),
}
#: Those that need more than the oldest NumPy, which does not pass on by DLPack what it got that way.
NUMPY = {"docs/arrays.md": "2.1"}
DOCUMENTS = [*RUN, "docs/gpu.md", "docs/index.md", "CONTRIBUTING.md"]
SNIPPET = re.compile(
    r"^```(?P<language>python|bash)\n(?P<code>.*?)^```\n(?:\s*^```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
#: Pages whose commands are run, too.
SHELL = ("docs/command-line.md", "docs/geotiff-stack.md", "docs/training-years.md", "docs/ten-machines.md")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def run_commands(code):
    """Run the commands of fastbn among lines of shell; each has to succeed."""
    for line in code.replace("\\\n", " ").splitlines():
        argv = shlex.split(line, comments=True)
        if argv[:1] == ["fastbn"]:
            assert fastbn.cli.main(argv[1:]) == 0, line


@pytest.mark.parametrize("document", RUN)
def test_snippets_print_what_is_shown(document, tmp_path, monkeypatch):
    for module in RUN[document]:
        pytest.importorskip(module)
    pytest.importorskip("numpy", minversion=NUMPY.get(document))
    monkeypatch.chdir(tmp_path)
    text = read(document)
    languages = ("python", "bash") if document in SHELL else ("python",)
    snippets = [snippet for snippet in SNIPPET.finditer(text) if snippet["language"] in languages]
    assert len(snippets) == sum(text.count(f"```{language}") for language in languages) > 0
    names = {"__name__": "snippets"}  # one story: later snippets use the names of earlier ones
    for snippet in snippets:
        line = text.count("\n", 0, snippet.start()) + 2
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if snippet["language"] == "bash":
                run_commands(snippet["code"])
            else:
                exec(compile("\n" * (line - 1) + snippet["code"], ROOT / document, "exec"), names)
        assert printed.getvalue() == (snippet["output"] or ""), f"{document}, line {line}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_relative_links_lead_to_files(document):
    missing = [link for link in LINK.findall(read(document)) if not (ROOT / document).parent.joinpath(link).exists()]
    assert missing == []


def test_backend_table_is_the_backend_table():
    rows = re.findall(r"^\| `(\w+)` \|.*\| (here|not yet) \|$", read("README.md"), re.MULTILINE)
    assert [name for name, state in rows if state == "here"] == [info.name for info in fastbn.backends()]
    assert len(rows) == 3


@pytest.mark.parametrize(("name", "last"), [("demo", ".venv/bin/fastbn demo"), ("test", ".venv/bin/pytest -n auto")])
def test_commands_are_one_line_of_shell(name, last):
    _, _, rest = read("README.md").partition(f"<!-- command: {name} -->\n```bash\n")
    command, fence, _ = rest.partition("\n```\n")
    assert fence
    assert "\n" not in command
    assert command.endswith(f"&& {last}")
    subprocess.run(["bash", "-n", "-c", command], check=True)  # parses it, runs nothing
