"""Simulated users that play the sessions of a run over HTTP, and write the record table of `simulate`."""

from typing import Any

import pandas as pd
import torch
from fastapi.testclient import TestClient
from served import answer, begin
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.graph import Word, find_query, item_id_of, item_node, n_items, words_of
from magus_pyg.random import hash_keys
from magus_pyg.runs import Run
from magus_pyg.simulation import RECORD_COLUMNS, User
from magus_pyg.simulation.users import ShownList


def play_over_http(
    client: TestClient, run: Run, sessions: Sessions, user: User, agent: str, seed: int, **settings: Any
) -> pd.DataFrame:
    """The record table of sessions played over HTTP.

    Args:
        client: of a service of the run.
        run: the run.
        sessions: B sessions.
        user: answers; it does not change what it wants.
        agent: what the table calls the agent.
        seed: of what users draw.
        settings: of the sessions: variant, list_length, rounds, min_items.
    """
    ids = sessions.id
    assert ids is not None
    rows = [_play(client, run, sessions.take(torch.tensor([b])), user, agent, seed, settings) for b in range(len(ids))]
    return pd.DataFrame([row for session in rows for row in session], columns=list(RECORD_COLUMNS))


def _play(
    client: TestClient, run: Run, session: Sessions, user: User, agent: str, seed: int, settings: dict[str, Any]
) -> list[dict[str, Any]]:
    graph, ids = run.graph, session.id
    assert ids is not None
    key = hash_keys(seed, ids)
    candidates = [node for node in session.candidates[0].tolist() if node >= 0]
    targets = session.candidates[0][session.targets[0]].tolist()
    nodes = [] if session.searched is None else [node for node in session.searched[0].tolist() if node >= 0]
    shown = begin(
        client,
        user_id=run.user_ids[int(session.user)],
        candidates=[item_id_of(graph, node) for node in candidates],
        searched=[[word._asdict() for word in words_of(graph, node)] for node in nodes],
        **settings,
    )
    rows = []
    while not shown["done"]:
        entries, number, length = shown["entries"], shown["round"], settings["list_length"]
        listed = [_node(graph, entry) for entry in entries]
        pad = [False] * (length - len(listed))
        is_item = [entry["kind"] == "item" for entry in entries]
        matches = [sum(_holds(graph, node, target) for target in targets) for node in listed]
        seen = ShownList(
            present=torch.tensor([[True] * len(listed) + pad]),
            is_item=torch.tensor([is_item + pad]),
            matches=torch.tensor([matches + [0] * len(pad)]),
            n_targets=torch.tensor([len(targets)]),
            round=number,
            key=key,
        )
        given = user.answer(seen)
        place = int(given.clicked)
        not_care = [entry["entry_id"] for entry, one in zip(entries, given.not_care[0].tolist(), strict=False) if one]
        shown = answer(client, shown, None if place < 0 else entries[place]["entry_id"], not_care=not_care)
        hit = place >= 0 and is_item[place] and matches[place] > 0
        assert shown["found"] == (entries[place]["item_id"] if hit else None)
        rows.append(
            {
                "session": int(ids),
                "user": int(session.user),
                "agent": agent,
                "horizon": settings["rounds"],
                "round": number,
                "shown": listed,
                "kinds": [entry["kind"] for entry in entries],
                "clicked": listed[place] if place >= 0 else -1,
                "position": place + 1,
                "n_candidates": len(candidates),
                "n_targets": len(targets),
                "queries_shown": len(entries) - sum(is_item),
                "target_clicked": hit,
                "done": shown["done"],
            }
        )
    return rows


def _node(graph: HeteroData, entry: dict[str, Any]) -> int:
    if entry["item_id"] is not None:
        return item_node(graph, entry["item_id"])
    node = find_query(graph, [Word(**word) for word in entry["words"]])
    assert node is not None
    return node


def _holds(graph: HeteroData, node: int, item: int) -> bool:
    """Whether an item is a node, or contains it."""
    return node == item if node < n_items(graph) else set(words_of(graph, node)) <= set(words_of(graph, item))
