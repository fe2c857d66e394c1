"""The check of what pages show: small pages, really run."""

from pathlib import Path

import pytest

from kdbench.docs.check.__main__ import checked, every
from kdbench.docs.check.blocks import PageError, read
from kdbench.docs.check.part import whole

FENCE = "`" * 3


def page(tmp_path: Path, text: str) -> Path:
    """A page in which ~~~ stands for a fence, so that this file is no page itself."""
    path = tmp_path / "page.md"
    path.write_text(text.replace("~~~", FENCE))
    return path


def run(tmp_path: Path, text: str):
    return checked(page(tmp_path, text), tmp_path / "scratch")


def test_a_page_is_one_session(tmp_path):
    told = run(
        tmp_path,
        """
~~~bash
mkdir there && cd there
export WORD=hello
~~~

1. In a list, too:

   ~~~text title="said/file.txt"
   some words
   ~~~

~~~python
import os, pathlib
print(os.environ["WORD"], pathlib.Path("said/file.txt").read_text(), pathlib.Path.cwd().name)
~~~

<!-- check: output -->
~~~text
hello  some words
there
~~~

<!-- check: exit 3 -->
~~~bash
sh -c "exit 3"
~~~

<!-- check: setup
touch hidden
-->
~~~bash
test -f hidden && test "$HOME/there" = "$PWD"
~~~

<!-- check: not run, a GPU -->
~~~bash
nvidia-smi --really
~~~
""",
    )
    assert not told.failure
    assert told.run == 7
    assert [block.left_out for block in told.left_out] == ["a GPU"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("~~~bash\ntrue\nls nowhere-at-all \\\n  -l\n~~~\n", ["page.md:4: exit code 2", "nowhere-at-all", "No such file"]),
        ("~~~python\nprint('before')\n1 / 0\n~~~\n", ["page.md:3: exit code 1", "ZeroDivisionError"]),
        ("<!-- check: exit 1 -->\n~~~bash\ntrue\n~~~\n", ["page.md:4: exit code 0, not 1: true"]),
        (
            "~~~bash\necho one\n~~~\n\n<!-- check: output -->\n~~~text\none\ntwo\n~~~\n",
            ["page.md:9: not in the output: two", "    one"],
        ),
        ("~~~yaml\nmethods: [kdd]\n~~~\n", ["page.md:3: exit code 2", "did you mean 'kd'?"]),
    ],
)
def test_what_a_page_says_and_does_not_hold_is_told_with_its_line(tmp_path, text, expected):
    told = run(tmp_path, f"\n{text}")
    for words in expected:
        assert words.replace("~~~", FENCE) in told.failure


@pytest.mark.parametrize(
    "text, expected",
    [
        ("words\n\n    kdbench run\n", "page.md:3: an indented block has no language"),
        ("~~~\nkdbench run\n~~~\n", "page.md:2: a block without a language"),
        ("~~~rust\nfn main\n~~~\n", "a block of rust is neither run nor written"),
        ("<!-- check: no run -->\n~~~bash\ntrue\n~~~\n", "page.md:1: 'check: no run' means nothing"),
        ("<!-- check: exit 2 -->\n~~~bash\ntrue\nfalse\n~~~\n", "is said of one command"),
        ("<!-- check: not run, why -->\n\nwords\n", "page.md:1: this comment says something of a block, and none follows"),
    ],
)
def test_nothing_escapes(tmp_path, text, expected):
    with pytest.raises(PageError, match=r"page\.md") as caught:
        read(page(tmp_path, text))
    assert expected in str(caught.value)


def test_parts_of_suites_are_made_whole():
    assert whole("methods: [kd]") == "version: 1\nname: part\ntasks: [digits]\nmethods: [kd]"
    assert whole("version: 1\nname: a\ntasks: []\n") == "version: 1\nname: a\ntasks: []\n"


def test_all_pages_can_be_read(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    found = {path.as_posix(): read(path) for path in every()}
    assert {"README.md", "docs/own-data.md", "docs/reference/suite.md", "suites/README.md"} <= found.keys()
    assert not any(name.startswith("docs/methods/") for name in found)
