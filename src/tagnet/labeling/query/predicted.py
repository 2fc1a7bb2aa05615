"""The pool as a bundle sees it. Needs torch, when it is called.

Legend: N records, K tags, E members, M labelled records.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import ConfigError
from tagnet.labeling.query.pool import Bools, Floats, Pool
from tagnet.labeling.query.strategies import Needs
from tagnet.records.record import Record

if TYPE_CHECKING:
    from tagnet.prediction.tagger import Tagger


def predicted_pool(
    tagger: Tagger,
    records: Sequence[Record],
    needs: Collection[Needs],
    *,
    labelled: Sequence[Record] | None = None,
    members: Sequence[Tagger] = (),
    dropout_passes: int = 0,
    seed: int = 0,
    known_NK: Bools | None = None,
    progress: Callable[[int], object] | None = None,
) -> Pool:
    """What a strategy is told of records that wait.

    Args:
        tagger: the bundle that judges.
        records: N records that wait.
        needs: what the strategy reads; nothing else is computed.
        labelled: records with their tags, which are counted and whose vectors diversity keeps away from; None: the
            counts of the bundle's training records, and no vectors.
        members: more bundles or checkpoints, which make an ensemble with the bundle.
        dropout_passes: so many passes of the bundle with dropout, which are members, too.
        seed: of the dropout.
        known_NK: cells that are not to be asked.
        progress: called with the number of records that the bundle has judged.

    Raises:
        ConfigError: a member has other tags, or the network has no dropout.
    """
    bundle = tagger.bundle
    probs_NK = tagger.probabilities(records, progress=progress)
    wanted: Collection[Needs] = needs if records else ()
    embeddings_ND = tagger.embeddings(records) if "embeddings_ND" in wanted else None
    labelled_MD = tagger.embeddings(labelled) if labelled and embeddings_ND is not None else None
    members_ENK = None
    if "members_ENK" in wanted:
        parts = [probs_NK[None]] if members else []
        parts += [_by_tag(tagger, member, member.probabilities(records))[None] for member in members]
        if dropout_passes:
            parts.append(tagger.dropout_probabilities(records, dropout_passes, seed))
        members_ENK = np.concatenate(parts) if parts else None
    counts = bundle.train_counts if labelled is None else _counts(tagger, labelled)
    return Pool(
        probs_NK,
        bundle.rule.thresholds_K,
        np.array([counts.get(tag, 0) for tag in tagger.tags], dtype=np.int64),
        embeddings_ND,
        labelled_MD,
        members_ENK,
        known_NK,
    )


def _counts(tagger: Tagger, labelled: Sequence[Record]) -> Mapping[str, int]:
    """Labelled records that bear each tag, in the bundle's words."""
    bundle, counts = tagger.bundle, dict.fromkeys(tagger.tags, 0)
    for record in labelled:
        tags: Sequence[str] = record.tags
        if bundle.taxonomy is not None:
            tags, _ = bundle.taxonomy.canonical(
                tags, resolve_aliases=bundle.labels.resolve_aliases, add_parents=bundle.labels.add_parents
            )
        for tag in set(tags) & counts.keys():
            counts[tag] += 1
    return counts


def _by_tag(tagger: Tagger, member: Tagger, probs_NK: NDArray[Any]) -> Floats:
    """A member's columns in the bundle's order."""
    if set(member.tags) != set(tagger.tags):
        differ = sorted(set(member.tags) ^ set(tagger.tags))
        raise ConfigError(
            f"{member.bundle.folder}: expected the {len(tagger.tags)} tags of {tagger.bundle.folder}, found others: "
            f"{', '.join(differ[:5])}{', …' if len(differ) > 5 else ''}"
        )
    return np.asarray(probs_NK[:, [member.tags.index(tag) for tag in tagger.tags]])
