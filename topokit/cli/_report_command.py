"""`topokit report`: results as one page to click through."""

from pathlib import Path

import click

import topokit as tk
from topokit._escapes import shown
from topokit._regular_files import whole_bytes
from topokit._strict_json import from_json
from topokit.cli._console import busy, say
from topokit.cli._once import Once
from topokit.cli._output_file import OutputFile
from topokit.cli._ranking_files import PAGE, RANKING, read_results

TRAINING = "training.json"


@click.command("report", cls=Once)
@click.argument("results", metavar="FOLDER|STORE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=OutputFile(".html"),
    help="The page to write; report.html in the folder, or beside a store under its name.",
)
def command(results: Path, output: Path | None) -> None:
    """Make one page of results: a table, charts, maps and words to click through.

    The results are the folder of a ranking or of a training, or the store of a sweep (.sqlite). The
    page is one file that asks no network for anything: open it in a browser, send it by mail.
    """
    if not results.exists():
        raise click.UsageError(f"there is no folder or file {results}.")
    if not results.is_dir():
        page = _sweep_page(results, output or results.with_suffix(".html"))
    elif (results / RANKING).is_file():
        page = write_ranking_page(results, output or results / PAGE)
    elif (results / TRAINING).is_file():
        page = _training_page(results / TRAINING, output or results / PAGE)
    else:
        raise click.UsageError(
            f"{results} holds neither {RANKING} nor {TRAINING}; give a folder that 'topokit rank' "
            "or 'topokit train' wrote."
        )
    say(f"{page}: open it in a browser")


def write_ranking_page(folder: Path, page: Path) -> Path:
    """The page of a ranking, from its folder alone."""
    write = tk.report.write_report
    with busy(f"Diagnosing for {page.name}"):
        found = read_results(folder)
        write(
            page,
            found.rows,
            found.topologies,
            maps=found.maps,
            files=found.files,
            beside=found.beside,
        )
    return page


def _sweep_page(store: Path, page: Path) -> Path:
    write = tk.report.write_sweep_report
    results = tk.ranking.read_store(store)
    if not results:
        raise ValueError(f"{store} holds no reconstruction yet; run a sweep or a ranking with it")
    write(page, results)
    return page


def _training_page(file: Path, page: Path) -> Path:
    write = tk.report.write_training_report
    try:
        training = from_json(whole_bytes(file))
        if not isinstance(training, dict):
            raise ValueError("it is no object")
        write(page, training)
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {shown(error)}") from error
    return page
