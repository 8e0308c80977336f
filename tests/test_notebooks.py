"""The notebooks: both halves of a pair say the same, nothing of an execution is kept, and every one of them runs."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from simulator.results import Result

FOLDER = Path(__file__).parent.parent / "notebooks"
NAMES = [
    "01_first_run",
    "02_compare_retry_policies",
    "03_capacity_planning",
    "04_your_own_system",
    "05_explore",
    "06_fit_to_your_data",
]
METADATA = {
    "jupytext": {"formats": "ipynb,py:percent"},
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
}
every_notebook = pytest.mark.parametrize("name", NAMES)


def notebook(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_every_notebook_is_tested_and_has_both_halves() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.*")) == sorted(name + end for name in NAMES for end in (".ipynb", ".py"))


@every_notebook
def test_both_halves_of_a_pair_have_the_same_cells(name: str) -> None:
    script = jupytext.read(FOLDER / f"{name}.py")
    assert [(cell.cell_type, cell.source) for cell in notebook(name).cells] == [
        (cell.cell_type, cell.source) for cell in script.cells
    ]


@every_notebook
def test_a_script_is_what_its_notebook_would_be_written_as(name: str) -> None:
    written = jupytext.writes(notebook(name), fmt="py:percent")
    versions = ("#       format_version", "#       jupytext_version")
    kept = [line for line in written.splitlines() if not line.startswith(versions)]
    assert "\n".join(kept) + "\n" == (FOLDER / f"{name}.py").read_text("utf-8")


@every_notebook
def test_nothing_of_an_execution_or_a_machine_is_kept(name: str) -> None:
    book = notebook(name)
    nbformat.validate(book)
    assert book.metadata == METADATA
    for cell in book.cells:
        assert set(cell.metadata) <= {"lines_to_next_cell"}  # blank lines in the script
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.fixture(scope="module")
def explored() -> dict[str, Any]:
    """The names of the notebook with the sliders, after its cells have run one after the other."""
    return runpy.run_path(str(FOLDER / "05_explore.py"))


@pytest.mark.parametrize(
    ("values", "lag"),
    [
        ({"outage": 0}, (0, 60)),
        ({"policy": "retry topic"}, (60, 300)),
        ({"rate": 20, "instances": 8, "outage": 30, "policy": "retry in place"}, (500, 700)),
        ({"rate": 4, "instances": 2, "policy": "breaker fails"}, (20, 200)),
    ],
)
def test_exploring_follows_its_values(explored: dict[str, Any], values: dict[str, Any], lag: tuple[int, int]) -> None:
    """While nothing is done the lag grows by rate x outage; who sets events aside keeps those in their delays."""
    explore: Callable[..., Result] = explored["explore"]
    low, high = lag
    assert low < explore(**values).value("consumers.payment", "lag_max").mean < high


def test_a_slider_that_is_moved_runs_the_system_again(explored: dict[str, Any]) -> None:
    rate, instances, outage, _ = explored["sliders"].children[:4]
    assert not any(slider.continuous_update for slider in (rate, instances, outage))
    rate.value = 4
    produced = explored["sliders"].result.value("producers.shop", "produced")
    assert produced.mean == pytest.approx(4 * 300, rel=0.1)


@pytest.mark.long
@every_notebook
def test_a_notebook_runs_and_shows_its_charts(name: str) -> None:
    book = notebook(name)
    NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any("<Figure" in output.get("data", {}).get("text/plain", "") and len(output.data) == 1 for output in outputs)
    assert [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []
