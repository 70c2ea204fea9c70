"""Client spans, made by OpenTelemetry's usual instrumentation of gRPC and sent by OTLP over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, format_trace_id


class ClientSpans(SpanProcessor):
    """Remembers the trace of the last client span, and where spans are made."""

    def __init__(self, otlp_url: str) -> None:
        self.trace_id = ""
        self.provider = TracerProvider(resource=Resource({"service.name": "python-driver"}), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp_url}/v1/traces")))
        self.provider.add_span_processor(self)

    def on_end(self, span: ReadableSpan) -> None:
        """Called by OpenTelemetry."""
        if span.kind == SpanKind.CLIENT:
            self.trace_id = format_trace_id(span.context.trace_id)


@contextmanager
def client_spans(otlp_url: str) -> Iterator[ClientSpans]:
    """Sends what was made by the end of the block."""
    spans = ClientSpans(otlp_url)
    try:
        yield spans
    finally:
        spans.provider.shutdown()
