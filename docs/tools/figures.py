"""Let pages show the figures of `analyses/`, which stand outside the docs, as `images/NAME.png`.

And let them be searched when they are opened from the disk, by `iframe-worker.js`.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ANALYSES = Path(__file__).parents[2] / "analyses"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Called by mkdocs with the files of the site."""
    for figure in sorted(ANALYSES.rglob("*.png")):
        files.append(File.generated(config, f"images/{figure.name}", abs_src_path=str(figure)))
    script = Path(__file__).with_name("iframe-worker.js")
    files.append(File.generated(config, f"assets/{script.name}", abs_src_path=str(script)))
    return files
