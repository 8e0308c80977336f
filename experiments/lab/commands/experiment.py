"""`edasim experiment`: the studies that ship."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.lab.commands.options import (
    BadOptionError,
    ClusterOption,
    JobsOption,
    SetOption,
    at_work,
    folder_of,
    problems_reported,
    processes,
    setting_of,
)

if TYPE_CHECKING:
    from experiments.lab.study import Answer


def experiment(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A study; without it, they are listed.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A version of at most 20 s.")] = False,
    runs: Annotated[int | None, typer.Option(min=2, help="Replications of each system.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all chance.")] = 1,
    set_: SetOption = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the output.", show_default="edasim-out/NAME")] = None,
) -> None:
    """List the studies that ship, or run one: its finding and table here, its charts in a folder."""
    with problems_reported():
        from experiments.lab.console import console, table_of
        from experiments.lab.study import Setup, answer, studies
        from models.errors import nearest, one_of

        known = studies()
        if name is None:
            listed = table_of("edasim experiment NAME", ("", 0, "left"), ("question", 0, "left"))
            for each, question in known.items():
                listed.add_row(each, question)
            console().print(listed)
            return
        if name not in known:
            close = nearest(name, list(known))
            raise BadOptionError(f"{name}: no such study; {f'did you mean {close}?' if close else one_of(list(known))}")
        folder = folder_of(name, out)
        with at_work(name, None, cluster) as bar:
            changes = dict(setting_of(text) for text in set_ or [])
            setup = Setup(quick, runs, seed, processes(jobs, "auto"), changes, bar)
            found = answer(name, setup)
        try:
            found.write(name, setup, folder)
        except OSError as failed:
            raise BadOptionError(f"--out: {failed}") from failed
        _show(known[name], found, folder)


def _show(question: str, found: Answer, folder: Path) -> None:
    from experiments.lab.console import console, table_of

    screen = console()
    screen.print(question, style="bold")
    shown = table_of("", *((str(column), 0, "left") for column in found.shown.columns))
    for row in found.shown.itertuples(index=False):
        shown.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    screen.print(shown)
    screen.print(f"\n{found.finding}\n")
    screen.print(f"charts: {folder}/charts   table: {folder}/table.csv", soft_wrap=True)
