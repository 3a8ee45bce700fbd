"""Numba kernels of stockstream: NumPy arrays in, NumPy arrays out; this module imports nothing."""
