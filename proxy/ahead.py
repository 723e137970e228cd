"""What is asked for all the time is looked up again before it is too old to be believed: nobody waits for that."""

AHEAD = "looking ahead"
"""The name of the tasks that do so. Nobody waits for them; if they fail, whoever asks next finds out why."""
