"""Search that works from the disk too, by `iframe-worker.js`, and finds texts, not source code."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

WORKER = Path(__file__).with_name("iframe-worker.js")
SOURCE = '<details class="mkdocstrings-source"'


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Called by mkdocs with the files of the site."""
    files.append(File.generated(config, f"assets/{WORKER.name}", abs_src_path=str(WORKER)))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Called by mkdocs with the content of every page."""
    return html.replace(SOURCE, SOURCE.replace("<details", "<details data-search-exclude"))
