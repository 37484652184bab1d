"""The addresses of the service, one concern a file.

They check what comes in and shape what goes out; the work is done by the service in the folder above.
"""
