"""Data sets, their checks, the split by time, and sessions.

Words become a graph in `graph`, rows become batches in `training`.
"""

from magus_pyg.data.dataset import PARTS, RecDataset
from magus_pyg.data.dataset_options import DatasetOptions, LogOptions
from magus_pyg.data.itemsets import ItemSets, items_of_users
from magus_pyg.data.reading.findings import Findings, collecting
from magus_pyg.data.searches import searched_words
from magus_pyg.data.session_building import build_sessions
from magus_pyg.data.sessions import SessionOptions, Sessions
from magus_pyg.data.sets.alipay import Alipay, AlipayOptions
from magus_pyg.data.sets.amazon import Amazon, AmazonOptions
from magus_pyg.data.sets.load import check_dataset, first_dataset, load_dataset, register_dataset
from magus_pyg.data.sets.movielens import (
    MovieLens1M,
    MovieLens1MOptions,
    MovieLens100k,
    MovieLens100kOptions,
    MovieLensLatestSmall,
    MovieLensLatestSmallOptions,
)
from magus_pyg.data.sets.raw_dataset import RawDataset, RawOptions
from magus_pyg.data.sets.served_options import ServedOptions
from magus_pyg.data.sets.tabular_options import TabularOptions
from magus_pyg.data.sets.tmall import Tmall, TmallOptions
from magus_pyg.data.split import temporal_split
from magus_pyg.data.synthetic.shop import SyntheticOptions

__all__ = [
    "PARTS",
    "Alipay",
    "AlipayOptions",
    "Amazon",
    "AmazonOptions",
    "DatasetOptions",
    "Findings",
    "ItemSets",
    "LogOptions",
    "MovieLens1M",
    "MovieLens1MOptions",
    "MovieLens100k",
    "MovieLens100kOptions",
    "MovieLensLatestSmall",
    "MovieLensLatestSmallOptions",
    "RawDataset",
    "RawOptions",
    "RecDataset",
    "ServedOptions",
    "SessionOptions",
    "Sessions",
    "SyntheticOptions",
    "TabularOptions",
    "Tmall",
    "TmallOptions",
    "build_sessions",
    "check_dataset",
    "collecting",
    "first_dataset",
    "items_of_users",
    "load_dataset",
    "register_dataset",
    "searched_words",
    "temporal_split",
]
