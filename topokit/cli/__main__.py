"""`python -m topokit.cli`, for where the script is not on the path."""

from topokit.cli import run

run()
