"""The names of attributes, metrics and headers, in one place: the conventions are still in development.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
"""

from __future__ import annotations

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
MESSAGE_ID = "messaging.message.id"
CONVERSATION_ID = "messaging.message.conversation_id"
BATCH_COUNT = "messaging.batch.message_count"
ERROR_TYPE = "error.type"
TASK = "pynenc.task"
APP = "pynenc.app"
ATTEMPT = "pynenc.attempt"
END = "pynenc.end"
STATUS = "pynenc.status"
RUNNER_ID = "pynenc.runner_id"

PYNENC = "pynenc"
SEND, PROCESS = "send", "process"

SENT = "messaging.client.sent.messages"
CONSUMED = "messaging.client.consumed.messages"
DURATION = "messaging.process.duration"
CHANGES = "pynenc.status.changes"

MEMBER = "pynenc-otel-member"
"""The header of an invocation that was submitted together with others."""
