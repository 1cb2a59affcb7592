"""Figures and statistics of runs."""
