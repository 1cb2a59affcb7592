"""Tune a model on your own tasks, and measure the loss of one that it is not shown.

It takes two to three minutes with the embedded model on two cores. Run it again and nothing is
trained anew; interrupted, it goes on from its last checkpoint.

Example::

    python examples/tune.py hf:HuggingFaceTB/SmolLM2-360M
"""

import json
import sys
from pathlib import Path

from seedstep import tune_model

PLACES = ("library", "harbour", "bakery", "museum", "station", "market", "castle", "garden")
VERBS = ("visit", "find", "leave", "paint", "open", "guard")

lines = [
    {
        "definition": f"Write a note that asks somebody to {verb} the place.",
        "instances": [
            {"input": place, "output": f"{verb.title()} the {place}!"} for place in PLACES
        ],
    }
    for verb in VERBS
]
Path("notes.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

tuned = tune_model(
    "runs/notes",
    model=sys.argv[1] if len(sys.argv) > 1 else "local",
    data=["notes.jsonl"],
    encoding="definition",
    held_out=1,
    epochs=4,
    batch=8,
)
for line in Path("runs/notes/metrics.jsonl").read_text().splitlines():
    record = json.loads(line)
    if "held_out_loss" in record:
        print(f"step {record['step']}: held-out loss {record['held_out_loss']:.3f}")
print(f"the tuned model: hf:{tuned.model}")
