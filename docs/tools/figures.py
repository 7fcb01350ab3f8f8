"""Let pages show the figures of `analyses/`, which stand outside the docs, as `images/NAME.png`."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ANALYSES = Path(__file__).parents[2] / "analyses"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Called by mkdocs with the files of the site."""
    for figure in sorted(ANALYSES.rglob("*.png")):
        files.append(File.generated(config, f"images/{figure.name}", abs_src_path=str(figure)))
    return files
