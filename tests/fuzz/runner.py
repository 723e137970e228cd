"""One target under atheris, in a process of its own: `python -m tests.fuzz.runner TARGET [libFuzzer's options]`.

Everything below `scanning` is instrumented as it is imported, so nothing may have imported it before.
"""

import sys

import atheris


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    with atheris.instrument_imports(include=["scanning", "config.versions"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
