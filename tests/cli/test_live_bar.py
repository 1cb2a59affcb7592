"""What a bar says where there is no terminal to draw it on."""

import pytest
from rich.console import Console
from rich.text import Text

from seedstep.cli.progress import live_bar


def test_nothing_is_said_while_other_lines_are(capsys: pytest.CaptureFixture[str]) -> None:
    with live_bar("tasks") as bar:
        bar.show(1, 3, "busy")
        bar.say(Text("one is done"))
        bar.draw(2, None, "busy")
    assert capsys.readouterr().out == "one is done\n"


def test_after_a_silence_or_at_the_end_a_line_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with live_bar("tasks") as bar:
        bar.show(3, 3000, "[busy]", is_due=True)
        monkeypatch.setattr("seedstep.cli.progress.QUIET_SECONDS", 0)
        bar.show(4, 3000, "still")
    assert capsys.readouterr().out == "3/3,000 · [busy]\n4/3,000 · still\n"


def test_a_bar_without_a_count_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(force_terminal=True, width=80, record=True)
    monkeypatch.setattr("seedstep.cli.progress.console", screen)
    with live_bar("instances"):
        pass  # a run that is finished has nothing to count
    assert "0/?" not in screen.export_text()
    with live_bar("rows", "reading"):
        pass
    assert "reading" in screen.export_text()


@pytest.mark.parametrize("width", [80, 60])
def test_nothing_is_cut_where_a_line_is_short(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(force_terminal=True, width=width, record=True)
    monkeypatch.setattr("seedstep.cli.progress.console", screen)
    activity = "0 in flight · 70,700 tokens (16911/s) · 24 retries · 1 failed"
    with live_bar("instances") as bar:
        bar.draw(16, 16, activity, "below")
    shown = " ".join(screen.export_text().split())
    assert "16/16 0:00:0" in shown
    assert activity in shown
    assert "below" in shown
    assert "…" not in shown
