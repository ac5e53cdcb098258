"""The command line: one command a file, put together in `app`."""
