"""On a terminal of 80 by 24: the picture, the keys, and what stays on the screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

from cli.scratch import PATIENCE, PROGRAM, Scratch


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, scratch: Scratch, *arguments: str, term: str = "xterm-256color") -> None:
        self.text = ""
        environment = scratch.env({"TERM": term})
        del environment["COLUMNS"], environment["LINES"]
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            os.chdir(scratch.work)
            os.execve(PROGRAM[0], [*PROGRAM, *arguments], environment)
        fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self.handle, keys.encode())

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < end, self.text
            assert self._read(), self.text

    def end(self) -> int:
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.handle)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.handle], [], [], PATIENCE)
        assert ready, self.text
        with contextlib.suppress(OSError):  # how a pseudo-terminal says that its end is reached
            if data := os.read(self.handle, 1 << 16):
                self.text += data.decode("utf-8", "replace")
                return True
        return False


def test_a_run_is_drawn_left_and_gone_on_with(hello: Scratch) -> None:
    terminal = Terminal(hello, "run", "plan.yaml")
    terminal.wait_for("waits for a person")
    terminal.press("\x03\x03")
    assert terminal.end() == 130
    assert "its agents go on." in terminal.text
    assert terminal.text.count("\x1b[?25l") <= terminal.text.count("\x1b[?25h")  # cursor is back

    hello("approve", "wording")
    terminal = Terminal(hello, "run", "plan.yaml")
    assert terminal.end() == 0
    assert "Going on with hello-" in terminal.text
    assert "5/5 tasks" in terminal.text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.text)
    picture = [line.strip("\r") for line in plain.split("\n") if "tasks" in line]
    assert all(len(line) <= 80 for line in picture)


def test_a_dumb_terminal_gets_lines(hello: Scratch) -> None:
    terminal = Terminal(hello, "run", "plan.yaml", "--yes", term="dumb")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.text
    assert "integrated as" in terminal.text


def test_watching_takes_the_screen_and_gives_it_back(hello: Scratch) -> None:
    run = Terminal(hello, "run", "plan.yaml")
    run.wait_for("waits for a person")
    watching = Terminal(hello, "watch")
    watching.wait_for("waits for a person")
    leaving = Terminal(hello, "watch")
    leaving.wait_for("waits for a person")
    leaving.press("\x03")
    assert leaving.end() == 130
    assert leaving.text.rindex("\x1b[?1049l") > leaving.text.index("\x1b[?1049h"), leaving.text
    hello("approve", "wording")
    assert run.end() == 0
    assert watching.end() == 0
    assert "succeeded. See: coditect report hello-" in watching.text
