"""What is said when some evaluations have no result: which, why, and how to go on."""

from concurrent.futures import BrokenExecutor, CancelledError
from pathlib import Path

from topokit._escapes import shown

NAMED = 5  # of many failures so many are told in full
LINE = 400  # columns of what is told of one
LOST = (BrokenExecutor, CancelledError)


class UnfinishedError(RuntimeError):
    """Some evaluations failed or were lost; all others are finished, and kept if there is a store.

    Attributes:
        failures: The error of each evaluation that has no result, by its name.

    Examples:
        >>> import topokit as tk
        >>> bad = tk.reconstruction.Adam(learning_rate=-1)
        >>> try:
        ...     list(tk.ranking.sweep({"butterfly": tk.topologies.butterfly(8)}, solver=bad))
        ... except tk.ranking.UnfinishedError as error:
        ...     print(len(error.failures))
        1

    See Also:
        `sweep`, which raises it.
    """

    def __init__(self, failures: dict[str, BaseException], of: int, path: Path | None) -> None:
        """Take the failures, the number of evaluations, and where results are kept."""
        self.failures = failures
        super().__init__(". ".join(_sentences(failures, of, path)))


def _sentences(failures: dict[str, BaseException], of: int, path: Path | None) -> list[str]:
    lost = [name for name, error in failures.items() if isinstance(error, LOST)]
    failed = {name: _brief(error) for name, error in failures.items() if name not in lost}
    said = []
    if failed:
        told = [f"{shown(name)}: {error}" for name, error in failed.items()]
        said.append(f"{len(told)} of {of} evaluations failed: {_some(told)}")
    if lost:
        why = _why(failures[lost[0]])
        were = "was" if len(lost) == 1 else "were"
        told = _some([*map(shown, lost)])
        said.append(f"{len(lost)} of {of} evaluations {were} lost because {why}: {told}")
    finished = of - len(failures)
    if finished:
        said.append(f"The other {'one is' if finished == 1 else f'{finished} are'} finished")
    said.append(
        "Nothing is kept: give a store, and a next call will run only what is missing"
        if path is None
        else f"What is finished is kept in {path}: the same call runs only what is missing"
    )
    return said


def _why(error: BaseException) -> str:
    if isinstance(error, BrokenExecutor):
        return (
            "a process died (it was killed, ran out of memory, or started from a script without "
            "`if __name__ == '__main__':`)"
        )
    return "the executor gave them up"


def _brief(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return shown(f"{type(error).__name__}: {lines[0]}", LINE)


def _some(told: list[str]) -> str:
    more = [f"and {len(told) - NAMED} more"] if len(told) > NAMED else []
    return "; ".join(told[:NAMED] + more)
