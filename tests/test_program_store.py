"""Programs kept on disk: found again by other processes, and no fault of a folder is an error."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from topokit import _compilation, _program_store
from topokit._compilation import compiled
from topokit._program_store import ENDING, keep_program, read_program

KEY, PROGRAM = "0" * 64, b"a program"


def double(x: jax.Array) -> jax.Array:
    return 2 * x


def scale(factor: int, x: jax.Array) -> jax.Array:
    return factor * x


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own, and no other one."""
    monkeypatch.setenv("TOPOKIT_CACHE", str(tmp_path / "cache"))
    settings: Any = jax.config
    jax_has_one = settings.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield tmp_path / "cache"
    jax.config.update("jax_compilation_cache_dir", jax_has_one)


def files(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.is_dir() else []


def works() -> bool:
    """Whether a function that is compiled for the first time in its life does what it should."""
    return compiled()(double)(jnp.arange(3.0)).tolist() == [0.0, 2.0, 4.0]


def test_what_one_compiles_another_one_finds(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert works()
    (kept,) = files(cache)
    assert kept.suffix == ENDING
    assert not kept.stat().st_mode & 0o022

    def refuse(*args: object) -> None:
        raise AssertionError(f"compiled again: {args}")

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    assert works()
    assert files(cache) == [kept]


def test_settings_and_shapes_have_programs_of_their_own(cache: Path) -> None:
    function = compiled(static=1)(scale)
    assert function(3, jnp.ones(2)).tolist() == [3.0, 3.0]
    assert function(5, jnp.ones(2)).tolist() == [5.0, 5.0]
    assert function(5, jnp.ones(3)).tolist() == [5.0, 5.0, 5.0]
    assert len(files(cache)) == 3


def test_another_processor_has_programs_of_its_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert works()
    monkeypatch.setattr(_compilation, "_processor", lambda: "another one")
    assert works()
    assert len(files(cache)) == 2


def test_off_keeps_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPOKIT_CACHE", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("HOME", str(cache))
    assert works()
    assert not files(cache)


def test_the_default_is_the_users_cache_folder(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOPOKIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("HOME", str(cache))
    assert works()
    assert [path.name for path in cache.rglob(f"*{ENDING}")]
    assert (cache / "topokit").is_dir() or sys.platform == "darwin"


def test_a_chosen_folder_may_lie_in_the_home(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(cache))
    monkeypatch.setenv("TOPOKIT_CACHE", "~/programs")
    assert works()
    assert [path.parent for path in cache.rglob(f"*{ENDING}")] == [cache / "programs"]


def no_home(_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TOPOKIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)


def no_space(_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)


def unwritable(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for everybody but root, whom permissions do not stop."""

    def refused(path: Path, *_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    cache.mkdir()
    monkeypatch.setattr(Path, "write_bytes", refused)


def below_a_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text("no folder")
    monkeypatch.setenv("TOPOKIT_CACHE", str(cache / "inner"))


def no_such_name(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPOKIT_CACHE", str(cache) + "x" * 5000)


def open_to_all(cache: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    cache.chmod(0o777)


def of_somebody_else(_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 10**6)


@pytest.mark.parametrize(
    "fault",
    [
        no_home,
        no_space,
        unwritable,
        below_a_file,
        no_such_name,
        open_to_all,
        of_somebody_else,
    ],
)
def test_where_nothing_can_be_kept_all_works_and_nothing_is_left(
    fault: Callable, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(cache, monkeypatch)
    assert works()
    assert works()
    assert not files(cache)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def emptied(content: bytes) -> bytes:
    return content[:0]


def one_bit_wrong(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [cut, emptied, one_bit_wrong])
def test_a_damaged_program_is_made_anew(damage: Callable[[bytes], bytes], cache: Path) -> None:
    assert works()
    (kept,) = files(cache)
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert works()
    assert read_program(kept.stem) is not None
    assert files(cache) == [kept]


def test_a_whole_file_that_is_no_program_is_made_anew(cache: Path) -> None:
    assert works()
    (kept,) = files(cache)
    keep_program(kept.stem, PROGRAM)
    assert works()
    assert read_program(kept.stem) != PROGRAM


def test_a_folder_in_the_place_of_a_program_is_passed_over(cache: Path) -> None:
    assert works()
    (kept,) = files(cache)
    kept.unlink()
    kept.mkdir()
    assert works()


def test_what_was_used_last_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_program_store, "LIMIT", 3 * (32 + len(PROGRAM)))
    for number, key in enumerate("abc"):
        keep_program(key, PROGRAM)
        os.utime(cache / f"{key}{ENDING}", (number, number))
    assert read_program("a") == PROGRAM
    keep_program("d", PROGRAM)
    assert [path.stem for path in files(cache)] == ["a", "c", "d"]


@pytest.mark.usefixtures("cache")
def test_what_is_larger_than_the_limit_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_program_store, "LIMIT", len(PROGRAM) - 1)
    keep_program(KEY, PROGRAM)
    assert read_program(KEY) is None


def test_other_files_in_the_folder_are_left_alone(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    mine = cache / "mine.txt"
    mine.write_text("x" * 1000)
    monkeypatch.setattr(_program_store, "LIMIT", 100)
    for key in "abcdef":
        keep_program(key, PROGRAM)
    assert mine.exists()
    assert len(files(cache)) < 7


def test_many_write_and_read_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_program_store, "LIMIT", 5 * (32 + len(PROGRAM)))

    def write_and_read(number: int) -> bytes | None:
        keep_program(f"{number % 8}", PROGRAM)
        return read_program(f"{(number + 1) % 8}")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write_and_read, range(200))) <= {PROGRAM, None}
    assert all(path.suffix == ENDING for path in files(cache))


def test_who_has_a_cache_of_jax_has_that_one_alone(cache: Path, tmp_path: Path) -> None:
    code = (
        "import jax, jax.numpy as jnp; from topokit._compilation import compiled; "
        "before = dict(jax.config.values); "
        "assert compiled()(lambda x: 2 * x)(jnp.ones(1)).tolist() == [2.0]; "
        "assert before == dict(jax.config.values)"
    )
    own = tmp_path / "of jax"
    settings = {
        "JAX_COMPILATION_CACHE_DIR": str(own),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    subprocess.run([sys.executable, "-c", code], env=os.environ | settings, check=True)
    assert files(own)
    assert not files(cache)
    settings = {"JAX_COMPILATION_CACHE_DIR": "", "JAX_ENABLE_COMPILATION_CACHE": "0"}
    subprocess.run([sys.executable, "-c", code], env=os.environ | settings, check=True)
    assert not files(cache)


def test_an_option_that_jax_knows_no_more_is_left_out(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_compilation, "_options", lambda **_: {"xla_there_is_no_such_option": 2})
    assert works()
    assert len(files(cache)) == 1


@pytest.mark.parametrize(
    "told", ["--xla_backend_optimization_level=1", "--xla_cpu_use_fusion_emitters=true", ""]
)
def test_who_tells_the_compiler_how_is_not_overruled(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", told)
    before = _compilation.CONFIG.values[_compilation.UNOPTIMIZED]
    try:
        for unoptimized in (True, False):
            jax.config.update(_compilation.UNOPTIMIZED, unoptimized)
            options = [_compilation._options(few=few) for few in (False, True)]
            assert [*map(len, options)] == ([0, 0] if told or unoptimized else [1, 3])
    finally:
        jax.config.update(_compilation.UNOPTIMIZED, before)


def test_inside_of_another_function_it_is_a_part_of_that(cache: Path) -> None:
    function = compiled()(double)
    assert jax.jit(lambda x: function(x) + 1)(jnp.ones(1)).tolist() == [3.0]
    assert jax.grad(lambda x: function(x))(1.0) == 2.0
    assert not files(cache)
    with jax.disable_jit():
        assert function(jnp.ones(1)).tolist() == [2.0]
