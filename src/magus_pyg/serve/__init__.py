"""The service that people are put behind: HTTP, sessions that outlive processes, and the log of what was answered.

How a session is played is in `online`, how queries are put into words in `language`.
"""
