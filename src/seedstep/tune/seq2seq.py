"""Tuning encoder-decoder models: T5, T5-LM-adapt, Tk-Instruct (second paper, section 4.2).

Examples of a like length share a step, and the loss is the mean over all target tokens of a step,
however many passes and processes it takes.

Example::

    tune_seq2seq(model, tokenizer, data, Training(batch=16), Path("tuned"))
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from seedstep.encode import TokenPair
from seedstep.tune.batches import divided, length_grouped
from seedstep.tune.records import Training, TuneWatch, TuningData

__all__ = ["collate", "tune_seq2seq"]

IGNORED = -100
"""The label of what is not learned."""


def collate(pairs: Sequence[TokenPair], *, pad: int, start: int) -> dict[str, Any]:
    """Pairs as the tensors of an encoder-decoder model; of none, a row that teaches nothing.

    Masks come from the lengths, so the padding may be any token, end-of-sequence too.
    """
    import torch

    rows = [(pair.prompt, pair.target) for pair in pairs] or [((pad,), (IGNORED,))]
    source = max(len(prompt) for prompt, _ in rows)
    target = max(len(labels) for _, labels in rows)
    input_ids = torch.full((len(rows), source), pad)
    attention_mask = torch.zeros((len(rows), source), dtype=torch.long)
    labels = torch.full((len(rows), target), IGNORED)
    decoder_input_ids = torch.full((len(rows), target), pad)
    decoder_input_ids[:, 0] = start
    for row, (prompt, learned) in enumerate(rows):
        input_ids[row, : len(prompt)] = torch.tensor(prompt)
        attention_mask[row, : len(prompt)] = 1
        labels[row, : len(learned)] = torch.tensor(learned)
        decoder_input_ids[row, 1 : len(learned)] = torch.tensor(learned[:-1])
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "decoder_input_ids": decoder_input_ids,
        "labels": labels,
    }


def tune_seq2seq(
    model: Any,
    tokenizer: Any,
    data: TuningData,
    training: Training,
    out: Path,
    *,
    resume: bool = True,
    watch: TuneWatch | None = None,
    callbacks: Sequence[Any] = (),
) -> Any:
    """Train a model."""
    import torch
    from torch.utils.data import DataLoader, Dataset
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

    pairs0 = data.training(0)
    steps_per_epoch = -(-len(pairs0) // training.batch)

    class Micro:
        epoch = 0
        world = 1
        rank = 0
        def __len__(self):
            return steps_per_epoch * training.accumulate
        def __iter__(self):
            pairs = data.training(self.epoch)
            for step in length_grouped(pairs, batch=training.batch, seed=training.seed, epoch=self.epoch):
                parts = divided(step, training.accumulate * self.world)
                for part in parts[self.rank :: self.world]:
                    yield [(self.epoch, place) for place in part] or [(self.epoch, -1)]

    class Rows(Dataset):
        def __len__(self):
            return len(pairs0)
        def __getitem__(self, key):
            epoch, place = key
            return None if place < 0 else data.training(epoch)[place]

    micro = Micro()

    class Epochs(TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            micro.epoch = state.global_step // steps_per_epoch
        def on_log(self, args, state, control, logs=None, **kwargs):
            if watch and logs and "loss" in logs:
                from seedstep.tune.records import Step
                watch.stepped(Step(state.global_step, state.max_steps, state.epoch, logs["loss"], logs["learning_rate"], 0, 0, 0))

    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    start = model.config.decoder_start_token_id
    collator = lambda some: collate([one for one in some if one], pad=pad, start=start)

    def loss_of(outputs, labels, num_items_in_batch):
        return torch.nn.functional.cross_entropy(outputs.logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum") / num_items_in_batch

    class T(Seq2SeqTrainer):
        def get_train_dataloader(self):
            return DataLoader(Rows(), batch_sampler=micro, collate_fn=collator)
    args = Seq2SeqTrainingArguments(
        str(out / "checkpoints"), num_train_epochs=training.epochs, max_steps=training.max_steps or -1,
        learning_rate=training.learning_rate, gradient_accumulation_steps=training.accumulate,
        per_device_train_batch_size=training.batch, lr_scheduler_type="constant", logging_steps=1, disable_tqdm=True, report_to=[],
        save_steps=training.save_every, bf16=training.bf16, use_cpu=training.device == "cpu",
    )
    trainer = T(model, args, train_dataset=Rows(), processing_class=tokenizer, callbacks=[Epochs(), *callbacks], compute_loss_func=loss_of)
    trainer.train()
    return trainer
