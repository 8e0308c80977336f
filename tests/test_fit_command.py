"""`edasim fit`: lines that a scenario takes as they are printed, and one line for what is wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from experiments import fit
from experiments.lab.charts import fits
from experiments.lab.commands.fit import app
from models import System

SYSTEM = {
    "name": "s",
    "run": {"duration": "1h"},
    "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 1}}},
    "consumers": {"payment": {"topic": "t", "service": "10ms"}},
}
Fit = Callable[..., Result]


@pytest.fixture
def edasim_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """The command, in an empty folder with data of each kind."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    pd.DataFrame({"latency_ms": rng.gamma(2, 20, 300)}).to_csv("latency.csv", index=False)
    pd.DataFrame({"latency_ms": rng.gamma(2, 20, 300)}).to_parquet("latency.parquet", index=False)
    starts = 1.7e9 + np.cumsum(rng.exponential(3000, 20) + 900)
    times = {"start": pd.to_datetime(starts, unit="s"), "end": pd.to_datetime(starts + rng.uniform(60, 600, 20), unit="s")}
    pd.DataFrame(times).to_csv("pages.csv", index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    lag = np.r_[np.zeros(10), np.arange(1, 11) * 500.0, np.arange(40, -1, -1) * 120.0]
    pd.DataFrame({"time": np.arange(61) * 10, "arrivals": 50, "lag": lag}).to_csv("lag.csv", index=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def pasted(printed: str, begin: str) -> str:
    return next(line for line in printed.splitlines() if line.startswith(begin))


@pytest.mark.parametrize("file", ["latency.csv", "latency.parquet"])
def test_a_column_of_durations_becomes_the_service_of_a_consumer(edasim_fit: Fit, file: str, tmp_path: Path) -> None:
    result = edasim_fit("service", file, "--column", "latency_ms", "--unit", "ms")
    assert result.exit_code == 0
    line = tomllib.loads(pasted(result.stdout, "service = "))
    system = System.from_dict({**SYSTEM, "consumers": {"payment": {"topic": "t", **line}}})
    assert 0.03 < system.consumers["payment"].service.mean < 0.05
    out = tmp_path / "edasim-out" / "fit-latency"
    assert (out / "paste.toml").read_text() == pasted(result.stdout, "service = ") + "\n"
    assert {path.name for path in (out / "charts").iterdir()} == {"quantiles.png", "quantiles.svg"}
    assert pd.read_csv(out / "service.csv")["seconds"].mean() == pytest.approx(0.04, rel=0.2)
    for law in ("gamma", "lognormal", "exponential", "data"):
        assert re.search(rf"^{law} ", result.stdout, re.MULTILINE)


def test_incidents_become_a_fault(edasim_fit: Fit) -> None:
    words = ("incidents", "pages.csv", "--target", "consumers.payment[0]", "--from", "2023-11-14", "--to", 1.71e9)
    result = edasim_fit(*words)
    assert result.exit_code == 0, result.output
    tables = re.findall(r"^\[\[faults\]\]\n(?:.+\n)+", result.stdout, re.MULTILINE)
    assert len(tables) == 2
    (fault,) = System.from_dict({**SYSTEM, **tomllib.loads(tables[0])}).faults
    assert fault.time_to_failure is not None
    (again,) = System.from_dict({**SYSTEM, **tomllib.loads(tables[1])}, "edasim-out/fit-pages").faults
    assert len(again.windows) == 20


def test_lag_becomes_a_trace_and_a_capacity(edasim_fit: Fit) -> None:
    result = edasim_fit("lag", "lag.csv", "--workers", 3, "--out", "made")
    assert result.exit_code == 0, result.output
    assert "capacity 62 /s" in result.stdout
    lines = {**tomllib.loads(pasted(result.stdout, "arrivals = ")), **tomllib.loads(pasted(result.stdout, "service = "))}
    producers = {"p": {"topic": "t", "arrivals": lines["arrivals"]}}
    assert len(System.from_dict({**SYSTEM, "producers": producers}, "made").producers["p"].arrivals.times) == 30_000
    assert lines["service"] == "48.39ms"


def test_the_same_command_gives_the_same_bytes_again(edasim_fit: Fit, tmp_path: Path) -> None:
    def bytes_of_all() -> dict[str, bytes]:
        assert edasim_fit("lag", "lag.csv", "--out", "made").exit_code == 0
        return {path.name: path.read_bytes() for path in (tmp_path / "made").rglob("*") if path.is_file()}

    assert bytes_of_all() == bytes_of_all()


WRONG: dict[str, tuple[str, list[str]]] = {
    "no file": ("service none.csv --column x", ["none.csv: there is no such file"]),
    "column": (
        "service latency.csv --column latncy_ms",
        ["latency.csv: latncy_ms: there is no such column", 'did you mean "latency_ms"'],
    ),
    "column of parquet": ("service latency.parquet --column x", ["latency.parquet: x: there is no such column"]),
    "unit": ("service latency.csv --column latency_ms --unit sec", ['--unit: found "sec"', '"ms"']),
    "field": ("service latency.csv --column latency_ms --field a.b", ['--field: found "a.b"']),
    "ending": ("service notes.txt --column x", ['notes.txt: found the ending ".txt"', '".csv"']),
    "a word": ("service word.csv --column x", ['word.csv: x: row 2 holds "slow"', "a finite number from 0 on"]),
    "negative": ("service negative.csv --column x", ['negative.csv: x: row 3 holds "-1"', "from 0 on"]),
    "few": ("service few.csv --column x", ["few.csv: x: found 3 values; at least 10 are needed"]),
    "empty": ("service empty.csv --column x", ["empty.csv: x: there is no such column; there is none"]),
    "header alone": ("service header.csv --column x", ["header.csv: x: holds no rows"]),
    "ragged": ("service ragged.csv --column x", ["ragged.csv: row 2 has 1 cells; the header has 2"]),
    "no parquet": ("service broken.parquet --column x", ["broken.parquet: cannot be read as Parquet"]),
    "no text": ("service binary.csv --column x", ["binary.csv: cannot be read as CSV"]),
    "no end": ("incidents few.csv", ["few.csv: start: there is no such column"]),
    "time": ("incidents times.csv", ['times.csv: end: row 1 holds "noon"', "ISO timestamp"]),
    "from": ("incidents pages.csv --from noon", ['--from: found "noon"', "ISO timestamp"]),
    "late from": ("incidents pages.csv --from 2024-01-01", ["pages.csv: row 1 starts at", "before the observation"]),
    "target": ("incidents pages.csv --target topics.t", ["pages.csv: target: found", '"consumers.NAME"']),
    "meaning": ("lag lag.csv --arrivals-as rates", ['--arrivals-as: found "rates"', 'did you mean "rate"']),
    "order": ("lag backwards.csv", ['backwards.csv: time: row 2 holds "5"', "later than the row before"]),
    "out": ("lag lag.csv --out notes.txt", ["--out: notes.txt is a file"]),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG.keys())
def test_bad_input_ends_with_one_line_status_2_and_no_output(
    edasim_fit: Fit, words: str, said: list[str], tmp_path: Path
) -> None:
    for name, text in {
        "notes.txt": "x", "word.csv": "x\n1\nslow\n", "negative.csv": "x\n1\n2\n-1\n", "few.csv": "x\n1\n2\n3\n",
        "empty.csv": "", "header.csv": "x\n", "ragged.csv": "x,y\n1,2\n3\n",
        "broken.parquet": "no", "times.csv": "start,end\n1,noon\n",
        "backwards.csv": "time,arrivals,lag\n9,1,1\n5,1,1\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.csv").write_bytes(b"x\n\xff\xfe\n")
    before = sorted(tmp_path.iterdir())
    result = edasim_fit(*words.split())
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    for part in said:
        assert part in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_charts_tell_the_finding() -> None:
    rng = np.random.default_rng(1)
    gamma = fit.service(rng.gamma(2, 0.02, 400))
    assert fits.quantiles(gamma).get_title(loc="left").startswith("service: gamma fits best (p99 ")
    assert len(fits.quantiles(gamma).lines) == 4  # three laws and the diagonal
    two = fit.service(np.where(rng.random(900) < 0.3, rng.normal(1, 0.05, 900), rng.normal(0.1, 0.01, 900)))
    assert "no law fits" in fits.quantiles(two).get_title(loc="left")
    assert len(fits.quantiles(fit.service([0.25] * 12)).lines) == 2
