"""The presets of policies for people: tables on a screen, and the page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.text import Text

from experiments.lab.console import table_of
from experiments.lab.profiles import value_text
from models.preset_table import Preset
from models.presets import LIBRARIES, POLICIES, preset_named, presets_of
from models.toml import inline

RENEW = "edasim presets --markdown > docs/presets.md"
"""The command that writes the page of the documentation anew."""

INTRODUCTION = f"""# Presets

Where a policy is accepted a name of this page is too: `retry = "aws-sdk-2026"`. Fields beside the name win over the preset's:
`retry = {{ preset = "resilience4j", max_attempts = 5 }}`. What contradicts a given field (`delays` and `backoff`, `failures`
and `failure_rate`) gives way to it. A table inside, such as `budget`, is overridden by field too, where it is of the same form;
`budget = "none"` takes it out. A resolved scenario holds the values, so `--set consumers.payment.retry.max_attempts=5` changes
one of them.

In all tables attempts and deliveries count the first; how the library itself counts stands beside them. `retry` works within
one delivery and holds its worker, `redelivery` is the broker's. A producer's `retry` has no `budget`: there a preset is taken
without its own. `edasim presets NAME` prints what goes by one name.

This page is made from the table in `models/preset_table.py`: `{RENEW}`.
"""


def show_presets(screen: Console) -> None:
    """Print the names, a line each, with the policies that they are presets of."""
    table = table_of("edasim presets NAME", ("", 0, "left"), ("of", 0, "left"), ("", 0, "left"))
    for name, about in LIBRARIES.items():
        table.add_row(name, ", ".join(_policies(name)), about)
    screen.print(table)


def show_preset(screen: Console, name: str) -> None:
    """Print each policy that goes by a name: its fields, the library's own settings, notes and sources."""
    screen.print(Text(f"{name}: {LIBRARIES[name]}", "bold"))
    for preset in preset_named(name):
        table = table_of(preset.policy, ("", 16, "left"), ("", 0, "left"))
        table.show_header = False
        for field, value in _fields(preset):
            table.add_row(field, Text(value))
        table.add_row("", "")
        table.add_row(Text("in its own words", "dim"), Text(preset.own))
        if preset.note:
            table.add_row(Text("note", "dim"), Text(preset.note))
        table.add_row(Text("source", "dim"), Text(preset.source))
        screen.print()
        screen.print(table)


def page() -> str:
    """The page of the documentation: what goes by which name, and each preset with its values and source."""
    parts = [INTRODUCTION, "\n| name | presets of | |\n|---|---|---|\n"]
    parts += [f"| `{name}` | {', '.join(f'`{p}`' for p in _policies(name))} | {about} |\n" for name, about in LIBRARIES.items()]
    for policy in POLICIES:
        parts.append(f"\n## {policy}\n")
        for preset in presets_of(policy).values():
            parts.append(f"\n### {policy} = {inline(preset.name)}\n\n{LIBRARIES[preset.name]}.\n\n")
            parts.append(f"    {policy} = {inline(preset.value)}\n\n- In its own words: {preset.own}.\n")
            parts.append(f"- Source: {preset.source}.\n")
            parts.append(f"- Note: {preset.note}\n" if preset.note else "")
    return "".join(parts)


def _policies(name: str) -> list[str]:
    return [preset.policy for preset in preset_named(name)]


def _fields(preset: Preset) -> Iterator[tuple[str, str]]:
    """The values by field; a duration by the policy's own name."""
    if isinstance(preset.value, Mapping):
        yield from ((field, value_text(value)) for field, value in preset.value.items())
    else:
        yield preset.policy, preset.value
