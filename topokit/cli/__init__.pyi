from ._main import main as main
from ._program import run as run
