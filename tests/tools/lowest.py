"""Print the lowest version that pyproject.toml allows of each package, as constraints for pip."""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
REQUIREMENTS = sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])

lowest = {re.sub(r"(\[.*\])?>=", "==", r) for r in REQUIREMENTS if ">=" in r}
print("\n".join(sorted(lowest)))
