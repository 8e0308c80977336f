"""`edasim presets`: the policies that libraries ship, by name."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.lab.commands.options import BadOptionError, problems_reported


def presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A preset; without it, they are listed.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print all of them as a page of documentation.")] = False,
) -> None:
    """List the presets of policies, or print one: its values, the library's own counting, and its source."""
    with problems_reported():
        from experiments.lab.console import console
        from experiments.lab.presets import page, show_preset, show_presets
        from models.errors import nearest, one_of
        from models.presets import LIBRARIES

        screen = console()
        if markdown and name is not None:
            raise BadOptionError(f"{name}: --markdown prints all presets, without a name")
        if markdown:
            screen.print(page(), soft_wrap=True, end="")
        elif name is None:
            show_presets(screen)
        elif name in LIBRARIES:
            show_preset(screen, name)
        else:
            close = nearest(name, LIBRARIES)
            raise BadOptionError(f"{name}: no such preset; {f'did you mean {close}?' if close else one_of(LIBRARIES)}")
