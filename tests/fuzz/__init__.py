"""Coverage-guided fuzzing of everything that reads bytes of strangers: `make fuzz`.

    targets.py   what is fuzzed, and what must hold of it; those that change something right have a module each:
                 tables rpm dotnet zips programs installed documents signed advisories
    reading.py   what must hold of every layer and file that is read
    forge.py     input as changes to documents, bytes and lines, so that what lies behind checks of the whole is reached
    tar.py       input as an archive whose checksums are right, for the same reason
    corpus.py    inputs to begin with: a text file for each target below `corpus/`
    __main__.py  the command: which targets, for how long, and what was found
    runner.py    one target after the other under atheris, each in a process of its own

What a run has found is put into the tests of the module that was mended, as a readable case.
"""
