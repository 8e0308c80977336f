"""One run as its exporters would have shown it to Prometheus: `edasim run --metrics FILE`.

`text` writes the format, `watching` runs and reads the broker, `families` names what there is.
"""

from experiments.lab.exposition.watching import DEFAULT_START, exposition

__all__ = ["DEFAULT_START", "exposition"]
