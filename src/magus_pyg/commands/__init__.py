"""The commands: one a file, each a console script.

They read words and end with a message and a code; what they do is in `experiment`, `report` and `serve`.
"""
