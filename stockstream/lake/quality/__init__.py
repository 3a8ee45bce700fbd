"""Checks of the data in a lake: what is wrong with which rows, how grave it is, and what to do about it.

`stockstream.lake.quality.judge.judge_rows` runs them over the tables of a DuckDB connection, as the daily run does;
`stockstream.lake.Lake.quality` over a lake. Each check is declared once, as a `Detector`, beside those of its kind:
single rows, jumps, events, scales, days, stretches, versions.
"""
