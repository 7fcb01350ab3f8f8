"""How many threads the BLAS takes is as before once nobody needs one alone, whoever came and went.

Each library of the process stands here as a counter, so that it has more than one thread on any
machine; one test asks those that are there.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest
import scipy.linalg  # noqa: F401  the libraries are there
from threadpoolctl import ThreadpoolController

from topokit import _one_thread
from topokit._one_thread import one_thread


class Library:
    def __init__(self, threads: int) -> None:
        self.num_threads = threads

    def set_num_threads(self, threads: int) -> None:
        self.num_threads = threads


@pytest.fixture
def libraries(monkeypatch) -> list[Library]:
    found = [Library(8), Library(3), Library(1)]
    monkeypatch.setattr(_one_thread, "_libraries", lambda: found)
    return found


def threads(libraries) -> list[int]:
    return [library.num_threads for library in libraries]


def test_there_is_one_thread_inside_and_what_was_before_outside(libraries):
    with one_thread():
        assert threads(libraries) == [1, 1, 1]
        with one_thread():
            assert threads(libraries) == [1, 1, 1]
        assert threads(libraries) == [1, 1, 1]
    assert threads(libraries) == [8, 3, 1]


def test_an_error_inside_changes_nothing(libraries):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), one_thread(), one_thread():
            raise ZeroDivisionError
        assert threads(libraries) == [8, 3, 1]


@pytest.mark.parametrize("seed", range(20))
def test_contexts_may_overlap_in_any_order(libraries, seed):
    rng, inside = random.Random(seed), []
    for _ in range(60):
        if inside and rng.random() < 0.5:
            inside.pop(rng.randrange(len(inside))).close()
        else:
            inside.append(ExitStack())
            inside[-1].enter_context(one_thread())
        assert threads(libraries) == ([1, 1, 1] if inside else [8, 3, 1])
    for stack in inside:
        stack.close()
    assert threads(libraries) == [8, 3, 1]


def test_many_threads_may_come_and_go(libraries):
    together = Barrier(16)

    def work(_):
        together.wait()
        for number in range(200):
            with one_thread():
                assert threads(libraries) == [1, 1, 1]
            if number % 50 == 0:
                together.wait()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert threads(libraries) == [8, 3, 1]


def test_what_somebody_else_sets_meanwhile_stays(libraries):
    with one_thread():
        libraries[1].set_num_threads(5)
    assert threads(libraries) == [8, 5, 1]


def test_it_reaches_the_libraries_of_this_process():
    _one_thread._libraries.cache_clear()  # what was loaded since belongs to them, too
    found = _one_thread._libraries()
    before = threads(found)
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        set_by_user = threads(found)
        with one_thread():
            told = ThreadpoolController().select(user_api="blas").info()
            assert {library["num_threads"] for library in told} <= {1}
        assert threads(found) == set_by_user
    assert threads(found) == before
