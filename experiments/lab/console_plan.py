"""What a finished plan prints: every value that was tried, and the answer."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.lab.console import COLOURS
from experiments.lab.plan import Plan, measured, objective


def show_plan(screen: Console, plan: Plan, out: str, drawn: bool = True) -> None:
    """Print what was tried and the answer; `out` is the folder that holds the files, with charts where `drawn`."""
    screen.print(Text(f"{plan.system.name}: {plan.path}", "bold"))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for header in (plan.sizes.field, "runs", "", "objective", "mean (95 % interval)"):
        right = header in (plan.sizes.field, "runs")
        table.add_column(header, justify="right" if right else "left", header_style="dim", overflow="fold")
    for trial in plan.trials:
        value, runs = plan.sizes.text(trial.value), str(trial.result.runs)
        style = "bold" if trial.value == plan.value else ""
        for place, each in enumerate(trial.verdicts):
            verdict = Text(each.verdict, COLOURS[each.verdict])
            table.add_row(Text(value, style), runs, verdict, objective(each), measured(trial, place))
            value = runs = ""
    screen.print(table)
    screen.print()
    screen.print(Text(plan.answer, "bold"))
    screen.print(f"\n{f'charts: {out}/charts   ' if drawn else ''}tables: {out}", soft_wrap=True)
