"""What makes the base recommenders fast: sums, look-ups and dropout with gradients written out.

No model lives here: those that call them are in the folder above.
"""
