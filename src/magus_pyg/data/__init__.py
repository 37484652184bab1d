"""Data sets, their checks, the split by time, sampled negatives, and sessions."""

from magus_pyg.data.alipay import Alipay, AlipayOptions
from magus_pyg.data.amazon import Amazon, AmazonOptions
from magus_pyg.data.dataset import PARTS, RecDataset
from magus_pyg.data.findings import Findings, collecting
from magus_pyg.data.itemsets import ItemSets, items_of_users
from magus_pyg.data.load import load_dataset, register_dataset
from magus_pyg.data.movielens import (
    MovieLens1M,
    MovieLens1MOptions,
    MovieLens100k,
    MovieLens100kOptions,
    MovieLensLatestSmall,
    MovieLensLatestSmallOptions,
)
from magus_pyg.data.negatives import NegativeSampler, sample_negatives
from magus_pyg.data.options import DatasetOptions, LogOptions
from magus_pyg.data.raw import RawDataset, RawOptions
from magus_pyg.data.searched import searched_words
from magus_pyg.data.session_building import build_sessions
from magus_pyg.data.sessions import SessionOptions, Sessions
from magus_pyg.data.split import temporal_split
from magus_pyg.data.synthetic import SyntheticOptions
from magus_pyg.data.tabular import TabularOptions
from magus_pyg.data.tmall import Tmall, TmallOptions

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
    "NegativeSampler",
    "RawDataset",
    "RawOptions",
    "RecDataset",
    "SessionOptions",
    "Sessions",
    "SyntheticOptions",
    "TabularOptions",
    "Tmall",
    "TmallOptions",
    "build_sessions",
    "collecting",
    "items_of_users",
    "load_dataset",
    "register_dataset",
    "sample_negatives",
    "searched_words",
    "temporal_split",
]
