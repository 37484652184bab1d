"""Data sets in their own formats, one a file, and folders of one's own."""
