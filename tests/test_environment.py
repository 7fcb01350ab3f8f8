"""What the environment says is no reason to fail: a command prints the same, or one line."""

import io
import json
import os
import subprocess
import sys

import networkx as nx
import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of

import topokit as tk
from topokit.cli import main

# Each of them is wrong, or takes something away.
ODD = {
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONIOENCODING": "ascii",
    "PYTHONDONTWRITEBYTECODE": "1",
    "JAX_PLATFORMS": "cuda",
    "COLUMNS": "0",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "LANG": "C",
    "LC_ALL": "C",
    "TZ": "nowhere/at_all",
    "OMP_NUM_THREADS": "abc",
    "MPLCONFIGDIR": "/proc/nowhere",
    "MPLBACKEND": "nothing",
    "TMPDIR": "/proc/nowhere",
    "TOPOKIT_CACHE": "/proc/nowhere",
}

RUN = """
import json
import sys
from click.testing import CliRunner
from topokit.cli import main
runs = (CliRunner().invoke(main, words.split(), prog_name="topokit") for words in sys.argv[1:])
print(json.dumps([(found.exit_code, found.stderr, found.stdout) for found in runs]))
"""

FIELDS = tk.scores.Score.__dataclass_fields__

FREE_OF_JAX = ("list", "score butterfly --n 4", "score butterfly --n 8 --help", "diagnose g.json")
WITH_JAX = "design --n-in 8 --n-out 8 --share 0.5"


def save_graph() -> nx.DiGraph:
    graph = tk.topologies.butterfly(8)
    graph.graph["name"] = "größer → n"
    tk.write(graph, "g.json")
    return graph


def test_an_odd_environment_changes_no_word():
    save_graph()
    environment = {name: value for name, value in os.environ.items() if name != "HOME"} | ODD
    child = subprocess.run(
        [sys.executable, "-c", RUN, *FREE_OF_JAX, WITH_JAX],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    *free, (status, said, _) = json.loads(child.stdout)
    assert free == [[0, "", output_of(words)] for words in FREE_OF_JAX]
    assert status == 2
    assert said.startswith("Error: JAX finds no device as JAX_PLATFORMS=cuda asks for it;")
    assert said.count("\n") == 1


@pytest.mark.parametrize("columns", ["", "0", "-3", "1", "²", "abc", "1e9", "9" * 5000, "9" * 15])
def test_no_width_hides_a_table(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    found = output_of("score butterfly --n 4").split()
    assert FIELDS.keys() <= set(found)


def test_a_name_that_the_encoding_has_not_is_escaped(monkeypatch):
    save_graph()
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(SystemExit):
        main(["score", "g.json"])
    out.flush()
    assert out.buffer.getvalue().splitlines()[0] == rb"gr\xf6\xdfer \u2192 n"
    assert out.errors == "strict"
