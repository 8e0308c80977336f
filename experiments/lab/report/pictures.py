"""The charts of an output folder as a page holds them, each with its finding."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}

_SCALE = re.compile(r"scale\((\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Picture:
    """A chart: its `name`, what it shows in a sentence (`finding`, "" where unknown), and itself as a data: URI."""

    name: str
    finding: str
    uri: str


def pictures(folder: Path) -> list[Picture]:
    """The charts in `folder`, `overview` first, then by name; of SVG and PNG the smaller. None where there is no folder."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix in MEDIA and path.is_file():
            found.setdefault(path.stem, []).append(path)
    names = sorted(found, key=lambda name: (name != "overview", name))
    return [_picture(name, found[name]) for name in names]


def _picture(name: str, files: list[Path]) -> Picture:
    drawn = {path.suffix: path.read_bytes() for path in files}
    smallest = min(drawn, key=lambda suffix: len(drawn[suffix]))
    uri = f"data:{MEDIA[smallest]};base64,{b64encode(drawn[smallest]).decode('ascii')}"
    return Picture(name, finding_of(drawn[".svg"]) if ".svg" in drawn else "", uri)


def finding_of(svg: bytes) -> str:
    """The title of a chart: the largest text of an SVG file, "" where it has none.

    Matplotlib draws letters as shapes and writes each line of a text in a comment before its shapes.
    """
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    try:
        root = ElementTree.fromstring(svg, parser)
    except ElementTree.ParseError:
        return ""
    texts = [group for group in root.iter("{http://www.w3.org/2000/svg}g") if group.get("id", "").startswith("text_")]
    return _words(max(texts, key=_font_size)) if texts else ""


def _font_size(text: ElementTree.Element) -> float:
    scales = [_SCALE.search(group.get("transform", "")) for group in text.iter()]
    return max((float(scale[1]) for scale in scales if scale), default=0.0)


def _words(text: ElementTree.Element) -> str:
    lines = [part.text or "" for part in text.iter() if callable(part.tag)]  # a comment's tag is a function
    return unescape(" ".join(line.strip() for line in lines))
