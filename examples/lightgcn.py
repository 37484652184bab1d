"""PyG's LightGCN as the recommender under MAGUS, trained in a loop of its own and plugged in as it is."""

import pandas as pd
import torch
from torch_geometric.nn import LightGCN

import magus_pyg as mp
from magus_pyg.data import ItemSets, SessionOptions, SyntheticOptions, build_sessions, load_dataset
from magus_pyg.models import PairScorer, part_interactions

data = load_dataset(SyntheticOptions(users=150, items=200))
graph = mp.build_relational_graph(
    data.items, data.word_fields, merge_fields=data.merge_fields, max_share=data.max_share
)

# LightGCN's graph has the users first, then the items, joined where a user liked an item in the training part.
rows = part_interactions(data, "train")
liked = rows.take(rows.label == 1)
user, item = liked.user, liked.item + data.n_users
edge_index = torch.stack([torch.cat([user, item]), torch.cat([item, user])])

torch.manual_seed(0)
model = LightGCN(data.n_users + data.n_items, embedding_dim=32, num_layers=2)
optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
known = ItemSets.from_pairs(rows.user, rows.item, data.n_users, data.n_items)
for _ in range(60):
    # Bayesian personalised ranking: each liked item against one that the user never saw.
    rank = (torch.rand(len(user)) * known.n_outside[user]).long()
    other = known.outside(user, rank) + data.n_users
    left, right = torch.stack([user, item]), torch.stack([user, other])
    better, worse = model(edge_index, torch.cat([left, right], 1)).chunk(2)
    loss = model.recommendation_loss(better, worse, torch.cat([user, item, other]).unique(), lambda_reg=1e-2)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
print(f"loss {loss.item():.3f}")

# Any function of pairs is a scorer; here it is the model itself.
model.eval()
scorer = PairScorer(
    lambda user, item: model(edge_index, torch.stack([user, item + data.n_users])), data.n_users, data.n_items
)
sessions = build_sessions(data, "test", SessionOptions(), seed=0)
options = mp.MagusOptions(negative="signed", minus_scale=0.3)
tables = []
for agent in (mp.ItemsAgent(graph, scorer), mp.MagusAgent(graph, scorer, options)):
    tables.append(mp.summarize(mp.simulate(agent, sessions), rounds=(3, 5)))
print(pd.concat(tables)[["agent", "sessions", "SAC", "RA@3", "SA@3", "SA@5"]].round(3).to_string(index=False))
