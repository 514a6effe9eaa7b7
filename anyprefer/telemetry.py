"""Traces and metrics through OpenTelemetry, where it is installed and asked for; otherwise every function here does nothing.

Asked for means that one of OpenTelemetry's own variables names an exporter: OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER ("console" is one). Names follow the GenAI semantic conventions where there are
any. No prompt and no reply is ever sent.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

from anyprefer.errors import ConfigError

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER")

Note = Callable[..., None]
"""Adds attributes to a span."""


class _Off:
    """Stands in until telemetry is configured."""

    @contextmanager
    def span(self, name: str, attributes: dict[str, Any]) -> Iterator[Note]:
        yield lambda **more: None

    def count(self, name: str, value: float, attributes: dict[str, Any]) -> None:
        pass

    def measure(self, name: str, value: float, attributes: dict[str, Any]) -> None:
        pass


class _On:
    """Over a tracer and a meter."""

    def __init__(self, tracer: Any, meter: Any) -> None:
        self._tracer = tracer
        self._meter = meter
        self._instruments: dict[str, Any] = {}

    @contextmanager
    def span(self, name: str, attributes: dict[str, Any]) -> Iterator[Note]:
        with self._tracer.start_as_current_span(name, attributes=attributes) as span:
            yield lambda **more: span.set_attributes({key.replace("__", "."): value for key, value in more.items()})

    def count(self, name: str, value: float, attributes: dict[str, Any]) -> None:
        self._instrument(name, self._meter.create_counter).add(value, attributes)

    def measure(self, name: str, value: float, attributes: dict[str, Any]) -> None:
        self._instrument(name, self._meter.create_histogram).record(value, attributes)

    def _instrument(self, name: str, create: Callable[[str], Any]) -> Any:
        if name not in self._instruments:
            self._instruments[name] = create(name)
        return self._instruments[name]


_current: _Off | _On = _Off()


def span(name: str, **attributes: Any) -> Any:
    """A context manager around a piece of work; gives a function that adds attributes ("__" in a key stands for a dot)."""
    return _current.span(name, {key.replace("__", "."): value for key, value in attributes.items()})


def count(name: str, value: float = 1, **attributes: Any) -> None:
    """Add to a counter."""
    _current.count(name, value, {key.replace("__", "."): value for key, value in attributes.items()})


def measure(name: str, value: float, **attributes: Any) -> None:
    """Add a value to a histogram."""
    _current.measure(name, value, {key.replace("__", "."): value for key, value in attributes.items()})


@contextmanager
def telemetry() -> Iterator[bool]:
    """Export to where the environment says for the time of a run, and flush at its end; gives whether that is anywhere.

    Raises:
        ConfigError: The environment asks for telemetry and the extra is missing, or names no known exporter.
    """
    global _current  # noqa: PLW0603 - one process has one telemetry, as OpenTelemetry itself
    asked = [name for name in VARIABLES if os.environ.get(name, "none") != "none"]
    if not asked or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield False
        return
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigError(
            f"{asked[0]} asks for telemetry: pip install 'anyprefer[otel]', or set OTEL_SDK_DISABLED=true"
        ) from None
    resource = Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "anyprefer")})
    traces = TracerProvider(resource=resource)
    for exporter in _exporters("traces"):
        traces.add_span_processor(BatchSpanProcessor(exporter))
    metrics = MeterProvider([PeriodicExportingMetricReader(exporter) for exporter in _exporters("metrics")], resource)
    _current = _On(traces.get_tracer("anyprefer"), metrics.get_meter("anyprefer"))
    try:
        yield True
    finally:
        _current = _Off()
        traces.shutdown()
        metrics.shutdown()


def _exporters(signal: str) -> Iterator[Any]:
    """The exporters that OTEL_..._EXPORTER names, "otlp" where only an endpoint is given."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    default = "otlp" if os.environ.get(VARIABLES[0]) else "none"
    for name in os.environ.get(variable, default).split(","):
        if name.strip() == "none":
            continue
        plain = {"otlp": "otlp_proto_http"}.get(name.strip(), name.strip())
        found = list(entry_points(group=f"opentelemetry_{signal}_exporter", name=plain))
        if not found:
            raise ConfigError(
                f"{variable} = {name!r}: no such exporter is installed; 'otlp' and 'console' come with anyprefer[otel]"
            )
        yield found[0].load()()
