"""`edasim fit`: the lines of a scenario from measured data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.lab.commands.options import BadOptionError, OutOption, folder_of, problems_reported

if TYPE_CHECKING:
    from experiments.lab.fit import Comparison, Incidents, Lag

UNITS = ("ns", "us", "ms", "s", "m", "min", "h", "d", "w")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A .csv file with a header, or a .parquet file.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all chance.")]

app = typer.Typer(
    help="Fit distributions, faults and arrivals to measured data.",
    epilog="Example: [bold]edasim fit service latencies.csv --column ms --unit ms[/bold]",
    no_args_is_help=True,
)


@app.command(epilog="Example: [bold]edasim fit service latencies.csv --column ms --unit ms[/bold]")
def service(
    file: FileArgument,
    column: Annotated[str, typer.Option("--column", help="The column of durations.")],
    unit: Annotated[str, typer.Option("--unit", help=f"Unit of the column: {', '.join(UNITS)}.")] = "s",
    field: Annotated[str, typer.Option("--field", help="What to call it in the line to paste.")] = "service",
    seed: SeedOption = 1,
    out: OutOption = None,
) -> None:
    """Fit every distribution of the format to a column of durations."""
    with _bad_data_reported():
        from experiments.lab import fit
        from experiments.lab.fit.showing import show_comparison
        from simulator.units import parse_duration

        _refuse_unknown("--unit", unit, UNITS)
        _refuse_odd(field)
        values = fit.read_durations(file, column, parse_duration(f"1{unit}"))
        folder = folder_of(f"fit-{file.stem}", out)
        with _named(file, column):
            found = fit.service(values, field, seed)
        _write(found, f"{file.name}, column {column}", folder, seed)
        show_comparison(_screen(), found)
        _say_where(folder)


@app.command(epilog="Example: [bold]edasim fit incidents pages.csv --target 'consumers.payment[0]' --from 2024-01-01[/bold]")
def incidents(
    file: FileArgument,
    target: Annotated[str, typer.Option("--target", help="The component that failed.")] = "consumers.NAME",
    kind: Annotated[str | None, typer.Option("--kind", help="crash, stop, pause or outage.", show_default="by target")] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Start of the observation.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End of the observation.")] = None,
    seed: SeedOption = 1,
    out: OutOption = None,
) -> None:
    """Fit times to failure and to repair to incidents: columns start and end, in seconds or as ISO timestamps."""
    with _bad_data_reported():
        from experiments.lab import fit
        from experiments.lab.fit.showing import show_incidents

        starts, ends = fit.read_incidents(file)
        first, last = _instant("--from", since), _instant("--to", until)
        folder = folder_of(f"fit-{file.stem}", out)
        kind = kind or ("outage" if target.startswith("dependencies") else "crash")
        with _named(file):
            found = fit.incidents(starts, ends, since=first, until=last, target=target, kind=kind, seed=seed)
        _write(found, file.name, folder, seed)
        show_incidents(_screen(), found)
        _say_where(folder)


@app.command(epilog="Example: [bold]edasim fit lag lag.json --arrivals offsets.json --arrivals-as total --workers 8[/bold]")
def lag(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Range query (.json), or .csv with time, arrivals, lag.")],
    arrivals: Annotated[Path | None, typer.Option("--arrivals", help="Range query of arrivals (.json).")] = None,
    arrivals_as: Annotated[str, typer.Option("--arrivals-as", help="rate (per s), count (per interval) or total.")] = "rate",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Instances times concurrency of the group.")] = 1,
    saturated_above: Annotated[
        float | None, typer.Option("--saturated-above", min=0, help="Lag that kept it busy.", show_default="from the data")
    ] = None,
    seed: SeedOption = 1,
    out: OutOption = None,
) -> None:
    """Make a trace of arrivals, and estimate the capacity of a consumer group from its lag."""
    with _bad_data_reported():
        from experiments.lab import fit
        from experiments.lab.fit.showing import show_lag

        meaning = _refuse_unknown("--arrivals-as", arrivals_as, ("rate", "count", "total"))
        observed = fit.read_lag(file, arrivals, meaning)
        folder = folder_of(f"fit-{file.stem}", out)
        with _named(file):
            found = fit.lag(observed, workers, saturated_above, seed)
        _write(found, file.name, folder, seed)
        show_lag(_screen(), found)
        _say_where(folder)


@contextmanager
def _bad_data_reported() -> Iterator[None]:
    """Bad data are bad input: one line, status 2."""
    from experiments.lab.fit import BadDataError

    with problems_reported():
        try:
            yield
        except BadDataError as bad:
            raise BadOptionError(str(bad)) from None


@contextmanager
def _named(file: Path, column: str = "") -> Iterator[None]:
    """What is wrong with values is told with the file and column that they are from."""
    from experiments.lab.fit import BadDataError

    try:
        yield
    except BadDataError as bad:
        raise BadOptionError(": ".join(part for part in (str(file), column, str(bad)) if part)) from None


def _refuse_unknown(option: str, value: str, known: tuple[str, ...]) -> Any:
    """The value, one of the `known`."""
    from models.errors import nearest, one_of, shown

    if value not in known:
        close = nearest(value, known)
        hint = f'; did you mean "{close}"?' if close else ""
        raise BadOptionError(f"{option}: found {shown(value)}; {one_of(known)}{hint}")
    return value


def _refuse_odd(field: str) -> None:
    from models.errors import shown

    if not field.isidentifier():
        raise BadOptionError(f"--field: found {shown(field)}; must be a field of the format, such as service or latency")


def _instant(option: str, text: str | None) -> float | None:
    from experiments.lab.fit.reading import instant
    from models.errors import shown

    try:
        return None if text is None else instant(text)
    except ValueError:
        raise BadOptionError(f"{option}: found {shown(text)}; must be seconds or an ISO timestamp") from None


def _screen() -> Any:
    from experiments.lab.console import console

    return console()


def _write(found: Comparison | Incidents | Lag, source: str, folder: Path, seed: int) -> None:
    """Tables, data, charts and the lines to paste, whole or not at all."""
    from experiments.lab.fit.saving import write_fit

    try:
        write_fit(found, source, folder, seed)
    except OSError as failed:
        raise BadOptionError(f"--out: {failed}") from failed


def _say_where(folder: Path) -> None:
    _screen().print(f"\ncharts: {folder}/charts   lines, tables and the files that lines name: {folder}", soft_wrap=True)
