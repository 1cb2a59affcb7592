"""Fine-tuning at a server: what is sent, once; what is told; what goes wrong."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from seedstep.encode import Encoded
from seedstep.errors import DeniedError, InputError, ModelError, RunMismatchError, UnreachableError
from seedstep.llm import Endpoint
from seedstep.tune.openai_jobs import UNKNOWN_LOOKS, FineTuned, JobSettings, fine_tune
from support.tuning_server import JobWatcher, TuningServer, refusal

EXAMPLES = [
    Encoded("sums", str(number), f"Add 1 to {number}.", f"{number + 1}") for number in range(12)
]
DONE = FineTuned("ft:small:me::1", "ftjob-1", 1234)
SECRET = "sk-secret/0123456789+abcdef"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedstep.tune.openai_jobs.POLL_SECONDS", 0.0)
    monkeypatch.setattr("seedstep.llm.jobs._backoff", lambda attempt: 0.0)


@pytest.fixture
async def server() -> AsyncIterator[TuningServer]:
    async with TuningServer().serve() as started:
        yield started


@dataclass
class Tuning:
    """Calls with the same arguments, but for what is changed."""

    server: TuningServer
    out: Path
    settings: JobSettings = field(default_factory=lambda: JobSettings(epochs=2, seed=7))
    examples: list[Encoded] = field(default_factory=lambda: EXAMPLES)
    model: str = "small"
    watched: JobWatcher = field(default_factory=JobWatcher)

    async def run(self, **changes: Any) -> FineTuned:
        self = replace(self, **changes)
        endpoint = Endpoint("", self.model, self.server.url, SECRET)
        return await fine_tune(endpoint, self.examples, self.settings, self.out, self.watched)


@pytest.fixture
def tuning(server: TuningServer, tmp_path: Path) -> Tuning:
    return Tuning(server, tmp_path)


async def test_a_job_from_examples_to_a_model(tuning: Tuning) -> None:
    server, watched = tuning.server, tuning.watched
    server.events += [{"id": "e1", "message": "Created job", "level": "info", "data": {}}]
    assert await tuning.run() == DONE
    (content,) = server.contents
    assert json.loads(content.splitlines()[0]) == {
        "messages": [
            {"role": "user", "content": "Add 1 to 0."},
            {"role": "assistant", "content": "1"},
        ]
    }
    assert content.count("\n") == len(EXAMPLES)
    assert content == (tuning.out / "training.jsonl").read_text("utf-8")
    assert server.bodies == [
        {
            "model": "small",
            "training_file": "file-1",
            "seed": 7,
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
        }
    ]
    assert watched.statuses == [
        f"ftjob-1 {state}" for state in ("validating_files", "running", "succeeded")
    ]
    assert watched.events == ["Created job"], "told once"
    assert watched.warnings == []
    assert server.keys == {f"Bearer {SECRET}"}
    assert SECRET not in "".join(path.read_text() for path in tuning.out.iterdir())


async def test_settings_left_out_are_the_servers_choice(tuning: Tuning) -> None:
    await tuning.run(settings=JobSettings())
    assert tuning.server.bodies == [{"model": "small", "training_file": "file-1"}]


async def test_a_server_without_method_gets_the_older_form(tuning: Tuning) -> None:
    tuning.server.knows_method = False
    settings = JobSettings(batch=4, learning_rate_multiplier=0.5, prompt_loss_weight=0.1)
    assert await tuning.run(settings=settings) == DONE
    assert tuning.server.bodies[0]["hyperparameters"] == {
        "batch_size": 4,
        "learning_rate_multiplier": 0.5,
        "prompt_loss_weight": 0.1,
    }
    assert tuning.watched.warnings == []


async def test_a_setting_that_the_server_passes_over_is_told(tuning: Tuning) -> None:
    tuning.server.echoes = False
    await tuning.run(settings=JobSettings(epochs=3, prompt_loss_weight=0.0))
    assert [warning.rpartition("took ")[2] for warning in tuning.watched.warnings] == [
        "n_epochs = 3",
        "prompt_loss_weight = 0.0",
    ]


async def test_a_second_call_goes_on_waiting_and_sends_nothing(tuning: Tuning) -> None:
    server = tuning.server
    server.fail("GET fine_tuning/jobs/ftjob-1", *[refusal(500, "down") for _ in range(8)])
    with pytest.raises(UnreachableError, match="Run the command again"):
        await tuning.run()
    assert await tuning.run() == DONE
    assert await tuning.run() == DONE, "also when it has long ended"
    assert server.count("POST files") == server.count("POST fine_tuning/jobs") == 1


@pytest.mark.parametrize("request_name", ["POST files", "POST fine_tuning/jobs"])
@pytest.mark.parametrize("after", [False, True])
async def test_what_arrived_although_its_answer_was_lost_is_not_sent_again(
    tuning: Tuning, request_name: str, after: bool
) -> None:
    server = tuning.server
    server.fail(request_name, refusal(502, "bad gateway"))
    server.after = after
    with pytest.raises(UnreachableError, match="bad gateway"):
        await tuning.run()
    assert await tuning.run() == DONE
    assert len(server.files) == len(server.jobs) == 1
    assert server.count(request_name) == (1 if after else 2)


async def test_a_server_without_lists_gets_it_again(tuning: Tuning) -> None:
    tuning.server.lists = False
    tuning.server.fail("POST files", refusal(500, "down"))
    with pytest.raises(UnreachableError):
        await tuning.run()
    assert await tuning.run() == DONE
    assert tuning.watched.events == []


@pytest.mark.parametrize(
    "answer",
    [
        refusal(403, "Missing scopes"),
        web.json_response([{"id": "e1"}]),
        web.json_response({"data": [{"id": 3}]}),
        web.Response(text="no events here"),
    ],
)
async def test_events_that_can_not_be_read_are_done_without(
    tuning: Tuning, answer: web.Response
) -> None:
    tuning.server.fail("GET fine_tuning/jobs/ftjob-1/events", answer)
    assert await tuning.run() == DONE


@pytest.mark.parametrize("error", ["bad data", ["bad data"], [{"message": "bad data"}]])
async def test_a_job_that_is_described_otherwise_ends_and_hides_no_other(
    tuning: Tuning, error: Any
) -> None:
    tuning.server.outcome = {"status": "FAILED", "error": error, "trained_tokens": "none"}
    with pytest.raises(ModelError, match=r"without a model .FAILED.: bad data"):
        await tuning.run()
    tuning.server.jobs.insert(0, {"id": 5, "status": {"state": "odd"}})
    record = tuning.out / "job.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "job_id": None}))
    with pytest.raises(ModelError, match="without a model"):
        await tuning.run()
    assert tuning.server.count("POST fine_tuning/jobs") == 1


async def test_a_training_file_that_was_lost_is_written_again(tuning: Tuning) -> None:
    tuning.server.fail("POST files", refusal(500, "down"))
    with pytest.raises(UnreachableError):
        await tuning.run()
    (tuning.out / "training.jsonl").unlink()
    assert await tuning.run() == DONE


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": "other"}, "model"),
        ({"settings": JobSettings(epochs=3, seed=7)}, "epochs: 2 there, 3 asked"),
        ({"examples": EXAMPLES[:11]}, "data"),
    ],
)
async def test_another_job_in_the_same_place_is_refused(
    tuning: Tuning, changes: dict[str, Any], named: str
) -> None:
    await tuning.run()
    sent = len(tuning.server.paths)
    with pytest.raises(RunMismatchError, match=named):
        await tuning.run(**changes)
    assert len(tuning.server.paths) == sent


async def test_passing_faults_are_waited_out(tuning: Tuning) -> None:
    tuning.server.fail(
        "GET fine_tuning/jobs/ftjob-1",
        refusal(429, "slow down"),
        web.Response(status=503, text="<html>busy</html>"),
        refusal(500, "oops"),
    )
    assert await tuning.run() == DONE


@pytest.mark.parametrize("request_name", ["POST files", "POST fine_tuning/jobs"])
async def test_a_refusal_comes_through_without_the_key(tuning: Tuning, request_name: str) -> None:
    tuning.server.fail(request_name, refusal(400, f"Model small can't be tuned, says {SECRET}"))
    with pytest.raises(ModelError, match=r"Model small can't be tuned, says \[key\]"):
        await tuning.run()
    assert await tuning.run() == DONE, "once it is mended"
    assert len(tuning.server.files) == len(tuning.server.jobs) == 1


async def test_a_key_that_may_not_fine_tune_is_told(tuning: Tuning) -> None:
    tuning.server.fail("POST files", refusal(403, "Missing scopes: api.fine_tuning.jobs.write"))
    with pytest.raises(DeniedError, match="Missing scopes"):
        await tuning.run()


async def test_spent_credit_is_not_asked_again(tuning: Tuning) -> None:
    quota = refusal(429, "You exceeded your quota", code="insufficient_quota")
    tuning.server.fail("GET fine_tuning/jobs/ftjob-1", quota)
    with pytest.raises(ModelError, match="exceeded your quota"):
        await tuning.run()


async def test_a_failed_job_says_why_in_the_servers_words(tuning: Tuning) -> None:
    message = f"The job failed due to an invalid training file.\x00 Line 3 is {SECRET}."
    tuning.server.outcome = {"status": "failed", "error": {"code": "x", "message": message}}
    with pytest.raises(ModelError, match="invalid training file") as caught:
        await tuning.run()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "outcome",
    [{"status": "cancelled"}, {"status": "succeeded", "fine_tuned_model": None, "error": None}],
)
async def test_a_job_that_ended_without_a_model_is_told(
    tuning: Tuning, outcome: dict[str, Any]
) -> None:
    tuning.server.outcome = outcome
    with pytest.raises(ModelError, match=f"without a model .{outcome['status']}"):
        await tuning.run()


@pytest.mark.parametrize(
    "status",
    [
        *("failed", "cancelled", "canceled", "expired", "FAILED", "Canceled", "EXPIRED"),
        *("JOB_STATE_CANCELLED", "STATUS_FAILED", "timedOut", "Failed Validation", "user_error"),
        *("FineTuningJobStatus.FAILED", "user-cancelled", "system_error", "quota exceeded"),
        *("Abandoned", "incomplete", "partially completed", "validation_failed"),
    ],
)
async def test_a_job_that_will_never_have_a_model_is_not_waited_for(
    tuning: Tuning, status: str
) -> None:
    tuning.server.outcome = {"status": status, "error": {"message": "Because."}}
    with pytest.raises(ModelError, match=re.escape(f"without a model ({status}): Because")):
        await tuning.run()
    assert tuning.watched.statuses[-1] == f"ftjob-1 {status}"


@pytest.mark.parametrize(
    "status", ["Succeeded", "SUCCESS", "completed", "Done", "processing completed"]
)
async def test_a_model_is_there_whatever_the_word_for_it(tuning: Tuning, status: str) -> None:
    tuning.server.outcome["status"] = status
    assert await tuning.run() == DONE
    assert not tuning.watched.warnings


@pytest.mark.parametrize(
    "status",
    [
        *("completing", "finishing", "completion_pending", "validation_succeeded"),
        *("upload_completed", "preprocessing_completed", "FilesUploaded", "token_count_finished"),
    ],
)
async def test_a_step_that_is_done_is_not_the_end_of_the_job(tuning: Tuning, status: str) -> None:
    tuning.server.statuses = [status] * (UNKNOWN_LOOKS + 2)
    assert await tuning.run() == DONE
    assert not tuning.watched.warnings


@pytest.mark.parametrize("status", ["unfinished", "uncompleted"])
async def test_a_status_that_denies_the_end_is_no_success(tuning: Tuning, status: str) -> None:
    tuning.server.outcome["status"] = status
    with pytest.raises(ModelError, match="a status that is not known"):
        await tuning.run()


async def test_a_model_that_is_named_after_the_end_is_waited_for(tuning: Tuning) -> None:
    tuning.server.statuses = ["running", "succeeded", "succeeded"]
    assert await tuning.run() == DONE
    assert tuning.watched.warnings == ["the job has the status succeeded, but names no model yet"]


@pytest.mark.parametrize("status", ["PAUSED", "JOB_STATE_PAUSED", "Suspended", "pendingApproval"])
async def test_a_paused_job_is_told_and_waited_for_when_it_was_resumed(
    tuning: Tuning, status: str
) -> None:
    done = tuning.server.outcome
    tuning.server.outcome = {"status": status}
    for _ in range(2):
        with pytest.raises(ModelError, match=r"is paused.*[Rr]esume it at the server"):
            await tuning.run()
    tuning.server.outcome = done
    tuning.server.statuses = ["running", "Queued"]
    assert await tuning.run() == DONE
    assert tuning.server.count("POST fine_tuning/jobs") == 1


@pytest.mark.parametrize("status", ["reticulating splines", "", None, "状態", "4", "throttled"])
async def test_a_status_that_is_not_known_is_told_and_not_polled_for_ever(
    tuning: Tuning, status: str | None
) -> None:
    done = tuning.server.outcome
    tuning.server.outcome = {"status": status}
    with pytest.raises(ModelError, match="a status that is not known"):
        await tuning.run()
    assert tuning.server.count("GET fine_tuning/jobs/ftjob-1") == UNKNOWN_LOOKS + 2
    (warning,) = tuning.watched.warnings
    assert "is not known" in warning
    tuning.server.outcome = done
    assert await tuning.run() == DONE


async def test_a_status_that_is_not_known_for_a_while_is_waited_out(tuning: Tuning) -> None:
    few = ["odd"] * (UNKNOWN_LOOKS - 1)
    tuning.server.statuses = [*few, "running", *few, "validatingFiles"]
    assert await tuning.run() == DONE
    assert len(tuning.watched.warnings) == 2


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<html>welcome</html>"),
        web.json_response({"id": 7}),
        web.json_response(["ftjob-1"]),
        web.Response(body=b"[" * 100_000),
        web.json_response({"id": "../../admin"}),
    ],
)
async def test_an_answer_that_is_none_is_told(tuning: Tuning, answer: web.Response) -> None:
    tuning.server.fail("POST fine_tuning/jobs", answer)
    with pytest.raises(ModelError, match="--base-url"):
        await tuning.run()
    assert await tuning.run() == DONE


async def test_a_record_that_is_none_is_told(tuning: Tuning) -> None:
    (tuning.out / "job.json").write_text("{}")
    with pytest.raises(InputError, match=r"job\.json"):
        await tuning.run()
    assert tuning.server.paths == []


async def test_nobody_there_is_told(tuning: Tuning) -> None:
    tuning.server.url = "http://127.0.0.1:9/v1"
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
        await tuning.run()


async def test_too_few_examples_reach_no_server(tuning: Tuning) -> None:
    with pytest.raises(InputError, match="9 examples"):
        await tuning.run(examples=EXAMPLES[:9])
    assert tuning.server.paths == []
    assert list(tuning.out.iterdir()) == []


async def test_long_examples_are_told(tuning: Tuning) -> None:
    long = [replace(EXAMPLES[0], prompt="word " * 100_000), *EXAMPLES]
    await tuning.run(examples=long, model="gpt-4.1-mini")
    (warning,) = tuning.watched.warnings
    assert warning.startswith("1 of 13 examples are probably longer than the 65536 tokens")
