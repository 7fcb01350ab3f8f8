"""The command line as a function, run in an empty folder."""

import shlex
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from click.testing import CliRunner, Result

import topokit as tk
from topokit.cli import main

mpl.use("agg")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def blank(monkeypatch):
    """Blank pictures and pages, for tests of all else: to fill them takes most of a ranking."""
    for plot in (tk.plotting.plot_ranking, tk.plotting.plot_parameters, tk.plotting.plot_maps):
        monkeypatch.setattr(tk.plotting, plot.__name__, lambda _: _nothing())
    monkeypatch.setattr(tk.report, "write_report", lambda page, *_, **__: Path(page).touch())


def _nothing():
    """Axes without anything on them, on a small figure."""
    ax = plt.figure(figsize=(1, 1)).add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    return ax


def topokit(words: str) -> Result:
    arguments = shlex.split(words)
    return CliRunner().invoke(main, arguments, prog_name="topokit", catch_exceptions=False)


def output_of(words: str) -> str:
    result = topokit(words)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout
