"""The page of an output folder: everything the folder holds, harmless, the same for the same folder, whole or not at all."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from typing import Any

import chromium
import pytest
from made_results import outage_result
from matplotlib.figure import Figure
from typer.testing import CliRunner

from experiments import charts, compare, plan, sweep
from experiments.lab import output
from experiments.lab.cli import app
from experiments.lab.report import BadFolderError, write_report
from experiments.lab.report.html import toml
from experiments.lab.report.pictures import finding_of
from experiments.lab.slos import Verdict
from models import System
from simulator.results import Measure, Result
from simulator.units import format_value

HOSTILE = "<script>alert('x')</script> & \"more\""

ELEMENTS = """html meta title style main header section h1 h2 h3 p small strong b i br span pre code figure img figcaption
    div table thead tbody tr th td details summary"""

SCENARIO = {"name": HOSTILE, "description": f"What {HOSTILE} costs", "run": {"duration": 2400.0}, "consumers": {}}

TINY = System.from_dict(
    {
        "name": "tiny",
        "run": {"duration": 20.0, "runs": 2, "seed": 3},
        "producers": {"web": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 10.0}}},
        "consumers": {"pay": {"topic": "orders", "service": "10ms"}},
        "slos": [{"component": "consumers.pay", "metric": "wait_mean", "below": "1s"}],
    }
)


def made_run() -> Result:
    """Two replications, one of their components with a name that is HTML."""
    result = outage_result(runs=2)
    odd = Measure(f"consumers.{HOSTILE}", "throughput", "1/s", 12.345)
    runs = tuple(replace(run, metrics=(*run.metrics, odd)) for run in result.measurements)
    return replace(result, name=HOSTILE, measurements=runs)


def drawn(result: Result) -> dict[str, Figure]:
    lag = charts.lag(result, "payment").figure
    assert isinstance(lag, Figure)
    return {"consumers.payment": lag, "overview": charts.overview(result)}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "out"
    verdict = Verdict(f"consumers.{HOSTILE}", "latency_p99", "s", "below 4 min", "violated", 250.0, 249.0, 251.0, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "figures", drawn)
        output.write_run(made_run(), SCENARIO, folder, [verdict])
    return folder


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of the run's folder, to break."""
    shutil.copytree(run_folder, tmp_path / "out")
    return tmp_path / "out"


def page_of(folder: Path) -> str:
    return write_report(folder, folder / "report.html").read_text("utf-8")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_page_of_a_run_holds_every_number_of_its_tables(folder: Path) -> None:
    page = page_of(folder)
    rows = rows_of(folder / "summary.csv")
    assert len(rows) == 16
    for row in rows:
        assert f'<th scope="row">{row["metric"]}</th>' in page
        for value in (row[column] for column in ("mean", "min", "median", "max", "std")):
            if value:
                shown = escape(format_value(float(value), row["unit"]))
                assert re.search(f'title="{re.escape(repr(float(value)))}"[^>]*>(≥ )?{re.escape(shown)}<', page), row
    for row in rows_of(folder / "books.csv"):
        if int(row["value"]):
            assert f"{row['term']} {int(row['value']):,}" in page
    assert page.count(">balanced<") == 2
    assert "below 4 min" in page
    assert "≥ 4 min 10 s" in page


def test_books_that_do_not_balance_are_said_not_to(folder: Path) -> None:
    text = (folder / "books.csv").read_text()
    (folder / "books.csv").write_text(text.replace("payment,processed,1980", "payment,processed,1979"))
    page = page_of(folder)
    assert (page.count(">balanced<"), page.count(">NOT BALANCED<")) == (1, 1)


def test_every_chart_is_in_the_page_with_its_finding_as_text(folder: Path) -> None:
    page = page_of(folder)
    found = re.findall(r'<img src="data:image/(?:png|svg\+xml);base64,[\w+/=]+" alt="([^"]*)">', page)
    findings = [finding_of((folder / "charts" / f"{name}.svg").read_bytes()) for name in ("overview", "consumers.payment")]
    assert [unescape(alt) for alt in found] == findings
    assert findings[1] == charts.lag(made_run(), "payment").get_title(loc="left").replace("\n", " ")
    assert findings[0].startswith("lag ")
    assert f'<p class="finding">{escape(findings[0])}</p>' in page


def test_the_smaller_picture_is_taken_and_one_without_svg_still_shown(folder: Path) -> None:
    sizes = {path.suffix: path.stat().st_size for path in (folder / "charts").glob("overview.*")}
    kinds = {".png": "png", ".svg": "svg+xml"}
    assert page_of(folder).partition('<img src="data:image/')[2].startswith(kinds[min(sizes, key=lambda kind: sizes[kind])])
    for path in (folder / "charts").glob("*.svg"):
        path.unlink()
    assert page_of(folder).count('<img src="data:image/png') == 2


def test_names_from_files_are_text_and_nothing_else(folder: Path) -> None:
    page = page_of(folder)
    assert "<script" not in page.lower()
    assert page.count(escape(HOSTILE)) >= 5
    assert set(re.findall(r"<(\w+)", page)) <= set(ELEMENTS.split())


def test_a_page_asks_for_nothing_from_outside(folder: Path) -> None:
    page = page_of(folder)
    assert "http://" not in page
    assert "https://" not in page
    assert set(re.findall(r'(?:src|href)="(\w+:)', page)) == {"data:"}
    assert "default-src 'none'" in page


def test_the_same_folder_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = write_report(folder, folder / "report.html").read_bytes()
    moved = folder.rename(tmp_path / "elsewhere")
    assert write_report(moved, moved / "report.html").read_bytes() == first


def test_a_page_says_how_to_repeat_the_run(folder: Path) -> None:
    page = page_of(folder)
    assert "edasim run scenario.toml --runs 2 --seed 7" in page
    assert '<b>[run]</b>\n<i>duration</i> = <span class="number">2400.0</span>' in page
    packages = json.loads((folder / "manifest.json").read_text())["packages"]
    assert all(f'<th scope="row">{name}</th><td>{version}</td>' in page for name, version in packages.items())


def test_toml_keeps_its_letters_when_it_is_coloured() -> None:
    lines = 'name = "a \\"b\\" <c> 1"\n\n[consumers.pay-2]\nservice = { dist = "gamma", mean = 1e-05 }\nbig = [-1, true]\n'
    coloured = toml(lines)
    assert unescape(re.sub("<[^>]+>", "", coloured)) == lines.rstrip("\n")
    assert '<span class="number">1e-05</span>' in coloured
    assert "<c>" not in coloured


def test_a_page_of_a_sweep_has_every_combination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "sweep_figures", lambda *_: {})
    varied = {"consumers.pay.instances": [1, 2], "consumers.pay.service": ["10ms", "20ms"]}
    sweep(TINY, varied, jobs=1, out=tmp_path)
    page = page_of(tmp_path)
    rows = rows_of(tmp_path / "sweep.csv")
    assert len({(row["consumers.pay.instances"], row["consumers.pay.service"]) for row in rows}) == 4
    for row in rows:
        if row["mean"]:
            assert f'title="{float(row["mean"])!r}"' in page
    options = "--vary consumers.pay.instances=1,2 --vary consumers.pay.service=10ms,20ms --runs 2 --seed 3"
    assert f"edasim sweep scenario.toml {options}" in page


def test_values_that_went_together_are_repeated_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "sweep_figures", lambda *_: {})
    sweep(TINY, {"consumers.pay.instances": [1, 2], "topics.orders.partitions": [4, 8]}, jobs=1, out=tmp_path, zipped=True)
    assert "--vary consumers.pay.instances=1,2 --vary topics.orders.partitions=4,8 --zip" in page_of(tmp_path)


def test_a_page_of_a_comparison_has_every_difference_and_verdict(tmp_path: Path) -> None:
    other = {name: TINY.with_({"consumers.pay.service": value}) for name, value in (("slow", "40ms"), ("<b>", "10ms"))}
    comparison = compare(TINY, other, jobs=1)
    output.write_comparison(comparison, tmp_path / "out", drawn=False)
    page = page_of(tmp_path / "out")
    for row in comparison.rows:
        assert f">{escape(row.change)}<" in page
        assert f'<th scope="row">{escape(row.name)}</th><td class="verdict {row.verdict}">{row.verdict}</td>' in page
    assert "differences: " in page
    assert "edasim compare manifest.json --runs 2 --seed 3" in page
    assert "<b></th>" not in page


def test_a_page_of_a_plan_has_every_value_that_was_tried(tmp_path: Path) -> None:
    found = plan(TINY, {"consumers.pay.instances": (1, 3)}, jobs=1)
    output.write_plan(found, tmp_path / "out", drawn=False)
    page = page_of(tmp_path / "out")
    for trial in found.trials:
        assert f'<th scope="row">{trial.value}</th><td class="verdict met">met</td>' in page
    assert escape(found.answer) in page
    assert "--size consumers.pay.instances=1..3" in page


def test_a_plan_without_an_answer_says_so(folder: Path) -> None:
    step = {"value": 4, "met": False, "slos": [{"component": "c", "metric": "m", "verdict": "undecided", "mean": None}]}
    (folder / "plan.json").write_text(json.dumps({"path": "a.b", "value": None, "met": False, "tried": [step]}))
    page = page_of(folder)
    assert "No value of a.b that was tried meets the service levels (4)" in page
    assert "c m : undecided, no value" in page


def without(column: str) -> Callable[[Path], Any]:
    def damage(folder: Path) -> None:
        rows = rows_of(folder / "summary.csv")
        with (folder / "summary.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [name for name in rows[0] if name != column], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)

    return damage


def written(name: str, content: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(content)


def removed(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (removed("manifest.json"), "manifest.json: no such file"),
        (written("manifest.json", "{"), "manifest.json: not JSON"),
        (written("manifest.json", "[" * 100_000), "manifest.json: not JSON"),
        (written("manifest.json", "[1]"), "manifest.json: not a JSON object"),
        (written("manifest.json", '{"scenario": 1}'), "manifest.json: scenario is missing or broken"),
        (removed("summary.csv"), "holds none of plan.json, comparison.csv, ranking.csv, sweep.csv, summary.csv"),
        (removed("books.csv"), "books.csv: no such file"),
        (removed("slos.csv"), "slos.csv: no such file"),
        (without("mean"), "summary.csv: the column mean is missing"),
        (written("slos.csv", ""), "slos.csv: the column component is missing"),
        (written("books.csv", "component,term,value\na,b,many\n"), "books.csv, line 2: could not convert"),
        (written("books.csv", "component,term,value\na,b\n"), "books.csv, line 2: as many fields"),
        (written("books.csv", "component,term,value\na,b,1,2\n"), "books.csv, line 2: as many fields"),
        (written("plan.json", '{"path": "a", "tried": [{"value": 1}]}'), "plan.json: expected are path"),
        (written("report.html", "mine"), "report.html is there and is no report"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_with_the_file_and_what_is_expected(
    folder: Path, damage: Callable[[Path], Any], message: str
) -> None:
    damage(folder)
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(BadFolderError, match=re.escape(message)):
        write_report(folder, folder / "report.html")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_command_writes_the_page_into_the_folder_or_where_it_is_told(folder: Path, tmp_path: Path) -> None:
    for options, page in (([], folder / "report.html"), (["--out", str(tmp_path / "it.html")], tmp_path / "it.html")):
        done = CliRunner().invoke(app, ["report", str(folder), *options])
        assert (done.exit_code, done.stdout) == (0, f"report: {page}\n")
        assert page.read_text("utf-8").endswith("</html>\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder; a folder that edasim run"),
        (["file"], "file: is a file"),
        (["empty"], "manifest.json: no such file"),
        (["out", "--out", "missing/page.html"], "missing is no folder"),
        (["out", "--out", "file"], "file is there and is no report"),
        (["out", "--out", "empty"], "empty is there and is no report"),
    ],
)
def test_bad_input_is_status_2_and_leaves_everything_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("file").write_text("mine")
    Path("empty").mkdir()
    before = sorted(Path().rglob("*"))
    done = CliRunner().invoke(app, ["report", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr
    assert sorted(Path().rglob("*")) == before
    assert Path("file").read_text() == "mine"


looked_at = pytest.mark.skipif(chromium.browser() is None, reason="Chromium is not installed: the page was not looked at")


@looked_at
def test_chromium_shows_every_image_without_an_error_or_a_request(folder: Path) -> None:
    page = write_report(folder, folder / "report.html")
    assert chromium.complaints(page, images=2) == []


def of_a_sweep(out: Path) -> None:
    sweep(TINY, {"consumers.pay.instances": [1, 2]}, jobs=1, out=out)


def of_a_comparison(out: Path) -> None:
    output.write_comparison(compare(TINY, {"slow": TINY.with_({"consumers.pay.service": "40ms"})}, jobs=1), out)


def of_a_plan(out: Path) -> None:
    output.write_plan(plan(TINY, {"consumers.pay.instances": (1, 3)}, jobs=1), out)


@looked_at
@pytest.mark.parametrize("made", [of_a_sweep, of_a_comparison, of_a_plan], ids=lambda made: made.__name__)
def test_chromium_shows_every_kind_of_page(made: Callable[[Path], None], tmp_path: Path) -> None:
    made(tmp_path / "out")
    page = write_report(tmp_path / "out", tmp_path / "report.html")
    drawn = len(list((tmp_path / "out" / "charts").glob("*.svg")))
    assert drawn > 0
    assert chromium.complaints(page, images=drawn) == []


@looked_at
def test_chromium_finds_what_is_wrong_with_a_page(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        '<!DOCTYPE html><html><img src="data:image/png;base64,AAAA"><img src="http://127.0.0.1:9/x.png">'
        "<script>console.error('ouch')</script><div style='width: 2000px'>wide</div></html>"
    )
    found = "\n".join(chromium.complaints(page, images=3))
    for text in ("image 0 is not shown", "image 1 is not shown", "127.0.0.1:9", '"ouch"', "2 images, not 3", "wider"):
        assert text in found
