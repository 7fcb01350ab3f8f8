"""Memory is estimated before it is taken."""


class TooLargeError(ValueError):
    """A score would need more memory than it allows itself; the message says what to do."""


def check_memory(score: str, n_bytes: int, limit: int, remedy: str) -> None:
    """Raise `TooLargeError` if a score would take more than `limit` bytes."""
    if n_bytes > limit:
        raise TooLargeError(
            f"{score} of this topology needs {n_bytes / 2**30:,.1f} GiB of memory and allows "
            f"itself {limit / 2**30:g}; {remedy}"
        )
