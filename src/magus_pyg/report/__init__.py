"""Tables, tests of significance and figures, from records and results.

Nothing is trained or played here; runs are read by `runs`.
"""

from magus_pyg.report.console import environment_text, make_console, queries_text, results_table, stages_text
from magus_pyg.report.plays import MethodPlay, read_plays
from magus_pyg.report.pools import Pool, compare_pools, pool_plays, select_plays
from magus_pyg.report.report_tables import ReportTable, build_table
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
from magus_pyg.report.table_formats import FORMATS

__all__ = [
    "FORMATS",
    "Difference",
    "McNemar",
    "MethodPlay",
    "Pool",
    "ReportTable",
    "Wilcoxon",
    "build_table",
    "compare",
    "compare_pools",
    "environment_text",
    "holm",
    "make_console",
    "mcnemar",
    "paired_bootstrap",
    "pool_plays",
    "queries_text",
    "read_plays",
    "results_table",
    "select_plays",
    "stages_text",
    "wilcoxon_by_user",
]
