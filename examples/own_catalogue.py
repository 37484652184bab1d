"""Your own items and scores: a graph, one session with a person, and a simulation of many."""

from itertools import product

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

# Many sessions at once, on a larger shelf: users, their candidates (rows of the item table), and which they want.
# People decide by words; the recommender's scores hold what they like of each word, and as much noise.
brands, categories = ["Alvoren", "Brinmora", "Calalund", "Dovivik"], ["milk", "cheese", "yoghurt"]
rows = list(product(brands, categories, ["organic", "vegan"], ["budget", "premium"]))
shelf = pd.DataFrame(rows, columns=["brand", "category", "trait", "price"])
shelf["item_id"] = [f"s{number:02d}" for number in range(len(shelf))]
graph = mp.build_relational_graph(shelf, word_fields=["brand", "category", "trait", "price"])
has_word = torch.from_numpy(pd.get_dummies(shelf.drop(columns="item_id")).to_numpy(dtype="float32"))
random = torch.Generator().manual_seed(0)
people = 500
taste = torch.randn(people, has_word.shape[1], generator=random) @ has_word.T
wanted = torch.multinomial(taste.softmax(dim=1), 1, generator=random)
user_item_scores = taste + 2 * torch.randn(taste.shape, generator=random)
candidates = torch.arange(len(shelf)).repeat(people, 1)
targets = torch.zeros(candidates.shape, dtype=torch.bool).scatter(1, wanted, True)
sessions = mp.Sessions(torch.arange(people), candidates, targets)
tables = []
for agent in (
    mp.ItemsAgent(graph, user_item_scores),
    mp.MagusAgent(graph, user_item_scores),
    mp.MagusAgent(graph, user_item_scores, mp.MagusOptions(negative="signed", minus_scale=0.3), name="magus, signed"),
    mp.BayesAgent(graph, user_item_scores),
):
    log = mp.simulate(agent, sessions, rounds=5, list_length=3)
    tables.append(mp.summarize(log, rounds=(1, 5)))
# `items` has the noisy scores alone, the others ask. Where `query_rounds` is 0, MAGUS never showed a query: with unit
# weights one needs more than half of the mass of all scores. Then lower `minus_scale`, or take the Bayesian agent.
results = pd.concat(tables)
print(results[["agent", "sessions", "RA@1", "SA@1", "RA@5", "SA@5", "query_rounds"]].round(3).to_string(index=False))
