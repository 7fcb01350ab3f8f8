"""Memory is estimated before it is taken."""


class TooLargeError(ValueError):
    """A result would need more memory than it allows itself; the message says what to do."""


def check_memory(
    what: str, n_bytes: int, limit: int, remedy: str, *, of: str = "this topology"
) -> None:
    """Raise `TooLargeError` if `what` would take more than `limit` bytes."""
    if n_bytes > limit:
        raise TooLargeError(
            f"{what} of {of} needs {n_bytes / 2**30:,.1f} GiB of memory and allows "
            f"itself {limit / 2**30:g}; {remedy}"
        )
