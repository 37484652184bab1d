"""What makes the base recommenders fast: sums, look-ups and dropout with gradients written out.

No model and no weight lives here.
"""
