"""Predictions over Ray Data: the same blocks and the same lines, computed by actors of a cluster.

One task reads the records and hands out blocks, as they are asked for; actors, each with a tagger of its own, make
lines of them, which come back in order. Every node must reach the records and the bundle under the same path.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tagnet.errors import MissingExtraError
from tagnet.prediction.stream import AnyTagger, Lines, predict_block
from tagnet.records.record import Record, RecordId

_COLUMN = "block"

Blocks = Callable[[], Iterator[Sequence[tuple[RecordId, Record]]]]
"""Reads records, and gives them a block at a time."""


def lines_with_ray(
    blocks: Blocks,
    load: Callable[[], AnyTagger],
    *,
    top: int | None,
    batch_size: int,
) -> Iterator[Lines]:
    """The lines of all blocks, in order.

    Args:
        blocks: called where the records are read.
        load: called once in each actor.
        top: how many tags of each record; None: all.
        batch_size: records in a batch.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    # Without it Ray writes a token file into the home directory.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError(
            "--engine ray needs a package that is not installed: ray.\nInstall it with: pip install 'tagnet[ray]'"
        ) from error

    started_here = not ray.is_initialized()
    if started_here:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, configure_logging=False)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    in_order, bars = context.execution_options.preserve_order, context.enable_progress_bars
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    try:
        cores = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
        predicted = ray.data.read_datasource(_source(blocks), override_num_blocks=1).map_batches(
            _Predict,
            fn_constructor_args=(load, top, batch_size),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, cores - 1)),
        )
        for row in predicted.iter_rows():
            yield int(row["count"]), row["lines"]
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = in_order, bars
        if started_here:
            ray.shutdown()


class _Predict:
    """The actor."""

    def __init__(self, load: Callable[[], AnyTagger], top: int | None, batch_size: int) -> None:
        self._tagger = load()
        self._top = top
        self._batch_size = batch_size

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        made = [
            predict_block(self._tagger, json.loads(packed), self._top, self._batch_size) for packed in batch[_COLUMN]
        ]
        return {
            "count": np.array([count for count, _ in made], dtype=np.int64),
            "lines": np.array([lines for _, lines in made], dtype=object),
        }


def _source(blocks: Blocks) -> Any:
    """A data source of one task, whose rows are blocks."""
    import pyarrow
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class BlockSource(Datasource):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *rest: Any, **more: Any) -> list[Any]:
            def read() -> Iterator[Any]:
                for block in blocks():
                    packed = json.dumps([(identity, dict(each.fields)) for identity, each in block]).encode()
                    yield pyarrow.table({_COLUMN: pyarrow.array([packed], pyarrow.large_binary())})

            return [ReadTask(read, BlockMetadata(None, None, None))]

    return BlockSource()
