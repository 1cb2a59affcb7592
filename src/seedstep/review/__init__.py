"""Reviews, in which people look at the records of runs and label them, in a web app or a file."""
