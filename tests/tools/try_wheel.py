"""Build both archives, and try the wheel as a stranger would who installs the core alone.

The wheel goes into an environment of its own, outside the checkout, at the pinned versions and
without any extra. There it has to build, score, diagnose, draw, rank, read and write; what needs an
extra has to name it, in one line.
"""

import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
HINT = "pip install '.[{}]'"
BESIDE_THE_PACKAGE = {"LICENSE", "Makefile", "constraints.txt", "tests/test_house.py"}

WORKS = """
topokit --version
topokit list
topokit build butterfly --n 8 -o cube.npz
topokit score cube.npz --json
topokit diagnose cube.npz
topokit plot cube.npz --what control -o cube.png
topokit rank cube.npz --targets 1 --max-steps 2 --jobs 1
"""
NEEDS_AN_EXTRA = {
    "topokit train --epochs 1 --seeds 1": "networks",
    "topokit report ranking": "report",
}
SCRIPT = f"""
import topokit as tk

cube = tk.topologies.butterfly(8)
tk.write(cube, "again.graphml")
assert set(tk.read("again.graphml").edges) == set(cube.edges)
needs = {{
    "train": (lambda: tk.networks.train, "networks"),
    "load_digits": (lambda: tk.networks.load_digits, "networks"),
    "write_weights": (lambda: tk.networks.write_weights, "networks"),
    "SparseLinear": (lambda: tk.torch.SparseLinear, "torch"),
    "write_report": (lambda: tk.report.write_report, "report"),
}}
for name, (call, extra) in needs.items():
    try:
        call()
    except ModuleNotFoundError as error:
        assert {HINT!r}.format(extra) in str(error), f"{{name}}: {{error}}"
    else:
        raise AssertionError(f"{{name}} works without its extra: is this the core alone?")
"""


def main() -> None:
    """Build, install and try in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        run(ROOT, sys.executable, "-m", "hatchling", "build", "--directory", here)
        (archive,), (wheel,) = here.glob("*.tar.gz"), here.glob("*.whl")
        check_contents(archive, wheel)
        python = install(wheel, here / "environment")
        try_shell(here, python.parent)
        run(here, python, "-c", SCRIPT)
        print("passed: in Python, the core, and each extra named")


def check_contents(archive: Path, wheel: Path) -> None:
    """The wheel holds the package, stubs and marker included; the other archive all sources."""
    package = {
        str(path.relative_to(ROOT))
        for ending in ("py", "pyi", "typed", "html", "css", "js")
        for path in (ROOT / "topokit").rglob(f"*.{ending}")
    }
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}
    if held != package:
        sys.exit(f"FAILED: wheel and package differ in {sorted(held ^ package)}")
    with tarfile.open(archive) as opened:
        held = {name.partition("/")[2] for name in opened.getnames()}
    if missing := (package | BESIDE_THE_PACKAGE) - held:
        sys.exit(f"FAILED: the source archive lacks {sorted(missing)}")
    print(f"passed: {archive.name} and {wheel.name} hold what they should")


def install(wheel: Path, folder: Path) -> Path:
    """An environment with the wheel and what it requires; its Python."""
    run(ROOT, sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-compile")
    run(ROOT, *pip, "--constraint", "constraints.txt", wheel)
    print("passed: the core alone is installed")
    return python


def try_shell(folder: Path, commands: Path) -> None:
    """The commands that work, and those that say what they need."""
    for line in WORKS.strip().splitlines():
        command, *words = shlex.split(line)
        run(folder, commands / command, *words)
        print(f"passed: {line}")
    for line, extra in NEEDS_AN_EXTRA.items():
        command, *words = shlex.split(line)
        done = attempt(folder, commands / command, *words)
        lines = done.stderr.splitlines()
        if done.returncode != 2 or len(lines) != 1 or HINT.format(extra) not in lines[0]:
            sys.exit(f"FAILED: {line} has to name its extra\n{done.stdout}{done.stderr}")
        print(f"passed: {line} names its extra")


def run(folder: Path, *command: object) -> None:
    """Run what has to succeed; if it does not, show what it printed."""
    done = attempt(folder, *command)
    if done.returncode:
        sys.exit(f"FAILED: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def attempt(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command away from the checkout, its output kept."""
    words = list(map(str, command))
    return subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


if __name__ == "__main__":
    main()
