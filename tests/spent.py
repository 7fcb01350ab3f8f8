"""How long a command took, on the clock and of the processors: `python spent.py COMMAND ...`."""

import os
import subprocess
import sys
import time


def spent() -> str:
    """What this process, and those that it waited for, took of the processors."""
    return f"{sum(os.times()[:4]):.0f} s of processor time"


if __name__ == "__main__":
    start = time.monotonic()
    # Not close_fds, which would close the pipe through which make counts its jobs.
    status = subprocess.run(sys.argv[1:], close_fds=False).returncode
    print(f"took {time.monotonic() - start:.0f} s, {spent()}")
    sys.exit(status)
