"""The program that a shell starts: how it ends by Ctrl-C, by its reader, and by its own streams."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from topokit._interrupts import INTERRUPTED, OneInterrupt
from topokit.cli._streams import CLOSED_PIPE
from topokit.ranking import process_pool

# A command in which Ctrl-C comes, and goes on coming until the process has ended.
CTRL_C = """
import os, signal, sys, threading, time
import topokit as tk
from topokit.cli import run

def again():
    while True:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.002)

def score(_):
    threading.Thread(target=again, daemon=True).start()
    {}
    time.sleep(600)

tk.score = score
sys.argv = ["topokit", "score", "butterfly", "--n", "4"]
run()
"""
DROPPED = """
    class Dropped:
        def __del__(self):
            time.sleep(600)
    del (found := [Dropped()])[:]
"""


@pytest.mark.parametrize("doing", ["", DROPPED], ids=["anywhere", "where Python drops it"])
def test_ctrl_c_ends_in_one_line_however_often_it_comes(doing) -> None:
    command = [sys.executable, "-c", CTRL_C.format(doing.strip())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "interrupted\n")


class ExtensionFileLoader:
    """Is called as that by which Python loads modules in C."""

    def exec_module(self, interrupt: OneInterrupt) -> None:
        interrupt._hear(signal.SIGINT, sys._getframe())


def test_ctrl_c_waits_while_a_module_in_c_begins(monkeypatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr("topokit._interrupts.os.kill", lambda _, number: sent.append(number))
    monkeypatch.setattr(
        "topokit._interrupts.threading.Timer",
        lambda _, repeat: SimpleNamespace(start=repeat, daemon=False),
    )
    interrupt = OneInterrupt()
    ExtensionFileLoader().exec_module(interrupt)
    assert sent == [signal.SIGINT]
    with pytest.raises(KeyboardInterrupt):
        interrupt._hear(signal.SIGINT, sys._getframe())
    interrupt._hear(signal.SIGINT, sys._getframe())  # is the same one


def test_a_process_of_a_pool_leaves_ctrl_c_to_its_parent() -> None:
    with process_pool(1) as pool:
        blocked = pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result()
        assert signal.SIGINT in blocked
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def shell(words: str) -> subprocess.CompletedProcess:
    """What a shell makes of it; `TOPOKIT` is the program, and its status is printed at the end."""
    script = words.replace("TOPOKIT", f"'{sys.executable}' -m topokit.cli")
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def test_a_reader_that_goes_away_ends_it_without_a_word() -> None:
    done = shell("TOPOKIT list | true; echo ${PIPESTATUS[0]}; TOPOKIT list -h | true")
    assert (done.stdout, done.stderr) == (f"{CLOSED_PIPE}\n", "")


def test_what_is_said_where_a_stream_is_closed_gets_into_no_file(tmp_path) -> None:
    done = shell(f"TOPOKIT build butterfly --n 4 -o {tmp_path}/a.json <&- >&- 2>&-; echo $?")
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert (tmp_path / "a.json").read_text().startswith("{")
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_a_stream_is_told_on_the_other_one() -> None:
    done = shell("TOPOKIT list --json > /dev/full; echo $?; TOPOKIT nope 2> /dev/full; echo $?")
    assert done.stdout == "2\n2\n"
    assert done.stderr == (
        "Error: standard output: No space left on device; make room on that disk, and run the "
        "same again\n"
    )
