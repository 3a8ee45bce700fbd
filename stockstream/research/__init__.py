"""Research: a strategy with every combination of its parameters, run at once."""
