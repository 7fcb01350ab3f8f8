"""What the process has set is as before once a call of topokit is over, from any thread."""

import gc
import locale
import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import optax
import pytest
from threadpoolctl import threadpool_info

import topokit as tk
from topokit.cli import main
from topokit.networks import load_digits, mlp, train

mpl.use("agg")
GRAPH = tk.with_skip(tk.topologies.butterfly(4, 3))
QUICK = tk.reconstruction.HierarchicalSVD()


def state() -> dict[str, Any]:
    """Everything that a library could set for the whole process."""
    return {
        "environment": dict(os.environ),
        "folder": str(os.path.realpath(os.curdir)),
        "matplotlib": dict(mpl.rcParams),
        "figures": plt.get_fignums(),
        "jax": {name: str(value) for name, value in jax.config.values.items()},
        "numpy errors": (np.geterr(), np.geterrcall()),
        "numpy printing": np.get_printoptions(),
        "numpy random": str(np.random.get_state(legacy=False)),  # noqa: NPY002
        "warnings": list(warnings.filters),
        "signals": {s: signal.getsignal(s) for s in signal.valid_signals()},
        "sys": (
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            sys.get_int_max_str_digits(),
            sys.stdout,
            sys.stderr,
            sys.stdout.errors,
            sys.excepthook,
            sys.unraisablehook,
            sys.displayhook,
            threading.excepthook,
            sys.gettrace(),
        ),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.disabled),
        "processes": (multiprocessing.get_start_method(allow_none=True)),
        "garbage": (gc.isenabled(), gc.get_threshold()),
        "locale": locale.setlocale(locale.LC_ALL),
        "threads": {t for t in threading.enumerate() if not t.name.startswith("ThreadPool")},
        "BLAS": [(b["filepath"], b["num_threads"]) for b in threadpool_info()],
    }


def rebuild() -> Any:
    return tk.rank({"one": tk.topologies.butterfly(4)}, targets=1, solver=QUICK)


def learn() -> Any:
    model = mlp((1, 8, 8), [], 10, key=jax.random.key(0))
    return train(model, load_digits(), optimizer=optax.sgd(0.1), epochs=1, batch_size=500)


def command(words: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code in (None, 2)


CALLS = {
    "score": lambda: tk.score(GRAPH),
    "leverage": lambda: tk.leverage(GRAPH),
    "soft leverage": lambda: tk.scores.soft_leverage(GRAPH),
    "estimates": lambda: tk.scores.estimate_leverage(GRAPH, n_samples=2),
    "descent": lambda: tk.controllability(GRAPH, fairness=False, steps=2),
    "diagnosis": lambda: tk.diagnose(GRAPH),
    "ranking": rebuild,
    "training": learn,
    "wrong numbers": lambda: pytest.raises(ValueError, tk.leverage, GRAPH, n_samples=0),
    "files": lambda: tk.read(saved(lambda path: tk.write(GRAPH, path), ".npz")),
    "picture": lambda: saved(
        lambda path: tk.plotting.save_figure(tk.plotting.plot_masks(GRAPH), path), ".svg"
    ),
    "command": lambda: command("score butterfly --n 4"),
    "wrong command": lambda: command("score butterfly --n 5"),
}

# Pictures and commands belong to the main thread: matplotlib's figures and `sys.stdout` are shared.
FROM_THREADS = [name for name in CALLS if "command" not in name and name != "picture"]


def saved(save, ending: str) -> str:
    path = f"{threading.get_ident()}{ending}"
    save(path)
    return path


def assert_same(now: dict[str, Any], before: dict[str, Any]) -> None:
    for name, value in before.items():
        if name == "jax":  # what JAX reads of the environment by itself comes with its first use
            assert now[name].items() >= value.items()
        else:
            assert now[name] == value, name


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_the_process_as_it_was(name):
    CALLS[name]()  # what modules do as they load is not the call's
    before = state()
    CALLS[name]()
    assert_same(state(), before)


def test_calls_from_many_threads_leave_the_process_as_it_was():
    with ThreadPoolExecutor(4) as pool:
        before = state()
        list(pool.map(lambda name: CALLS[name](), 2 * FROM_THREADS))
        assert_same(state(), before)
