"""`edasim report`: one HTML page of what an output folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.lab.commands.options import BadOptionError, problems_reported


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that run, sweep, compare, plan or chaos left.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The page.", show_default="DIR/report.html")] = None,
) -> None:
    """Make one self-contained HTML page of an output folder, to mail or to print."""
    with problems_reported():
        from experiments.lab.console import console
        from experiments.lab.report import BadFolderError, write_report

        try:
            page = write_report(folder, out or folder / "report.html")
        except BadFolderError as bad:
            raise BadOptionError(str(bad)) from None
        console().print(f"report: {page}", soft_wrap=True)
