"""How much memory a training step needs, found without taking it.

The step is traced: forward and backward run on fake tensors, which have shapes and no content, and every tensor that
would be there at a time is counted (as in Memory Tracker of PyTorch's `torch.distributed._tools`). This takes a
fraction of a second for any size of batch, draws no random numbers and leaves the network as it is.

Shapes: S sequences, T tokens, K tags. Sizes are in bytes.
"""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tagnet.model.network import TaggerNetwork
from tagnet.model.packed import rounded

HEAP_SLACK = 1.5
"""What a process on a CPU is given beyond what its tensors need. The heap of the GNU C library keeps freed blocks below
32 MiB, in pieces: the peak of real processes was 1.0 times what their tensors need where most were larger than that,
1.2 to 1.8 times where they were smaller (with gradient checkpointing up to 2.4, of little memory). Where freed memory
goes back at once (MALLOC_MMAP_THRESHOLD_=65536, which is slower), it was 0.98 to 1.03 times that."""


@dataclass(frozen=True)
class BatchShape:
    """The largest batch that one process meets."""

    texts: int
    sequences: int
    """Windows count one by one; without windows as many as texts."""
    tokens: int
    """Of the longest sequence; the others are padded to it."""

    def resized(self, texts: int) -> BatchShape:
        """A batch of more or fewer such texts.

        >>> BatchShape(texts=2, sequences=6, tokens=64).resized(4)
        BatchShape(texts=4, sequences=12, tokens=64)
        """
        return BatchShape(texts, math.ceil(texts * self.sequences / self.texts), self.tokens)

    def in_words(self) -> str:
        """The shape as people read it.

        >>> BatchShape(16, 16, 64).in_words(), BatchShape(texts=2, sequences=6, tokens=64).in_words()
        ('16 texts of up to 64 tokens', '2 texts in 6 windows of up to 64 tokens')
        """
        windows = f" in {self.sequences:,} windows" if self.sequences > self.texts else ""
        return f"{self.texts:,} text{'s' * (self.texts > 1)}{windows} of up to {self.tokens:,} tokens"


@dataclass(frozen=True)
class Footprint:
    """Memory of one process at the peak of an optimizer step."""

    weights: int
    gradients: int
    optimizer: int
    """AdamW's two moments of each weight that is trained."""
    activations: int
    """What forward keeps for backward, and what comes and goes beside it at the peak."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations


def trace_step(network: TaggerNetwork, shape: BatchShape, dtype: torch.dtype | None) -> Footprint | None:
    """What an optimizer step on a batch of this shape needs on a CPU.

    The loss is binary cross-entropy whatever the settings': against the encoder none of them weighs anything.

    Args:
        network: is not changed.
        shape: of the batch.
        dtype: of autocast; None: float32 throughout.

    Returns:
        None where the encoder does what only real tensors can, such as deciding by their content.
    """
    try:
        forward, backward = _trace(network, shape, dtype, train=True)
    except Exception:  # an encoder of the hub can fail in any way; what cannot be foretold must not stop it
        return None
    state = state_memory(network)
    # The gradients of the last step are there until the forward pass of this one is done.
    return replace(state, activations=max(forward, backward - state.gradients))


def state_memory(network: TaggerNetwork) -> Footprint:
    """What there is whatever the batch: weights, gradients, and the state of AdamW; no activations."""
    weights = sum(each.nbytes for each in (*network.parameters(), *network.buffers()))
    gradients = sum(each.nbytes for each in network.parameters() if each.requires_grad)
    return Footprint(weights, gradients, 2 * gradients, 0)


def trace_evaluation(network: TaggerNetwork, shape: BatchShape, dtype: torch.dtype | None) -> int | None:
    """The activations of a batch from which nothing is learned, on a CPU; None as in `trace_step`."""
    try:
        return _trace(network, shape, dtype, train=False)[0]
    except Exception:  # as in trace_step
        return None


def largest(need: Callable[[int], int | None], room: int, start: int) -> int | None:
    """The largest count whose need fits into the room; 0: not even one does.

    Args:
        need: bytes for a count; rises nearly linearly. None: unknown.
        room: bytes.
        start: a count to begin from, at least 1.

    Returns:
        None where `need` does not know.

    >>> largest(lambda count: 10 + 3 * count, 100, start=4)
    30
    """
    first, second = need(start), need(2 * start)
    if first is None or second is None:
        return None
    # A larger count in place of a smaller one: small ones hide part of the slope behind what all counts need.
    count = max(0, int(2 * start + (room - second) * start / max(1, second - first)))
    while count > 0 and (needed := need(count)) is not None and needed > room:
        count = min(count - 1, int(count * room / needed))
    return count


def training_step(network: TaggerNetwork, batch: tuple[Tensor, Tensor, Tensor], dtype: torch.dtype | None) -> Tensor:
    """The loss of a stand-in batch: token ids (S, T), mask (S, T) and targets (S, K)."""
    ids_ST, mask_ST, targets_SK = batch
    with torch.autocast(ids_ST.device.type, dtype=dtype, enabled=dtype is not None):
        logits_SK = network(ids_ST, mask_ST)
    return binary_cross_entropy_with_logits(logits_SK.float(), targets_SK)


def stand_in(network: TaggerNetwork, shape: BatchShape) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of that shape: token ids, mask and targets, of no content, where the network is."""
    bias_K = network.head.bias
    ids_ST = torch.full((shape.sequences, shape.tokens), 5, device=bias_K.device)
    return ids_ST, torch.ones_like(ids_ST), bias_K.new_zeros((shape.sequences, len(bias_K)))


def _trace(network: TaggerNetwork, shape: BatchShape, dtype: torch.dtype | None, *, train: bool) -> tuple[int, int]:
    """The peaks of forward and of backward, gradients included, weights not."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    # A copy whose tensors have no content: what is in `memo` is not copied.
    memo: dict[int, Any] = {id(buffer): mode.from_tensor(buffer) for buffer in network.buffers()}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(mode.from_tensor(parameter.detach()), parameter.requires_grad)
    twin = copy.deepcopy(network, memo).train(train)
    # Packing needs to see which tokens are padding. Padded, the batch is the largest that it can be, but for what
    # packing in half precision adds to have few shapes: longer texts might not fit the encoder, more of them do.
    if twin.packed and train and dtype is not None:
        shape = replace(shape, sequences=-(-shape.sequences * rounded(shape.tokens) // shape.tokens))
    twin.packed = False
    with mode, _LiveBytes([*twin.parameters(), *twin.buffers()]) as live, torch.set_grad_enabled(train):
        loss = training_step(twin, stand_in(twin, shape), dtype)
        forward = live.peak
        live.peak = live.now
        if train:
            loss.backward()  # type: ignore[no-untyped-call]
    return forward, live.peak


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that come to be inside, as long as somebody holds them."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in known}
        self.now = 0
        self.peak = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)
