"""The command line `edasim`.

Exit status: 0 done, 1 an objective was violated and `--fail-on-slo` was given, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

import typer

from experiments.lab.commands import chaos, check, compare, experiment, fit, plan, presets, profile, report, run, sweep

app = typer.Typer(
    help="What happens to an event-driven system when parts of it fail.",
    epilog="Example: [bold]edasim run orders[/bold]",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _add(command: Callable[..., Any], example: str) -> None:
    app.command(epilog=f"Example: [bold]{example}[/bold]")(command)


_add(run.run, "edasim run orders --set consumers.payment.breaker.on_open=fail")
_add(report.report, "edasim report edasim-out/orders")
_add(sweep.sweep, "edasim sweep orders --vary consumers.payment.instances=8,12,16 --set run.duration=20m --runs 4")
_add(compare.compare, "edasim compare orders --vary consumers.payment.retry.max_attempts=3,5")
_add(plan.plan, "edasim plan orders --size consumers.payment.instances=2..24")
_add(chaos.chaos, "edasim chaos broker-failover --faults 2 --runs 4 --hypothesis 'system:loss_rate<0.0001'")
_add(experiment.experiment, "edasim experiment retry_policies --quick")
_add(check.check, "edasim check orders")
_add(check.schema, "edasim schema > scenario.schema.json")
_add(profile.profile, "edasim profile kafka-3")
_add(presets.presets, "edasim presets resilience4j")
app.add_typer(fit.app, name="fit")


def main() -> None:
    """The entry point of `edasim`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show "≥" shows "?"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.unraisablehook = _unraisable
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")
    try:
        app()
    except SystemExit as ended:
        if isinstance(ended.__context__, typer.Abort):  # interrupted before the command had begun
            sys.exit(130)
        raise


def _unraisable(dropped: sys.UnraisableHookArgs) -> None:
    """An interrupt that came where Python drops exceptions, as in a weak reference's callback, comes again at once."""
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(dropped)
