"""OpenTelemetry traces and metrics for pynenc."""

from pynenc_otel.middleware import OpenTelemetry as OpenTelemetry

__all__ = ["OpenTelemetry"]
