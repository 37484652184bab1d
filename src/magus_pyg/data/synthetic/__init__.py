"""Synthetic data: the embedded shop, and catalogues and logs shaped like the paper's largest sets."""
