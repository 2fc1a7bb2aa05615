"""What users would train instead, to the end: weights, tokenizer and threshold in a folder; in a process of its own.

    python -m benchmarks.speed.learners trainer OUTPUT --recipe madewithml_b --seed 0 --epochs 4 --lr 3e-4
    python -m benchmarks.speed.learners setfit OUTPUT --recipe madewithml_b --seed 0 --iterations 1

The Trainer's model is one that a user would write for an encoder that was trained with mean pooling, at a constant
learning rate.

Both contenders train the embedded encoder on the recipe's own training records, and accept tags at .5 or at the one
threshold that gives the validation records their best weighted F1, whichever is better there. OUTPUT/threshold.json is
written last.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from tagnet.atomic import write_json

THRESHOLD_FILE = "threshold.json"


class MeanPooled(nn.Module):
    """An encoder, the mean of its states, and a linear head."""

    def __init__(self, encoder: nn.Module, hidden_size: int, num_tags: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(hidden_size, num_tags)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss and logits, as the Trainer wants them."""
        states_BTH = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask_BT1 = attention_mask[..., None]
        logits_BK = self.head((states_BTH * mask_BT1).sum(1) / mask_BT1.sum(1))
        return {"loss": nn.functional.binary_cross_entropy_with_logits(logits_BK, labels), "logits": logits_BK}


def train_transformers(output: Path, recipe: str, seed: int, epochs: int, lr: float) -> None:
    """transformers' Trainer, tuned: see `contenders.tuned_arguments`; learning rate and epochs as given."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    from benchmarks.speed.contenders import classifier, read_sides, tokenized, tuned_arguments

    sides = read_sides(recipe)
    model, tokenizer = classifier(sides.num_tags)
    model = MeanPooled(model.bert, model.config.hidden_size, sides.num_tags)
    rows = {name: tokenized(tokenizer, *part, max_length=sides.max_tokens) for name, part in sides.parts.items()}
    arguments = TrainingArguments(
        output_dir=str(output),
        learning_rate=lr,
        num_train_epochs=epochs,
        lr_scheduler_type="constant",
        per_device_eval_batch_size=64,
        seed=seed,
        bf16=True,
        **tuned_arguments(),
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows["train"],
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    trainer.train()
    trainer.save_model(str(output))
    found = trainer.predict(rows["val"])  # type: ignore[arg-type]
    # Its labels, not ours: it groups these records by length, too.
    logits, y_VK = np.asarray(found.predictions, dtype=np.float64), np.asarray(found.label_ids)
    _write_threshold(output, 1 / (1 + np.exp(-logits)), y_VK)


def train_setfit(output: Path, recipe: str, seed: int, iterations: int) -> None:
    """SetFit (Tunstall et al., arXiv 2209.11055): pairs, `iterations` a text and kind, then logistic regressions.

    Without iterations the encoder stays as it is. Batches of 32, in bfloat16, where SetFit itself has 16 and float32.
    """
    import setfit  # type: ignore[import-not-found]
    import torch
    from datasets import Dataset

    from benchmarks.speed.contenders import read_sides
    from tagnet.model.embedded import embedded_folder

    sides = read_sides(recipe)
    model = setfit.SetFitModel.from_pretrained(str(embedded_folder()), multi_target_strategy="one-vs-rest")
    model.model_body.max_seq_length = sides.max_tokens
    texts, y_NK = sides.parts["train"]
    val_texts, val_y_NK = sides.parts["val"]
    with torch.autocast("cpu", torch.bfloat16):
        if iterations:
            arguments = setfit.TrainingArguments(
                output_dir=str(output / "steps"),
                batch_size=32,
                num_epochs=1,
                num_iterations=iterations,
                seed=seed,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
            )
            rows = Dataset.from_dict({"text": texts, "label": y_NK.astype(int).tolist()})
            setfit.Trainer(model=model, args=arguments, train_dataset=rows).train()
        else:
            model.fit(texts, y_NK.astype(int), num_epochs=1)
        found = model.predict_proba(val_texts, as_numpy=True)
    model.save_pretrained(str(output))
    _write_threshold(output, np.asarray(found, dtype=np.float64), val_y_NK)


def _write_threshold(output: Path, probs_VK: NDArray[np.float64], y_VK: NDArray[Any]) -> None:
    from sklearn.metrics import f1_score

    def weighted(threshold: float) -> float:
        return float(f1_score(y_VK, probs_VK >= threshold, average="weighted", zero_division=0))

    threshold = max([0.5, *np.arange(0.02, 1, 0.02).round(2).tolist()], key=weighted)
    write_json(output / THRESHOLD_FILE, {"threshold": threshold, "val_f1_weighted": weighted(threshold)})


def main() -> None:
    """Train one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=("trainer", "setfit"))
    parser.add_argument("output", type=Path)
    parser.add_argument("--recipe", default="madewithml_b")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--iterations", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if given.contender == "trainer":
        train_transformers(given.output, given.recipe, given.seed, given.epochs, given.lr)
    else:
        train_setfit(given.output, given.recipe, given.seed, given.iterations)


if __name__ == "__main__":
    main()
