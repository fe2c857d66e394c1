"""What tasks on sets from folders of yours share: where a set lies, which one is meant, what is told where it is missing."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from pydantic import Field

from kdbench.contract.errors import DataError
from kdbench.contract.model import Config
from kdbench.contract.task import Task


def place(description: str) -> Any:
    """A param that says where a set lies, which is no part of a result's identity."""
    return Field("", description=description, exclude=True, json_schema_extra={"identity": False})


def content_param(description: str, default: str = "") -> Any:
    """A param that says which set is meant: the 64 digits of its fingerprint, or the default."""
    return Field(default, description=description, pattern=rf"^({default}|[0-9a-f]{{64}})$")


class FromFolderConfig(Config):
    root: str = place("folder that holds the set, if not under KDBENCH_DATA; where it lies is no part of a result's identity")


class FromFolder(Task):
    """A task on a set that may be missing; its param `content`, if it has one, is the fingerprint of the set that is meant.

    `reader` names the function (module:function, without torch) that says of a task and its params which sets these are
    (`tasks.data.meant.Meant`): so a run finds out before its first job whether they are there.
    """

    reader: ClassVar[str]

    @classmethod
    def fingerprint(cls, config: Any) -> str:
        if "content" not in cls.Config.model_fields:
            return super().fingerprint(config)
        return f"sha256:{config.content or 'of params.content'}"

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """What there is to tell of the set, if it is there."""

    def describe(self) -> dict[str, Any]:
        what = {"what": (self.__doc__ or "").split("\n")[0]}
        try:
            return what | self.details()
        except DataError as error:  # what is missing is told, and all else can still be read
            return what | {"data": str(error)}
