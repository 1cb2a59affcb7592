"""Grow five tasks with the embedded model, and write them for tuning tools.

Run it again and it goes on where it stopped; nothing is asked for twice.

    python examples/self_instruct.py
"""

from seedstep import export, self_instruct

run = self_instruct("runs/example", model="local", tasks=5)

for task in run.tasks():
    print(f"{task.id}: {task.definition}")
    for instance in task.instances:
        print(f"    {instance.input!r} -> {instance.output!r}")

status = run.status()
print("rejected instructions, by reason:", status.rejected)
print("records written:", export(run, "messages", "runs/example/exports/messages"))
