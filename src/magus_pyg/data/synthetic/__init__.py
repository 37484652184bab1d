"""Synthetic data: the embedded shop, and catalogues and logs shaped like the paper's largest sets.

They make what a data set would hold; parts and sessions are made of it as of any other.
"""
