"""The daily stream: sources of companies and prices, and the run that lands them in a lake.

Runs on a laptop and in the cloud alike, with NumPy, DuckDB and small libraries only.
"""
