"""The page: exploratory search for people (App. F.3), rendered here, without a framework and without a build step.

The sentences about an answer are those of `online`, which the terminal says too.
"""
