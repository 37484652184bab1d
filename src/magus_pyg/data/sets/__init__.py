"""Data sets in their own formats, one a file, and folders of one's own.

How bytes become columns is in `reading`, what all sets have in common in the folder above.
"""
