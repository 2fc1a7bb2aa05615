"""What the study tries: a name, and how its run differs from the recipe of protocol B.

A word without = names a way of averaging weights, see `averaging`.
"""

from __future__ import annotations

from collections.abc import Mapping

BASE = "base"

ARMS: Mapping[str, tuple[str, ...]] = {
    BASE: (),
    "lexical evidence: none": ("model.lexical=false",),
    # Losses
    "loss: weighted_bce": ("loss=weighted_bce",),
    "loss: focal": ("loss=focal",),
    "loss: asl": ("loss=asl",),
    "loss: distribution_balanced": ("loss=distribution_balanced",),
    "loss: class_balanced": ("loss=class_balanced",),
    "loss: zlpr": ("loss=zlpr",),
    "loss: two_way": ("loss=two_way",),
    # Samplers
    "sampler: oversample": ("sampler=oversample",),
    "sampler: undersample": ("sampler=undersample",),
    "sampler: repeat_factor": ("sampler=repeat_factor",),
    # Heads and pooling
    "head: linear": ("model.head=linear",),
    "head: label_attention": ("model.head=label_attention",),
    "pooling: cls": ("model.pooling=cls",),
    "pooling: max": ("model.pooling=max",),
    "pooling: attention": ("model.pooling=attention",),
    "dropout: 0.3": ("model.dropout=0.3",),
    "encoder dropout: none": ("model.encoder_dropout=0",),
    # Optimization
    "lr: halved": ("optim.lr=5e-5",),
    "lr: doubled": ("optim.lr=2e-4",),
    "head lr: tripled": ("optim.head_lr=3e-3",),
    "layer decay: none": ("optim.layer_decay=1",),
    "layer decay: 0.8": ("optim.layer_decay=0.8",),
    "epochs: 4": ("trainer.max_epochs=4",),
    "epochs: 12": ("trainer.max_epochs=12",),
    "weights: moving average": ("ema",),
    "weights: mean of the last half": ("swa",),
    "precision: 32-true": ("trainer.precision=32-true",),
    # Features
    "features: title alone": ("data.features=[title]",),
    "features: description alone": ("data.features=[description]",),
}
