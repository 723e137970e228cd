"""How commands speak to the person at the terminal."""

import typer


def complain(message: str) -> None:
    """Write an error to standard error, red on a terminal, with nothing in it that could steer the terminal."""
    typer.secho(printable(message), fg=typer.colors.RED, err=True)


def printable(text: str) -> str:
    """`text` with every control character but the line feed written as an escape."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1] for character in text
    )
