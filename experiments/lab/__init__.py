"""The tools that studies share: command line, output folders, console tables, charts, service levels."""
