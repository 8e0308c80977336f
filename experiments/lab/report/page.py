"""The page: sections in order, written whole or not at all."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from experiments.lab.report.folder import BadFolderError, Output, read_output
from experiments.lab.report.html import cell, folded, row_head, table, tag, text, toml
from experiments.lab.report.tables import (
    alert_tables,
    book_lines,
    comparison_tables,
    metric_tables,
    plan_table,
    ranking_table,
    shown,
    slo_table,
)
from models.toml import to_toml
from simulator.units import format_duration

MARK = '<!DOCTYPE html>\n<html lang="en">\n<meta name="generator" content="edasim report">\n'
"""How a page begins: only a file that begins so is ever replaced."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser may do with the page: no script, no request."""


def write_report(folder: Path, page: Path) -> Path:
    """Write what the output `folder` holds to the file `page`, and return it; the same folder gives the same bytes.

    Raises BadFolderError where `folder` is no whole output or `page` is somebody else's file, and OSError; what was there
    before stays then.
    """
    html = html_of(read_output(folder)).encode("utf-8", "replace")
    if page.exists() and not _is_report(page):
        raise BadFolderError(f"--out: {page} is there and is no report; give a new file")
    if not page.parent.is_dir():
        raise BadFolderError(f"--out: {page.parent} is no folder; an existing one is expected")
    with tempfile.TemporaryDirectory(prefix=".edasim-", dir=page.parent) as workshop:
        new = Path(workshop, "new")
        new.write_bytes(html)
        os.replace(new, page)
    return page


def _is_report(page: Path) -> bool:
    if not page.is_file():
        return False
    with page.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()


def html_of(output: Output) -> str:
    """The page as text."""
    style = resources.files("experiments.lab.report").joinpath("page.css").read_text("utf-8")
    name = text(output.manifest["scenario"]["name"])
    head = f"""<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: {output.kind}</title>
<style>
{style}</style>
"""
    return f"{MARK}{head}<main>\n{_heading(output)}{''.join(_sections(output))}</main>\n</html>\n"


def _heading(output: Output) -> str:
    scenario = output.manifest["scenario"]
    title = f"<h1>{text(scenario['name'])} {tag('small', output.kind)}</h1>"
    description = tag("p", text(scenario["description"]), class_="question") if scenario.get("description") else ""
    lines = [tag("p", text(line)) for line in (_circumstances(output), _compared(output)) if line]
    return f"<header>{title}\n{description}{''.join(lines)}</header>\n"


def _circumstances(output: Output) -> str:
    manifest, run = output.manifest, output.manifest["scenario"]["run"]
    duration, warmup = run.get("duration"), run.get("warmup")
    runs = _runs(output)
    each = {"run": "", "sweep": " for each combination", "comparison": " of each system", "plan": " to begin with"}
    each["chaos"] = f", each with a schedule of {_campaign(output).get('faults', '?')} faults"
    parts = [
        "1 run" if runs == "1" else f"{runs} runs",
        f"of {format_duration(duration)}" if isinstance(duration, int | float) else "",
        f"({format_duration(warmup)} of warm-up)" if isinstance(warmup, int | float) and warmup else "",
    ]
    return f"{' '.join(filter(None, parts))}{each[output.kind]}, seed {manifest['seed']}; edasim {manifest['version']}"


def _compared(output: Output) -> str:
    """What a comparison compares, as far as its manifest tells."""
    compared = output.manifest.get("comparison")
    if output.kind != "comparison" or not isinstance(compared, dict):
        return ""
    against = "each system with itself without faults" if compared.get("twin") else f"baseline: {compared.get('baseline')}"
    return f"{against}; varied: {compared['varied']}" if compared.get("varied") else against


def _runs(output: Output) -> str:
    """The replications as --runs takes them."""
    return shown(output.manifest.get("runs", output.manifest["scenario"]["run"].get("runs", "auto")))


def _sections(output: Output) -> Iterator[str]:
    yield _section("Finding", _finding(output))
    if output.slos:
        yield _section("Service levels", slo_table(output.slos))
    if output.alerts:
        yield _section("Alerts", alert_tables(output.alerts))
    if output.pictures:
        yield _section("Charts", _charts(output))
    if output.kind == "plan":
        yield _section("What was tried", plan_table(output.plan))
    if output.ranking:
        yield _section("Schedules by damage", ranking_table(output.ranking))
    if output.differences:
        yield _section("Differences", comparison_tables(output.differences))
    if output.rows:
        yield _section("Metrics", metric_tables(output))
    if output.books:
        yield _section("Books", tag("p", "Distinct events, summed over the runs.") + book_lines(output.books))
    yield _section("Scenario", folded("as it was used, with every default", toml(_scenario(output))))
    yield _section("How to repeat it", _repeating(output))


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{content}\n</section>\n"


