"""`edasim profile`: what a broker product does where a scenario says nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.lab.commands.options import BadOptionError, problems_reported


def profile(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A profile; without it, they are listed.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print all of them as a page of documentation.")] = False,
) -> None:
    """List the profiles of broker products, or print one: each value with its setting's name and source."""
    with problems_reported():
        from experiments.lab.console import console
        from experiments.lab.profiles import page, show_profile, show_profiles
        from models.errors import nearest, one_of
        from models.profiles import NEWEST, PROFILES

        screen, known = console(), [*NEWEST, *PROFILES]
        if markdown and name is not None:
            raise BadOptionError(f"{name}: --markdown prints all profiles, without a name")
        if markdown:
            screen.print(page(), soft_wrap=True, end="")
        elif name is None:
            show_profiles(screen)
        elif name in known:
            show_profile(screen, name)
        else:
            close = nearest(name, known)
            raise BadOptionError(f"{name}: no such profile; {f'did you mean {close}?' if close else one_of(known)}")
