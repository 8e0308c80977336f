"""The profiles of broker products for people: tables on a screen, and the page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from experiments.lab.console import table_of
from models.profile_table import TABLE, Row
from models.profiles import NEWEST, PROFILES, Profile, profile_of
from models.toml import inline

RENEW = "edasim profile --markdown > docs/profiles.md"
"""The command that writes the page of the documentation anew."""

INTRODUCTION = f"""# Profiles

`[broker] profile` names a product and a version. It says what a scenario leaves open: a field that is given always wins.
{", ".join(f"`{bare}` is `{name}`" for bare, name in NEWEST.items())}. `edasim profile NAME` prints one of them.

A topic with another `delivery` than its broker, or with another `fifo`, and the groups that read it take their defaults from
the first profile below whose own it is. What has no row for a product does not exist there.

This page is made from the table in `models/profile_table.py`: `{RENEW}`.
"""


def show_profiles(screen: Console) -> None:
    """Print the profiles, a line each."""
    table = table_of("edasim profile NAME", ("", 0, "left"), ("also", 0, "left"), ("", 0, "left"))
    for name, profile in PROFILES.items():
        table.add_row(name, _bare(name), profile.about)
    screen.print(table)


def show_profile(screen: Console, name: str) -> None:
    """Print every value of a profile with its setting, where that is documented, and what the value stands for."""
    profile = profile_of(name)
    sources = list(dict.fromkeys(row.source for row in profile.rows))
    screen.print(Text(f"{profile.name}: {profile.about}", "bold"))
    for kind in profile.defaults:
        table = table_of(kind, ("", 26, "left"), ("value", 12, "left"), ("setting and source", 0, "left"))
        for row in profile.rows:
            component, _, field = row.field.partition(".")
            if component == kind:
                setting = " ".join(part for part in (row.setting, f"[{sources.index(row.source) + 1}]") if part)
                table.add_row(field, _in_lines(row.value), Text(setting).append(f"\n{row.note}" * bool(row.note), "dim"))
        screen.print()
        screen.print(table)
    listed = table_of("sources", ("", 0, "right"), ("", 0, "left"))
    listed.show_header = False
    for number, source in enumerate(sources, 1):
        listed.add_row(f"[{number}]", source)
    screen.print()
    screen.print(listed)


def page() -> str:
    """The page of the documentation: all profiles side by side, and each product's settings with their sources."""
    kinds = list(profile_of("kafka").defaults)
    fields = sorted(dict.fromkeys(row.field for row in TABLE), key=lambda field: kinds.index(field.partition(".")[0]))
    parts = [INTRODUCTION, "\n| profile | also | |\n|---|---|---|\n"]
    parts += [_line(f"`{name}`", _code(_bare(name)), profile.about) for name, profile in PROFILES.items()]
    parts += ["\n## Side by side\n\n", *_head("field", *PROFILES)]
    parts += [_line(f"`{field}`", *(_code(_value_in(profile, field)) for profile in PROFILES.values())) for field in fields]
    for versions in _products():
        parts += [f"\n## {', '.join(versions)}\n\n", *_head("field", "setting", *versions, "source", "note")]
        parts += [_documented(row, versions) for row in TABLE if set(row.profiles) <= set(versions)]
    return "".join(parts)


def value_text(value: Any) -> str:
    """A value as a scenario writes it, texts without their quotes."""
    return str(value) if isinstance(value, str) else inline(value)


def _in_lines(value: Any) -> str:
    """The same for a narrow column: a table with a line for each of its fields."""
    if not isinstance(value, Mapping):
        return value_text(value)
    return "\n".join(f"{name} = {value_text(inner)}" for name, inner in value.items())


def _bare(name: str) -> str:
    return next((bare for bare, newest in NEWEST.items() if newest == name), "")


def _products() -> Iterator[tuple[str, ...]]:
    """The versions of each product."""
    for bare in NEWEST:
        yield tuple(name for name in PROFILES if name.startswith(f"{bare}-"))


def _value_in(profile: Profile, field: str) -> str:
    return next((value_text(row.value) for row in profile.rows if row.field == field), "")


def _documented(row: Row, versions: tuple[str, ...]) -> str:
    values: Mapping[str, str] = dict.fromkeys(row.profiles, value_text(row.value))
    return _line(
        f"`{row.field}`", _code(row.setting), *(_code(values.get(name, "")) for name in versions), row.source, row.note
    )


def _head(*names: str) -> Iterator[str]:
    yield _line(*names)
    yield _line(*["---"] * len(names)).replace(" ", "")


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def _code(text: str) -> str:
    return f"`{text}`" if text else "-"
