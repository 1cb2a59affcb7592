"""Grow five tasks with the embedded model, and write them for tuning tools.

Run it again and it goes on where it stopped; nothing is asked for twice.

    python examples/self_instruct.py
"""

from seedstep import export, self_instruct

with self_instruct("runs/example", model="local", tasks=5) as run:
    for task in run.tasks():
        print(f"{task.id}: {task.definition}")
        for instance in task.instances:
            print(f"    {instance.input!r} -> {instance.output!r}")
    print("rejected instructions, by reason:", run.status().rejected)
    print("records written:", export(run, "messages", "runs/example/exports/messages"))
