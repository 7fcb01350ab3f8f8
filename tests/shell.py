"""The command line as a function, run in an empty folder."""

import shlex

import matplotlib as mpl
import pytest
from click.testing import CliRunner, Result

from topokit.cli import main

mpl.use("agg")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)


def topokit(words: str) -> Result:
    arguments = shlex.split(words)
    return CliRunner().invoke(main, arguments, prog_name="topokit", catch_exceptions=False)


def output_of(words: str) -> str:
    result = topokit(words)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout
