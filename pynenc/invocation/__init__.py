"""Invocations: the status machine and the handles that users hold."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "BaseInvocation": "pynenc.calls.interfaces",
        "BaseInvocationGroup": "pynenc.calls.interfaces",
        "ConcurrentInvocation": "pynenc.client.inline_invocation",
        "ConcurrentInvocationGroup": "pynenc.client.inline_invocation",
        "DistributedInvocation": "pynenc.client.dist_invocation",
        "DistributedInvocationGroup": "pynenc.client.dist_invocation",
        "InvocationStatus": "pynenc.invocation.status",
        "ReusedInvocation": "pynenc.client.dist_invocation",
        "SynchronousInvocation": "pynenc.client.inline_invocation",
        "SynchronousInvocationGroup": "pynenc.client.inline_invocation",
        "WorkflowIdentity": "pynenc.invocation.workflow_identity",
    },
)
