"""Tables, tests of significance and figures, from records and results."""

from magus_pyg.report.console import environment_text, make_console, results_table, stages_text
from magus_pyg.report.significance import (
    Difference,
    McNemar,
    Wilcoxon,
    compare,
    holm,
    mcnemar,
    paired_bootstrap,
    wilcoxon_by_user,
)

__all__ = [
    "Difference",
    "McNemar",
    "Wilcoxon",
    "compare",
    "environment_text",
    "holm",
    "make_console",
    "mcnemar",
    "paired_bootstrap",
    "results_table",
    "stages_text",
    "wilcoxon_by_user",
]
