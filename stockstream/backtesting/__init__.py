"""Backtests: strategies, costs and sizes, the engine that runs them, and what a run came to."""
