from seedstep.inputs.systems import (
    SystemPredictions as SystemPredictions,
    distinct_names as distinct_names,
    read_systems as read_systems,
)
from seedstep.inputs.tasks import (
    load_source as load_source,
    with_examples as with_examples,
    with_generated as with_generated,
    with_steps as with_steps,
)
