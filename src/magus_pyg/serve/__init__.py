"""The service that people are put behind: HTTP, sessions that outlive processes, and the log of what was answered."""
