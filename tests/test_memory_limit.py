"""One limit of memory, in one place, that a user can raise."""

import io
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import topokit as tk
from topokit import _limits
from topokit._limits import (
    TooLargeError,
    allowed,
    bounded_read,
    check_memory,
    check_read,
    in_units,
    readable_bytes,
)

MIB, GIB = 2**20, 2**30


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    monkeypatch.delenv("TOPOKIT_MEMORY", raising=False)


@pytest.mark.parametrize("n_bytes", [GIB + 1, 10**20, 10**400])
def test_what_is_too_large_is_one_line_that_says_how_to_allow_it(n_bytes):
    with pytest.raises(TooLargeError, match="^a sum of all needs") as caught:
        check_memory("a sum", n_bytes, GIB, "take less", of="all")
    told = str(caught.value)
    assert "\n" not in told
    assert "allows itself 1 GiB; take less, or allow more by TOPOKIT_MEMORY" in told
    assert told.endswith("or topokit.memory_limit")


@given(st.integers(GIB + 1, _limits.LIKELY - 1))
def test_what_the_message_says_is_enough(n_bytes):
    with pytest.raises(TooLargeError) as caught:
        check_memory("a sum", n_bytes, GIB, "take less")
    setting = str(caught.value).split("TOPOKIT_MEMORY=")[1].split("'")[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOPOKIT_MEMORY", setting)
        check_memory("a sum", n_bytes, GIB, "take less")


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("32 GiB", 32 * GIB),
        ("32GiB", 32 * GIB),
        (" 1.5 gib ", 3 * GIB // 2),
        ("3 GB", 3 * 10**9),
        ("5000000000", 5 * 10**9),
        ("2 TiB", 2**41),
        ("1 B", GIB),
        ("", GIB),
    ],
)
def test_the_environment_raises_a_limit_and_lowers_none(monkeypatch, text, n_bytes):
    monkeypatch.setenv("TOPOKIT_MEMORY", text)
    assert allowed(GIB) == n_bytes


@pytest.mark.parametrize("text", ["much", "-1", "1 GiB more", "1e9", "GiB", "9" * 30, "3 XB", "٣"])
def test_a_limit_that_is_none_is_one_clear_line(monkeypatch, text):
    monkeypatch.setenv("TOPOKIT_MEMORY", text)
    with pytest.raises(ValueError, match=r"^TOPOKIT_MEMORY must be a size such as '32 GiB'.*$"):
        tk.score(tk.topologies.butterfly(4))


def test_a_block_of_code_has_a_limit_of_its_own(monkeypatch):
    monkeypatch.setenv("TOPOKIT_MEMORY", "2 GiB")
    found = []
    with tk.memory_limit(4 * GIB):
        with tk.memory_limit(8 * GIB):
            assert allowed(GIB) == 8 * GIB
        assert allowed(GIB) == 4 * GIB
        thread = threading.Thread(target=lambda: found.append(allowed(GIB)))
        thread.start()
        thread.join()
    assert allowed(GIB) == found[0] == 2 * GIB


@pytest.mark.parametrize("wrong", [0, -1, True])
def test_a_limit_is_a_number_of_bytes(wrong):
    with pytest.raises(ValueError, match="n_bytes must be an integer of at least 1"):
        tk.memory_limit(wrong).__enter__()


@pytest.mark.parametrize(
    ("stored", "most"),
    [(0, 128 * MIB), (2 * MIB, 128 * MIB), (10 * MIB, 640 * MIB), (GIB, 2 * GIB)],
)
def test_a_file_may_hold_what_is_plausible_for_its_size(stored, most):
    assert readable_bytes(stored) == most
    check_read("a.npz", most, stored)
    with pytest.raises(TooLargeError, match=r"^a\.npz would take over .*memory_limit$"):
        check_read("a.npz", most + 1, stored)
    with tk.memory_limit(most + 1):
        check_read("a.npz", most + 1, stored)


def test_a_stream_is_read_no_farther_than_is_allowed(monkeypatch):
    monkeypatch.setattr(_limits, "SMALL_FILE", 3 * MIB)
    content = bytes(range(256)) * 3 * 2**12
    assert bounded_read(io.BytesIO(content), "a.gz", 0) == content
    longer = io.BytesIO(content + b"12")
    with pytest.raises(TooLargeError, match=r"^a\.gz would take over 3 MiB"):
        bounded_read(longer, "a.gz", 0)
    assert longer.tell() == len(content) + 1


@given(st.integers(0, 2**80))
def test_a_size_is_said_in_the_unit_that_it_fills(n_bytes):
    *over, number, unit = in_units(n_bytes).split()
    said = float(number) * _limits.FACTORS[unit.lower()]
    assert over or abs(said - n_bytes) <= 0.05 * _limits.FACTORS[unit.lower()]
    assert over == (["over"] if n_bytes >= 2**70 else [])
