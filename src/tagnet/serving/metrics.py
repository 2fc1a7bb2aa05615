"""What Prometheus is told."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and histograms of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter("tagnet_requests", "Requests.", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "tagnet_request_seconds",
            "Seconds from a request's headers to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge("tagnet_requests_in_flight", "Requests that are being answered.", registry=self.registry)
        self.queue = Gauge("tagnet_queue_records", "Records that wait or are computed.", registry=self.registry)
        self.batch_records = Histogram(
            "tagnet_batch_records", "Records of a batch.", buckets=_SIZES, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "tagnet_batch_seconds", "Seconds of a batch.", buckets=_SECONDS, registry=self.registry
        )
        self.reloads = Counter("tagnet_reloads", "Reloads of the model.", ["result"], registry=self.registry)
        self.model = Gauge("tagnet_model_info", "1 for the model that is served.", ["version"], registry=self.registry)
        self.annotations = Counter("tagnet_annotations", "Annotations that were stored.", registry=self.registry)

    def batch(self, size: int, seconds: float) -> None:
        """Count a batch."""
        self.batch_records.observe(size)
        self.batch_seconds.observe(seconds)

    def serve(self, version: str) -> None:
        """Name the model that is served from now on."""
        self.model.clear()
        self.model.labels(version).set(1)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)
