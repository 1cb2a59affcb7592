"""Campaigns: what the suite does a few times, as often as is asked."""
