"""One HTML page of what an output folder holds: finding, verdicts, charts, tables, books, scenario, how to repeat it."""

from experiments.lab.report.folder import BadFolderError
from experiments.lab.report.page import write_report

__all__ = ["BadFolderError", "write_report"]
