"""OpenTelemetry spans of requests and their stages, where the SDK is set up; else nothing at all.

Names and attributes are those of the record. An exporter is the operator's: with the packages
`opentelemetry-sdk` and an exporter, `OTEL_EXPORTER_OTLP_ENDPOINT` and the other usual variables.
"""

from __future__ import annotations

import time
from typing import Any

from sallet.gateway.trail import Trail


class Traces:
    """Writes one span a request, with one below it for each stage."""

    def __init__(self, provider: Any = None) -> None:
        """`provider` is a tracer provider; without one, the process's own."""
        try:
            from opentelemetry import trace
        except ImportError:
            self._trace: Any = None
            return
        self._trace = trace
        self._tracer = trace.get_tracer("sallet.gateway", tracer_provider=provider)

    def request(self, trail: Trail) -> None:
        """The span of a request that is over, and of its stages where they were in it."""
        if self._trace is None:
            return
        end = time.time_ns()
        whole = int((time.monotonic() - trail.began) * 1e9)
        span = self._tracer.start_span(f"POST {trail.path}", start_time=end - whole)
        if not span.is_recording():
            return
        told = {
            "sallet.request_id": trail.id,
            "sallet.verdict": trail.verdict,
            "sallet.code": trail.code,
            "sallet.stack": trail.stack,
            "sallet.stack_digest": trail.stack_digest,
            "sallet.policy": trail.policy,
            "gen_ai.request.model": trail.model,
            "http.response.status_code": trail.status,
        }
        span.set_attributes({name: value for name, value in told.items() if value is not None})
        below = self._trace.set_span_in_context(span)
        for stage in trail.stages:
            began = end - whole + int(stage.get("at", 0) * 1e6)
            one = self._tracer.start_span(stage["stage"], context=below, start_time=began)
            one.end(end_time=began + int(stage["ms"] * 1e6))
        span.end(end_time=end)


def setup() -> None:
    """Sets the SDK up from the environment, if an endpoint is named there and it is installed."""
    import os

    if not any(name.startswith("OTEL_EXPORTER") for name in os.environ):
        return
    from sallet.core.errors import UsageError

    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # pyright: ignore
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UsageError(
            f"OTEL_EXPORTER_... is set, and {error.name} is missing: pip install opentelemetry-sdk "
            "opentelemetry-exporter-otlp-proto-http"
        ) from None
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
