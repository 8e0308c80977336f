"""What a finished chaos campaign prints: the schedules by damage, and what is enough to break the system."""

from __future__ import annotations

from textwrap import fill

from rich.console import Console
from rich.text import Text

from experiments.lab.campaign import Campaign, in_violation, lost, recovery
from experiments.lab.console import COLOURS, counted, table_of
from experiments.lab.fault_words import changes, what
from simulator.units import format_duration

MOST_SHOWN = 20

TAKEN = 52
"""Characters of a line that numbers take."""


def show_campaign(screen: Console, campaign: Campaign, out: str, drawn: bool = True) -> None:
    """Print ranking, what shrinking left and the finding; `out` is the folder of the files, with charts where `drawn`."""
    system = campaign.system
    screen.print(
        Text(f"{system.name}: {counted(len(campaign.ranked), 'schedule')} of {counted(campaign.faults, 'fault')}", "bold")
    )
    screen.print(f"each is one run of {format_duration(system.duration)} with the luck of seed {system.seed}, run 0")
    for hypothesis, told in zip(campaign.hypotheses, campaign.calm.told, strict=True):
        screen.print(f"hypothesis: {hypothesis.text} (without faults: {told})", soft_wrap=True)
    for text in campaign.left_out:
        screen.print(f"left out, for it does not hold without faults either: {text}", soft_wrap=True)
    screen.print()
    _ranking(screen, campaign)
    for each in campaign.ranked:
        if each.least:
            note = "" if each.whole else ", which was cut short"
            screen.print(Text(f"\nrank {each.rank}, shrunk{note}", "bold"))
            for change in changes(each.outcome.schedule, each.least):
                screen.print(f"  {change}", soft_wrap=True)
    screen.print()
    screen.print(Text(campaign.finding, "bold"))
    worst = f"worst: {out}/worst   " if campaign.files else ""
    screen.print(f"\n{f'charts: {out}/charts   ' if drawn else ''}{worst}tables: {out}", soft_wrap=True)


def _ranking(screen: Console, campaign: Campaign) -> None:
    columns = ("", 0, "right"), ("", 0, "left"), ("in violation", 0, "right"), ("lost", 0, "right"), ("recovery", 0, "right")
    table = table_of("", *columns, ("faults", 0, "left"))
    table.title = None
    for each in campaign.ranked[:MOST_SHOWN]:
        found = each.outcome
        verdict = "violated" if found.violated else "met"
        faults = (fill(what(fault), screen.width - TAKEN, subsequent_indent="  ") for fault in found.schedule)
        harm = in_violation(found), lost(found), recovery(found)
        table.add_row(str(each.rank), Text(verdict, COLOURS[verdict]), *harm, "\n".join(faults))
    screen.print(table)
    if len(campaign.ranked) > MOST_SHOWN:
        screen.print(f"and {len(campaign.ranked) - MOST_SHOWN} more in ranking.csv")
