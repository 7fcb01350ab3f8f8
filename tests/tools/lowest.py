"""Print the lowest version that pyproject.toml allows of each package, as constraints for pip."""

import re
import tomllib
from itertools import chain
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]

lowest = {re.sub(r"(\[.*\])?>=", "==", r) for r in REQUIREMENTS if ">=" in r}
print("\n".join(sorted(lowest)))
