"""What Prometheus reads at `/metrics`; labels are never of a client's making."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_ITEMS = (1, 2, 4, 8, 16, 32, 64)


class Gauges:
    """The counts of one gateway; where several processes share a folder for them, of all of it.

    The library looks for the folder in `PROMETHEUS_MULTIPROC_DIR` when it is imported.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def now(name: str, about: str, all_of_us: str = "livesum") -> Any:
            return of(Gauge, name, about, multiprocess_mode=all_of_us)

        def of(kind: Any, name: str, about: str, *labels: str, **more: Any) -> Any:
            return kind(f"sallet_{name}", about, labels, registry=self.registry, **more)

        self.requests = of(Counter, "requests", "Requests", "path", "status")
        self.verdicts = of(Counter, "verdicts", "What became of requests", "verdict", "stack")
        self.refusals = of(Counter, "refusals", "Why there was no answer", "code")
        self.seconds = of(Histogram, "request_seconds", "Whole requests", "path", buckets=_SECONDS)
        self.first = of(
            Histogram, "first_byte_seconds", "Until the first byte of a stream", buckets=_SECONDS
        )
        self.stages = of(
            Histogram, "stage_seconds", "Stages of the guard", "stage", buckets=_SECONDS
        )
        self.batch = of(
            Histogram,
            "batch_items",
            "Items that went to a worker together",
            "worker",
            buckets=_ITEMS,
        )
        self.worker = of(
            Histogram, "worker_seconds", "Calls of a worker", "worker", buckets=_SECONDS
        )
        self.queue = now("queue_items", "Items that wait for a worker")
        self.flying = now("requests_in_flight", "Requests that are being served")
        self.upstream = of(
            Counter, "upstream_errors", "Failures of model servers", "upstream", "code"
        )
        self.failed_records = of(Counter, "audit_failures", "Records that could not be written")
        self.reloads = of(Counter, "policy_reloads", "Policies that were read again", "result")
        self.ready = now("ready", "Whether requests are taken", "livemin")
        self.processes = now("processes", "Processes that serve")

    def batched(self, worker: str, items: int, seconds: float) -> None:
        """One call of a worker."""
        self.batch.labels(worker).observe(items)
        self.worker.labels(worker).observe(seconds)

    def page(self) -> bytes:
        """All of it as text, added up over the processes that serve together."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)
        return generate_latest(everybody)
