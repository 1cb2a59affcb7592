"""Tuning: tasks with step-by-step instructions become a better model."""
