"""A run as OpenMetrics text: what Prometheus' tools read, with the values of the run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from played import fault
from prometheus_client.openmetrics import parser
from typer.testing import CliRunner

from experiments.lab.cli import app
from experiments.lab.exposition import DEFAULT_START, exposition
from experiments.lab.exposition.watching import points
from experiments.lab.exposition.writing import refusal, start_of
from models import System
from simulator import replicate

Samples = dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]
"""(seconds of the run, value) by labels."""

Shown = tuple[System, str, dict[str, Samples]]

TERMS = {
    "kafka": {"commit": "record", "batch": 5},
    "rabbitmq": {"prefetch": 2},
    "sqs": {"visibility_timeout": 5.0, "poll_wait": 1.0},
}


def busy(profile: str) -> System:
    """Everything that is exposed: retries, dead letters, breakers, a dependency, alerts, two replicated partitions of a log."""
    return System.from_dict(
        {
            "name": "busy",
            "run": {"duration": 600.0, "runs": 1},
            "broker": {"profile": profile, **({"nodes": 3, "replication_factor": 3} if profile == "kafka" else {})},
            "topics": {"t": {"partitions": 2}} if profile == "kafka" else {},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 2.0}, "poison": 0.05}},
            "dependencies": {"gateway": {"latency": {"dist": "exponential", "mean": 0.2}, "concurrency": 2}},
            "consumers": {
                "c": {
                    "topic": "t",
                    "instances": 2,
                    "service": 0.05,
                    "transient_failure": 0.1,
                    "dependencies": ["gateway"],
                    "breaker": {"size": 4, "minimum_calls": 3, "open_for": 5.0, "half_open_calls": 2},
                    "redelivery": {"max_deliveries": 3, "base": 1.0},
                    "dead_letter": {"topic": "letters"},
                    **TERMS[profile],
                }
            },
            "faults": [fault("outage", 200.0, 60.0, "dependencies.gateway"), fault("crash", 400.0, 20.0, "consumers.c[0]")],
            "alerts": [
                {"name": 'behind "it"\\n\n', "component": "consumers.c", "metric": "lag", "above": 10, "for": 5.0},
                {"name": "failing", "component": "consumers.c", "metric": "error_rate", "above": 0.3},
            ],
        }
    )


@pytest.fixture(scope="module", params=list(TERMS))
def shown(request: pytest.FixtureRequest) -> Shown:
    """A system, the text, and what a reader makes of it."""
    system = busy(request.param)
    text = exposition(system, seed=3)
    return system, text, read(text)


def read(text: str, start: int = DEFAULT_START) -> dict[str, Samples]:
    """By family, as a strict reader of OpenMetrics understands the text."""
    found: dict[str, Samples] = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            series = found.setdefault(sample.name, {}).setdefault(tuple(sorted(sample.labels.items())), [])
            series.append((float(sample.timestamp) - start, float(sample.value)))
    return found


def only(samples: Samples) -> np.ndarray:
    """The values of the only series."""
    (series,) = samples.values()
    return np.array([value for _, value in series])


def test_the_values_are_those_of_the_series_of_the_first_replication(shown: Shown) -> None:
    system, _, found = shown
    (left,) = replicate(system, runs=1, seed=3).measurements
    for metric in ("lag", "lag_seconds", "lag_waiting", "dead_letters"):
        (series,) = found[f"edasim_{metric}"].values()
        assert [time for time, _ in series] == left.times.tolist()
        assert [value for _, value in series] == left.series["consumers.c", metric].tolist()
    rates = {"available": "arrivals", "consumed": "throughput", "attempts": "attempts", "failures": "failures"}
    for counter, rate in rates.items():
        counted = np.diff(only(found[f"edasim_{counter}_total"]))
        assert counted == pytest.approx(left.series["consumers.c", rate][1:] * left.times[1])
        assert (counted >= 0).all()
    assert np.diff(only(found["edasim_produced_total"])) == pytest.approx(left.series["producers.p", "produced"][1:])
    assert only(found["edasim_dependency_busy"]).tolist() == left.series["dependencies.gateway", "busy"].tolist()
    opened = [values for labels, values in found["resilience4j_circuitbreaker_state"].items() if ("state", "open") in labels]
    share = np.mean([[value for _, value in values] for values in opened], axis=0)
    assert share.tolist() == left.series["consumers.c", "breaker_open"].tolist()


def test_what_the_broker_shows_adds_up(shown: Shown) -> None:
    system, _, found = shown
    if system.broker.profile == "kafka":
        offsets = found["kafka_topic_partition_current_offset"]
        assert len(offsets) == 2
        ends = sum(np.array(series)[:, 1] for series in offsets.values())
        # A record can be read once it is replicated, 2 ms after it was appended.
        assert set(ends - only(found["edasim_available_total"])) <= {0, 1}
        for labels, series in found["kafka_consumergroup_lag"].items():
            own = np.array(offsets[tuple(pair for pair in labels if pair[0] != "consumergroup")])[:, 1]
            committed = np.array(found["kafka_consumergroup_current_offset"][labels])[:, 1]
            assert np.array(series)[:, 1].tolist() == (own - committed).tolist()
        assert {value for series in found["kafka_topic_partition_in_sync_replica"].values() for _, value in series} == {3}
        return
    stem = "aws_sqs_approximate_number_of_messages"
    names = {"rabbitmq": ("rabbitmq_queue_messages_ready", "rabbitmq_queue_messages_unacked")}
    ready, handed = names.get(system.broker.profile, (f"{stem}_visible_average", f"{stem}_not_visible_average"))
    held = only(found[ready]) + only(found[handed])
    waiting = only(found["edasim_lag_waiting"]) if system.broker.profile == "rabbitmq" else 0.0
    # A message can be in a queue without being in lag: it has had its effect, and is not acknowledged yet.
    assert (held >= only(found["edasim_lag"]) - waiting).all()
    assert (held <= only(found["edasim_lag"]) + 4).all()


def test_both_formats_of_prometheus_allow_every_line(shown: Shown) -> None:
    lines = shown[1].split("\n")
    assert lines[-2:] == ["# EOF", ""]
    sample = re.compile(r'[a-zA-Z_]\w*(\{[a-z_]\w*="([^"\\\n]|\\[\\"n])*"(,[a-z_]\w*="([^"\\\n]|\\[\\"n])*")*\})? \S+ \d+')
    about: list[str] = []
    for line in lines[:-2]:
        comment = re.fullmatch(r"# (HELP|TYPE|UNIT) (\w+) \S.*", line)
        assert comment or sample.fullmatch(line), line
        name = comment[2] if comment else re.split("[{ ]", line)[0]
        if not about or about[-1] != name:
            assert comment, f"{name} has no HELP"
            assert comment[1] == "HELP", line
            assert name not in about, f"{name} comes twice"
            about.append(name)
        elif comment:
            assert (comment[1] == "UNIT") <= name.endswith(f"_{line.split()[-1]}")
            assert (comment[1] == "TYPE") <= (line.endswith(" gauge") and not name.endswith("_total"))


def test_promtool_takes_the_text(shown: Shown, tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool (Debian's package prometheus) is not installed")
    (tmp_path / "run.om").write_text(shown[1])
    checked = subprocess.run(["promtool", "check", "metrics"], input=shown[1], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "run.om"), str(tmp_path / "data")]
    assert subprocess.run(blocks, capture_output=True, check=False).returncode == 0
    assert list((tmp_path / "data").iterdir())


def paused(**terms: object) -> System:
    """One event a second from 1 s on, half a second of work each, and a consumer that stands still from 10 to 20 s."""
    return System.from_dict(
        {
            "name": "paused",
            "run": {"duration": 40.0, "runs": 2},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 1.0}}},
            "consumers": {"c": {"topic": "t", "service": 0.5, **terms}},
            "faults": [fault("pause", 10.0, 10.0)],
            "alerts": [{"name": "a", "component": "consumers.c", "metric": "lag", "above": 3, "for": 4.0}],
        }
    )


def test_a_queue_shows_what_is_ready_and_what_is_handed_out() -> None:
    found = read(exposition(paused(prefetch=2), seed=1))
    ready, unacked = only(found["rabbitmq_queue_messages_ready"]), only(found["rabbitmq_queue_messages_unacked"])
    # Event n arrives at n s; from 10 s on nothing is acknowledged, and two are handed out.
    assert [ready[n] for n in (9, 10, 11, 12, 15)] == [0, 0, 0, 1, 4]
    assert [unacked[n] for n in (9, 10, 11, 12, 15)] == [1, 1, 2, 2, 2]
    assert only(found["rabbitmq_queue_messages"]).tolist() == (ready + unacked).tolist()
    assert only(found["edasim_latency_seconds_total"])[9] == 8 * 0.5


def test_alerts_are_pending_and_then_firing() -> None:
    # Four wait from 13 s on, and three again from 27.5 s.
    states = {dict(labels)["alertstate"]: series for labels, series in read(exposition(paused(), seed=1))["ALERTS"].items()}
    assert states == {
        "pending": [(float(n), 1.0) for n in range(13, 17)],
        "firing": [(float(n), 1.0) for n in range(17, 28)],
    }


def test_points_are_whole_seconds() -> None:
    assert points(40.0).tolist() == list(range(41))
    assert points(0.25).tolist() == [0.0]
    assert points(600.0)[[0, 1, -1]].tolist() == [0, 1, 600]
    assert points(601.0)[[0, 1, -1]].tolist() == [0, 2, 600]
    assert points(2400.0)[[0, 1, -1]].tolist() == [0, 4, 2400]


def run(tables: System, folder: Path, *options: str) -> tuple[int, str]:
    (folder / "s.toml").write_text(tables.to_toml())
    told = CliRunner().invoke(app, ["run", str(folder / "s.toml"), "--out", str(folder / "out"), *options])
    return told.exit_code, told.output


def test_the_file_depends_on_system_seed_and_start_alone(tmp_path: Path) -> None:
    path, start = tmp_path / "run.om", start_of("2026-03-01T11:00:00Z")
    path.write_text("what was there before")
    options = ["--jobs", "1", "--metrics", str(path), "--metrics-start", "2026-03-01T12:00:00+01:00"]
    assert run(paused(), tmp_path, *options)[0] == 0
    assert path.read_text() == exposition(paused(), seed=1, start=start)
    assert only(read(path.read_text(), start)["edasim_lag"])[15] == 6
    assert path.read_text().split("\n")[1].endswith(" 0 1772362800")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out", "run.om", "s.toml"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--metrics", "{}/no/such/run.om"], "/no/such is not a folder that exists"),
        (["--metrics", "{}"], "is a folder; a file is needed"),
        (["--metrics", "{}/out"], "is the folder of the output"),
        (["--metrics", "{}/link"], "is not a regular file"),
        (["--metrics", "{}/" + "n" * 300], "cannot be a file"),
        (["--metrics-start", "5"], "only with --metrics"),
        (["--metrics", "{}/run.om", "--metrics-start", "soon"], "must be whole seconds since 1970"),
        (["--metrics", "{}/run.om", "--metrics-start", "-5"], "must be whole seconds since 1970"),
        (["--metrics", "{}/run.om", "--metrics-start", "2026-03-01T12:00:00.5Z"], "must be whole seconds since 1970"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_runs(options: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    code, told = run(paused(), tmp_path, *(option.replace("{}", str(tmp_path)) for option in options))
    assert code == 2
    assert said in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "s.toml"]


def test_times_are_read_as_numbers_or_dates() -> None:
    assert start_of("1704067200") == start_of("2024-01-01") == start_of("2024-01-01T01:00:00+01:00") == DEFAULT_START
    assert refusal(Path("run.om")) is None


def test_what_a_system_does_not_have_is_not_shown() -> None:
    found = read(exposition(System.from_dict({**paused().to_dict(), "alerts": []}), seed=1))
    others = ("ALERTS", "resilience4j", "kafka", "aws", "edasim_dependency")
    assert not [name for name in found if name.startswith(others)]
