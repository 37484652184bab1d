"""A factorisation of scikit-learn as the recommender under MAGUS: all it takes is a matrix of scores.

Needs scikit-learn (`pip install scikit-learn`).
"""

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from sklearn.decomposition import TruncatedSVD

import magus_pyg as mp
from magus_pyg.data import SessionOptions, SyntheticOptions, build_sessions, load_dataset

data = load_dataset(SyntheticOptions(users=150, items=200))
graph = mp.build_relational_graph(
    data.items, data.word_fields, merge_fields=data.merge_fields, max_share=data.max_share
)

# Users by items: 1 liked, -1 disliked, of the training part alone.
train = data.part == 0
answers = np.where(data.label[train] == 1, 1.0, -1.0)
ratings = coo_array((answers, (data.user[train], data.item[train])), shape=(data.n_users, data.n_items)).tocsr()

factorisation = TruncatedSVD(n_components=8, random_state=0)
users = factorisation.fit_transform(ratings)
scores = torch.from_numpy(users @ factorisation.components_)  # [U, I], a row a user, a column a row of the item table

sessions = build_sessions(data, "test", SessionOptions(), seed=0)
options = mp.MagusOptions(negative="signed", minus_scale=0.3)
tables = []
for agent in (mp.ItemsAgent(graph, scores), mp.MagusAgent(graph, scores, options)):
    tables.append(mp.summarize(mp.simulate(agent, sessions), rounds=(3, 5)))
print(pd.concat(tables)[["agent", "sessions", "SAC", "RA@3", "SA@3", "SA@5"]].round(3).to_string(index=False))

# One of these users in person.
session = mp.MagusSession(graph, scores[0], list_length=3)
print("to user 0:", "; ".join(str(entry) for entry in session.recommend()))
