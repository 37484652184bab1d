"""Figures of the paper and of this package, drawn from tidy tables; matplotlib is the extra `[figures]`.

What they show is computed in the folder above.
"""

from magus_pyg.report.figures.bars import time_bars
from magus_pyg.report.figures.line_panels import line_panels
from magus_pyg.report.figures.session_case import story_graphs
from magus_pyg.report.figures.style import save_figure, styled

__all__ = ["line_panels", "save_figure", "story_graphs", "styled", "time_bars"]
