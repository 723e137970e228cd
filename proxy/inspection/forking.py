"""What is spoken between a gate and the template of its workers, one question at a time, over a socket.

gate -> template    FORK, by how much the worker gives way (nice(2)), and three descriptors: its standard input,
                    output and error; or REAP and the id of a worker that has ended or is being killed
template -> gate    first READY; then one answer to each: the worker's id, or its exit status; of a worker that
                    could not be made the error number, negative

Whoever started the template may have several gates speak to it: JOIN and a descriptor, the template's end of a further
socket, on which it says READY to another gate. JOIN has no answer.

Whoever asks anything else, or not whole, is parted from.
"""

import struct
from typing import Final

REQUEST: Final = struct.Struct(">cI")
ANSWER: Final = struct.Struct(">i")
FORK: Final = b"F"
REAP: Final = b"R"
JOIN: Final = b"J"
READY: Final = 0x52454459
STANDARD: Final = 3
"""Descriptors that go with FORK."""
