"""All words that files are searched for, so that one pass over a piece of an archive tells of every file in it."""

from scanning.files import secrets, signatures
from scanning.files.words import Survey, WordPlaces, Words
from scanning.packages import programs

_PLACES = WordPlaces(Words(secrets.WORDS.sought | signatures.WORDS.sought | programs.WORDS.sought))


def survey(piece: bytes) -> Survey:
    """The words in `piece`; it is searched when they are asked for."""
    return Survey(_PLACES, piece)


def prepare() -> None:
    """Compile the words beforehand, which is done at their first use otherwise."""
    survey(b"\n").within(0, 1)
