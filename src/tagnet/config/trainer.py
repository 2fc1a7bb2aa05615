"""Hardware, precision, batches, epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require


@dataclass(frozen=True)
class TrainerConfig:
    """Where and how long training runs."""

    accelerator: Literal["cpu", "gpu", "auto"]
    """The hardware; auto: a GPU where there is one."""
    strategy: Literal["single", "ddp", "fsdp"]
    """One process; several, each with a copy of the model; or several that share the model's weights among them."""
    devices: int | None
    """Processes on this machine; null: as many as torchrun or Slurm has started, else one for each GPU (single: one; on
    a CPU: one)."""
    num_nodes: int | None
    """Machines, under torchrun or Slurm; null: as many as they have started processes on."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    """Numeric precision of training; auto: bf16-mixed on a GPU that has it, or in a single process on a processor that
    has it, else 32-true. What a finished network says is always computed in float32."""
    compile: bool
    """Whether the encoder runs through torch.compile."""
    packing: bool | None
    """Whether a processor computes nothing at padding while it trains, draws dropout's masks from raw bits, and trains
    only the word embeddings that training meets; null: where machine and encoder allow it."""
    gradient_checkpointing: bool
    """Whether the encoder forgets activations and computes them again: less memory, about a third slower."""
    batch_size: int | None
    """Records in a batch, over all processes; null: 16, and up to 64 where the fewest epochs would else take more than
    four times `steps`."""
    tags_at_once: int | None
    """Tags whose logits and losses are held at one time in a training step; null: all, or a part of them where a batch
    has more than four million cells. Not every loss can be cut (`loss=zlpr` cannot)."""
    eval_batch_size: int
    """Records in a batch when nothing is learned."""
    accumulate: int
    """Batches that make one optimizer step."""
    max_epochs: int | None
    """Epochs; null: as many as reach `steps`, within `epoch_range`."""
    steps: int
    """Optimizer steps to aim at where `max_epochs` is null."""
    epoch_range: tuple[int, int]
    """The fewest and the most epochs where `max_epochs` is null."""
    patience: int | None
    """Training stops after this many epochs without a better `monitor`; null: never."""
    checkpoint_steps: int | None
    """Optimizer steps between two resume points within an epoch; null: only at the end of each."""
    monitor: str
    """The validation metric that checkpoints, early stopping and sweeps go by; losses and errors are minimised."""

    def __post_init__(self) -> None:
        for key in ("eval_batch_size", "accumulate", "steps"):
            require(getattr(self, key) >= 1, f"trainer.{key}", "at least 1", getattr(self, key))
        for key in ("batch_size", "devices", "num_nodes", "max_epochs", "patience", "checkpoint_steps", "tags_at_once"):
            value = getattr(self, key)
            require(value is None or value >= 1, f"trainer.{key}", "null or at least 1", value)
        if self.accelerator == "cpu":
            require(self.precision != "16-mixed", "trainer.precision", "another one on a CPU", self.precision)
        if self.strategy == "fsdp":
            # Lightning scales no losses where each process has a part of the gradients alone.
            expected = "auto, bf16-mixed or 32-true with trainer.strategy=fsdp"
            require(self.precision != "16-mixed", "trainer.precision", expected, self.precision)
        if self.strategy == "single":
            require(
                self.devices in (None, 1), "trainer.devices", "null or 1 with trainer.strategy=single", self.devices
            )
            require(
                self.num_nodes in (None, 1),
                "trainer.num_nodes",
                "null or 1 with trainer.strategy=single",
                self.num_nodes,
            )
        low, high = self.epoch_range
        require(1 <= low <= high, "trainer.epoch_range", "[fewest, most] with 1 <= fewest <= most", [low, high])
