"""The automatic review of a finished run: what a sceptical colleague would ask about it."""
