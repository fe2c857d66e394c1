"""Where tasks and the run that they belong to leave messages for each other: an actor beside the run, which dies with it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any


class Post:
    """A task is known by its number: another try at the same job has another one, so a late word of the first is nobody's."""

    def __init__(self) -> None:
        self._news: list[tuple[int, dict[str, Any]]] = []
        self._signals: defaultdict[int, list[int]] = defaultdict(list)

    def ask(self, task: int, news: list[dict[str, Any]]) -> list[int]:
        """A task tells its news, and hears the signals for its job."""
        self._news += [(task, each) for each in news]
        return self._signals.pop(task, [])

    def signal(self, task: int, signum: int) -> None:
        self._signals[task].append(signum)

    def collect(self) -> list[tuple[int, dict[str, Any]]]:
        news, self._news = self._news, []
        return news
