"""The identifier of a task: the module and the name of its function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TaskId:
    """Names a task so that any process that can import the module finds it.

    Attributes:
        module: Import path of the module that defines the function.
        func_name: Name of the function in that module.
    """

    module: str
    func_name: str

    @property
    def key(self) -> str:
        """The id as one string, `module.function`."""
        return f"{self.module}.{self.func_name}"

    @classmethod
    def from_key(cls, key: str) -> TaskId:
        """Split `module.function` at its last dot.

        Raises:
            ValueError: The key has no dot, so it names no module.
        """
        module, dot, name = key.rpartition(".")
        if not dot or not module or not name:
            raise ValueError(f"'{key}' is not a task id: it must look like 'module.function'")
        return cls(module, name)

    def __str__(self) -> str:
        return self.key
