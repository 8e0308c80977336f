"""What figures for a slide share: their width, the finding as head, the small print, and how they are saved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.lab.charts.style import styled

WIDTH = 11.5
"""Inches of a figure; twelve-point text on it is legible when it fills half a slide."""

HEAD_WIDTH = 92
"""Characters of a line of its title."""


def head(figure: Figure, finding: str) -> None:
    """The finding, already in lines of at most `HEAD_WIDTH`, above everything."""
    edge = 1 - 0.1 / figure.get_figheight()
    figure.text(0.02, edge, finding, ha="left", va="top", fontsize=14.5, fontweight="bold", linespacing=1.15)


def small_print(figure: Figure, *parts: str) -> None:
    """Where the picture comes from and how to read it, below everything; empty parts are left out."""
    text = " · ".join(part for part in parts if part)
    figure.text(0.02, 0.08 / figure.get_figheight(), text, ha="left", va="bottom", fontsize=9.5, color="#444444")


def save(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as PNG and as SVG to the existing `folder`; the same figures give the same bytes."""
    paths = []
    for number, (name, figure) in enumerate(figures.items()):
        stem = file_name(name, number)
        with styled(), rc_context({"svg.hashsalt": "edasim"}):
            for kind, metadata in (("png", {}), ("svg", {"Date": None})):
                paths.append(folder / f"{stem}.{kind}")
                figure.savefig(paths[-1], metadata=metadata)
    return paths


def file_name(name: str, number: int) -> str:
    """A name, still without ending, that every file system takes: one of more than 200 bytes is cut, and told from
    others by its `number`."""
    plain = re.sub(r"[^\w.-]", "_", name)
    short = plain.encode()[:200].decode(errors="ignore")
    return plain if short == plain else f"{short}-{number}"
