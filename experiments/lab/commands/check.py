"""`edasim check` and `edasim schema`: what a scenario says, and what it may say."""

from __future__ import annotations

import json

from experiments.lab.commands.options import ScenarioArgument, SetOption, problems_reported, scenario_of


def check(
    scenario: ScenarioArgument,
    set_: SetOption = None,
) -> None:
    """Validate a scenario and print who talks to whom."""
    with problems_reported():
        from experiments.lab.console import console
        from experiments.lab.tree import alert_lines, fault_lines, topology

        valid, screen = scenario_of(scenario, set_ or []), console()
        screen.print(topology(valid))
        for line in (*fault_lines(valid), *alert_lines(valid)):
            screen.print(line, soft_wrap=True)


def schema() -> None:
    """Print the JSON Schema of a scenario, for editors that complete and check."""
    with problems_reported():
        from experiments.lab.console import console
        from models import System

        console().print(json.dumps(System.model_json_schema(), indent=1), soft_wrap=True)
