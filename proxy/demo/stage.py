"""What the person at the terminal sees: each step with the gate's answer, and whether it came out as it must."""

from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from proxy.demo.client import Answer
from storage.printable import printable

_INDENT = 7
_LONGEST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must be. `mentions` are words that the client's line must hold."""

    status: int
    code: str = ""
    mentions: tuple[str, ...] = ()

    def deviations(self, answer: Answer) -> tuple[str, ...]:
        """What is otherwise in `answer`, in words; nothing if all is as it must be."""
        found = []
        if (answer.status, answer.code) != (self.status, self.code):
            found.append(f"expected {self.status} {self.code}".rstrip())
        found += [f"the line does not mention {word!r}" for word in self.mentions if word not in answer.line]
        if self.status < 400 and not self.mentions and answer.line:
            found.append("expected no warning")
        return tuple(found)


class Stage:
    """Prints to `console` and counts. `deviations` is how many steps came out otherwise than they must."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._scenes = 0
        self.steps = 0
        self.deviations = 0

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line as it is."""
        self._console.print(Text(text, style), soft_wrap=True)

    def scene(self, title: str, *notes: str) -> None:
        """Begin the next scene."""
        self._scenes += 1
        self.say()
        self.say(f"{self._scenes}. {title}", "bold")
        for note in notes:
            self.say(f"   {note}", "dim")

    def step(self, who: str, what: str, answer: Answer, expected: Expected) -> None:
        """Show what `who` did and was told, and compare."""
        deviations = expected.deviations(answer)
        self.steps += 1
        self.deviations += bool(deviations)
        mark, style = ("✗", "bold red") if deviations else ("✓", "green")
        line = Text.assemble(
            (f"   {mark} ", style), f"{who:<10} {what:<44} ", (f"{answer.status} {answer.code}", "bold")
        )
        line.rstrip()
        self._console.print(line, soft_wrap=True)
        if answer.line:
            self._quote(printable(answer.line, _LONGEST_LINE), "cyan")
        for deviation in deviations:
            self._quote(deviation, "bold red")

    def _quote(self, line: str, style: str) -> None:
        """Indented; wrapped on a terminal only, so that in a pipe a line stays a line."""
        if self._console.is_terminal:
            self._console.print(Padding(Text(line, style), (0, 0, 0, _INDENT)))
        else:
            self._console.print(Text(" " * _INDENT + line), soft_wrap=True)
