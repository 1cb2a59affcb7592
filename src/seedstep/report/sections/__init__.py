"""The sections of a report: each is made by a function from plain records."""
