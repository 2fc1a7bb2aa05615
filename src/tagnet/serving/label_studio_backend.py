"""What Label Studio asks an ML backend, answered by an engine: https://labelstud.io/guide/ml_create.

Predictions hold what the labeling config offers and the model accepts, under the names that the config has; a tag that
only one of them knows is left out.

Shapes: N tasks, K tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import LabelingError
from tagnet.labeling.label_studio_server.config_xml import Offer, parse_config, read_offers
from tagnet.labeling.tools.label_studio import CONTROL_NAME
from tagnet.serving.engine import Engine
from tagnet.serving.refusal import Refusal


@lru_cache(maxsize=8)
def find_offer(label_config: str, tags: tuple[str, ...]) -> tuple[Offer | None, str | None]:
    """The control to predict for, and the key of the text that it is about; each None where there is none.

    That is the control that tagnet's own configs have, else the first that offers a tag of the model.

    Args:
        label_config: the project's labeling config, XML.
        tags: the model's.

    Raises:
        Refusal: it is no XML.

    >>> config = '<View><Text name="t" value="$body"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
    >>> offer, key = find_offer(config, ("a", "b"))
    >>> offer.name, offer.single, key
    ('c', True, 'body')
    """
    try:
        root = parse_config(label_config)
        offers = read_offers(label_config)
    except LabelingError as fault:
        raise Refusal(422, "not_a_config", f"label_config: {fault}"[:500]) from fault
    known = frozenset(tags)
    usable = [offer for offer in offers if offer.tags & known]
    own = [offer for offer in usable if offer.name == CONTROL_NAME]
    offer = next(iter([*own, *usable]), None)
    return offer, None if offer is None else _text_key(root, offer)


def task_fields(
    task: Mapping[str, Any], engine: Engine, most_characters: int, key: str | None, place: str
) -> dict[str, str]:
    """The texts of a task that the model reads: fields of its names, else the text that annotators see, as the first.

    Raises:
        Refusal: there are none, or they are too long.
    """
    data = task.get("data")
    if not isinstance(data, Mapping):
        raise Refusal(422, "no_data", f"{place}: expected an object as its data")
    if not any(isinstance(data.get(name), str) for name in engine.features) and isinstance(data.get(key), str):
        data = {engine.features[0]: data[key]}
    texts = {name: value for name in engine.features if isinstance(value := data.get(name), str)}
    return engine.fields(texts, most_characters, f"{place}.data")


def predictions(engine: Engine, probs_NK: NDArray[np.float64], offer: Offer | None) -> list[dict[str, Any]]:
    """One prediction a task: `result` (empty where no tag fits), `score` (mean probability of its tags, else 0)."""
    paths = {} if offer is None else {path[-1]: path for path in reversed(offer.paths)}
    accepted_NK = engine.accept(probs_NK)
    found = []
    for probs_K, accepted_K in zip(probs_NK, accepted_NK, strict=True):
        order_K = np.argsort(-probs_K, kind="stable")
        chosen = [k for k in order_K if accepted_K[k] and engine.tags[k] in paths]
        if offer is not None and offer.single:
            chosen = chosen[:1]
        tags = [engine.tags[k] for k in chosen]
        found.append(
            {
                "result": [] if offer is None or not tags else [_result(offer, [paths[tag] for tag in tags])],
                "score": float(probs_K[chosen].mean()) if chosen else 0.0,
                "model_version": engine.version,
            }
        )
    return found


def _result(offer: Offer, paths: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    value = [path[-1] for path in paths] if offer.control == "choices" else [list(path) for path in paths]
    return {
        "from_name": offer.name,
        "to_name": offer.to_name,
        "type": offer.control,
        "value": {offer.control: value},
    }


def _text_key(root: ElementTree.Element, offer: Offer) -> str | None:
    """The key in a task's data of the object that a control is about: `value="$key"`."""
    for each in root.iter():
        value = each.get("value") or ""
        if each.get("name") == offer.to_name and value.startswith("$"):
            return value[1:]
    return None
