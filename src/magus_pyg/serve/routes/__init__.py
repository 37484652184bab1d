"""The addresses of the service, one concern a file."""