def _finding(output: Output) -> str:
    """The answer of a plan, else what the first chart says; and the verdicts counted."""
    first = _answer(output) if output.kind == "plan" else next((picture.finding for picture in output.pictures), "")
    lines = [first, *_counted("service levels", (row["verdict"] for row in output.slos))]
    if not first:
        lines += _counted("differences", (each.verdict for each in output.differences))
    return "".join(tag("p", text(line), class_="finding") for line in lines if line) or tag("p", "See the tables.")


def _counted(name: str, verdicts: Iterable[str]) -> list[str]:
    counts = Counter(verdicts)
    return [f"{name}: {', '.join(f'{number} {word}' for word, number in counts.items())}"] if counts else []


def _answer(output: Output) -> str:
    path, value, answer = (output.plan.get(key) for key in ("path", "value", "answer"))
    if isinstance(answer, str):
        return answer
    if value is None:
        tried = ", ".join(shown(step["value"]) for step in output.plan["tried"])
        return f"No value of {path} that was tried meets the service levels ({tried})"
    return f"{path} = {shown(value)} meets the service levels"


def _charts(output: Output) -> str:
    figures = []
    for picture in output.pictures:
        image = f'<img src="{picture.uri}" alt="{text(picture.finding or picture.name)}">'
        figures.append(tag("figure", f"{image}<figcaption>{text(picture.name)}</figcaption>"))
    return "\n".join(figures)


def _scenario(output: Output) -> str:
    return to_toml({key: value for key, value in output.manifest["scenario"].items() if value not in ({}, [])})


def _repeating(output: Output) -> str:
    manifest = output.manifest
    versions = {"edasim": manifest["version"], "python": manifest.get("python", "–"), **manifest["packages"]}
    rows = ([row_head(name), cell(version)] for name, version in versions.items())
    parts = [tag("p", _given(output)), tag("pre", text(shlex.join(["edasim", *_words(output)])))]
    if output.kind == "comparison":
        parts.append(folded("manifest.json", tag("pre", text(json.dumps(manifest, indent=1, ensure_ascii=False)))))
    return "\n".join([*parts, folded("versions", table(("package", "version"), rows))])


def _given(output: Output) -> str:
    if output.kind == "comparison":
        return "With the <code>manifest.json</code> of the folder, which is also below:"
    return "With the scenario above saved as <code>scenario.toml</code>, or the <code>manifest.json</code> of the folder:"


def _words(output: Output) -> list[str]:
    """The words of the command after its name."""
    again = ["--runs", _runs(output), "--seed", str(output.manifest["seed"])]
    if output.kind == "comparison":
        return ["compare", "manifest.json", *again]
    return [output.kind, "scenario.toml", *_varied(output), *again]


def _campaign(output: Output) -> Mapping[str, Any]:
    """What a chaos campaign was asked for, as far as its manifest tells."""
    asked = output.manifest.get("chaos")
    return asked if isinstance(asked, dict) else {}


def _varied(output: Output) -> list[str]:
    """The options that name what was varied, as far as the tables tell."""
    if output.kind == "chaos":
        asked = _campaign(output)
        hypotheses = asked.get("hypotheses")
        options = [["--hypothesis", str(each)] for each in hypotheses] if isinstance(hypotheses, list) else []
        numbers = [[f"--{name}", shown(asked[name])] for name in ("faults", "worst") if name in asked]
        return list(itertools.chain(*numbers, *options))
    if output.kind == "plan":
        values = [step["value"] for step in output.plan["tried"]]
        sought = output.manifest.get("plan")
        ends = sought if isinstance(sought, dict) else {}
        low, high = ends.get("low", min(values)), ends.get("high", max(values))
        side = ["--largest" if output.plan["largest"] else "--smallest"] if "largest" in output.plan else []
        return ["--size", f"{output.plan['path']}={shown(low)}..{shown(high)}", *side]
    if output.kind != "sweep":
        return []
    cells = list(dict.fromkeys(tuple(row[path] for path in output.varied) for row in output.rows))
    columns = [list(dict.fromkeys(column)) for column in zip(*cells, strict=True)]
    grid = cells == list(itertools.product(*columns))
    listed = columns if grid else [list(column) for column in zip(*cells, strict=True)]
    options = [["--vary", f"{path}={','.join(values)}"] for path, values in zip(output.varied, listed, strict=True)]
    return [*itertools.chain(*options), *([] if grid else ["--zip"])]
