"""The sections of a report: a function each, from plain records."""
