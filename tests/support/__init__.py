"""What tests share: scripted servers, small models, inputs and outputs."""

import os

for name in ("COLUMNS", "LINES"):  # of the terminal in which the tests run, before rich reads them
    os.environ.pop(name, None)
