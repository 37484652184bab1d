"""Your own items and scores: a graph, one session with a person, and a simulation of many."""

import pandas as pd
import torch

import magus_pyg as mp

items = pd.DataFrame(
    {
        "item_id": ["m1", "m2", "m3", "c1", "c2"],
        "brand": ["Alpro", "Oatly", "Oatly", "Alpro", "Kerry"],
        "category": ["milk", "milk", "milk|barista", "cheese", "cheese"],
        "trait": ["organic", "organic", "", "vegan", "aged"],
    }
)

# Words, the queries made of them, and who contains whom (R+); several values of a field are joined by "|".
graph = mp.build_relational_graph(items, word_fields=["brand", "category", "trait"])
print(f"{graph['node'].num_nodes} nodes, {len(items)} of them items")
print("Oatly milk is node", mp.find_query(graph, ["Oatly", "milk"]))

# One person: scores come from any recommender, here by hand.
scores = {"m1": 0.9, "m2": 0.7, "m3": 0.6, "c1": 0.3, "c2": 0.1}
session = mp.MagusSession(graph, scores, list_length=3, rounds=3)
while not session.done:
    shown = session.recommend()
    print(f"round {session.round}:", "; ".join(str(entry) for entry in shown))
    milk = next((entry for entry in shown if entry.kind == "query" and "milk" in map(str, entry.words)), None)
    session.feedback(clicked=milk)

# Many sessions at once: users, their candidates (rows of the item table), and which of them they want.
user_item_scores = torch.rand(4, len(items), generator=torch.Generator().manual_seed(0))
candidates = torch.arange(len(items)).repeat(4, 1)
targets = torch.zeros(4, len(items), dtype=torch.bool)
targets[torch.arange(4), torch.tensor([0, 2, 3, 4])] = True
sessions = mp.Sessions(torch.arange(4), candidates, targets)
tables = []
for agent in (mp.ItemsAgent(graph, user_item_scores), mp.MagusAgent(graph, user_item_scores)):
    log = mp.simulate(agent, sessions, rounds=3, list_length=2)
    tables.append(mp.summarize(log, rounds=(1, 3)))
print(pd.concat(tables)[["agent", "sessions", "RA@1", "SA@1", "RA@3", "SA@3"]].to_string(index=False))
