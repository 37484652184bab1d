"""Tables from records and results."""

from magus_pyg.report.console import environment_text, make_console, results_table, stages_text

__all__ = ["environment_text", "make_console", "results_table", "stages_text"]
