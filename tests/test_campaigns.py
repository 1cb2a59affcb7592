"""The campaigns cover every stage that asks a model, and a few of their steps hold."""

from pathlib import Path

from campaigns.servers import campaign, in_haste
from seedstep.stages import PREDICT, STAGES
from support.asking_stages import STAGES as ASKING

SERVERS = 12


def test_every_stage_that_asks_a_model_is_in_the_campaigns() -> None:
    asking = {name for name, stage in STAGES.items() if stage.asks_model} | {PREDICT.name}
    assert {stage.command[0] for stage in ASKING.values()} == asking


def test_servers_that_misbehave(tmp_path: Path) -> None:
    """Each command ends in good order; `campaigns/servers.py` has more servers."""
    with in_haste():
        counted = campaign(0, SERVERS, tmp_path)
    assert counted["faults"] == 0
    assert counted.total() == SERVERS
