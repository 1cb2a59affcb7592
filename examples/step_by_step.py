"""Your own task in, its step-by-step instruction out, on the embedded model or any other.

Example::

    python examples/step_by_step.py openai:MODEL http://127.0.0.1:8000/v1
"""

import json
import sys
from pathlib import Path

from seedstep import write_instructions
from seedstep.steps import render

TASK = {
    "definition": "Tell whether a review of a hotel speaks of the food. Answer Yes or No.",
    "category": "Topic Detection",
    "positive_examples": [
        {"input": "The bed was hard, but what a breakfast!", "output": "Yes"},
        {"input": "We could see the sea from the balcony.", "output": "No"},
    ],
}

model, base_url = sys.argv[1:3] if len(sys.argv) > 2 else ("local", None)
Path("task.jsonl").write_text(json.dumps(TASK), encoding="utf-8")
with write_instructions("runs/hotel", tasks="task.jsonl", model=model, base_url=base_url) as run:
    for entry in run.entries():
        print(render(entry.result.steps) or entry.result.failure)
        print([finding.name for finding in entry.result.findings])
