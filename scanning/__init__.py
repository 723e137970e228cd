"""The pure floor: bytes, values and a time in; facts, findings and verdicts out. No I/O, no event loop."""
