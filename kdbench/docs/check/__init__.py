"""What pages show is done: `python -m kdbench.docs.check` runs every block of code of every page that is written by hand.

A page is one session in a fresh folder, as a reader would have it who types what he sees:

    bash      is run, in a shell that keeps its folder and variables from block to block; each command must end with 0
    python    is run by itself
    anything with title="NAME" is written to that file
    yaml      without a title is a part of a suite: with a name and a task where it has none, `kdbench check` must accept it
    text      is shown and not run

A comment before a block says what is special about it:

    <!-- check: not run, REASON -->   it is left out, and the report says so
    <!-- check: exit 2 -->            its one command ends with 2
    <!-- check: output -->            (of text) each of its lines is in the output of what was run last
    <!-- check: setup                 commands that a reader does not see
    mkdir shots
    -->
    <!-- check: checkout -->          (of the page) the session is in a copy of the repository
"""
