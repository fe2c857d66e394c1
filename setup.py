"""What pyproject.toml cannot say: the suites, which lie at the top of the repository, go into the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithSuites(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:  # then they are read where they lie
            return
        for suite in Path("suites").rglob("*.yaml"):
            target = Path(self.build_lib, "kdbench", suite)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(suite, target)


setup(cmdclass={"build_py": WithSuites})
