"""`imagegate verdict`, `imagegate image` and `imagegate audit`, beside the state a gate has left."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from scanning.documents import decode
from scanning.oci.digest import Digest
from scanning.verdict import Outcome, Verdict
from tests.images import TestImage
from tests.proxy.cli.conftest import BOTH, CLEAN, HOSTILE, WITH_SSH, Run, State


def id_of(judged: State, image: TestImage, repository: str = "team/app") -> str:
    return judged.verdicts[f"{repository}@{image.digest}"]


class TestShow:
    def test_a_refusal_says_what_where_why_and_what_to_do(self, beside: Run, judged: State) -> None:
        shown = beside("verdict", "show", id_of(judged, WITH_SSH))

        assert shown.exit_code == 0
        lines = shown.stdout.splitlines()
        assert lines[0] == "REFUSED"
        assert f"  image        team/app@{WITH_SSH.digest}" in lines
        assert lines[1] == "1 thing to do."
        assert "1.  Remove 1 tool [deny.tools: reject]" in lines
        assert (
            "  - ssh in usr/bin/ssh: a tool of the kind ssh-client (recognised by path) is not allowed" in shown.stdout
        )
        assert "  => remove usr/bin/ssh and build again" in lines
        assert f"  verdict      {id_of(judged, WITH_SSH)}, " in shown.stdout

    def test_one_whose_making_is_not_kept_any_more_is_told_as_well_as_can_be(self, own: Run, own_folder: Path) -> None:
        with sqlite3.connect(own_folder / "imagegate.sqlite3") as database:
            (name,) = database.execute("SELECT id FROM verdicts WHERE outcome = 'reject' LIMIT 1").fetchone()
            database.execute("DELETE FROM documents WHERE digest IN (SELECT body ->> '$.inputs.policy' FROM verdicts)")
        database.close()

        shown = own("verdict", "show", name)

        assert shown.exit_code == 0
        assert "[deny." in shown.stdout
        assert "not all that it was made of is kept any more" in shown.stdout

    @pytest.mark.parametrize(
        ("image", "repository", "headline"),
        [
            (CLEAN, "team/app", "ADMITTED"),
            (CLEAN, "signed/app", "IN QUARANTINE: only those who may push can pull it"),
            (WITH_SSH, "watched/app", "REFUSED (audit mode: let through and recorded)"),
        ],
    )
    def test_the_first_line_says_what_was_decided(
        self, beside: Run, judged: State, image: TestImage, repository: str, headline: str
    ) -> None:
        assert beside("verdict", "show", id_of(judged, image, repository)).stdout.splitlines()[0] == headline

    def test_as_json_it_is_the_whole_document(self, beside: Run, judged: State) -> None:
        shown = beside("verdict", "show", id_of(judged, WITH_SSH), "--json")

        verdict = decode(Verdict, shown.stdout.encode())
        assert (verdict.digest, verdict.outcome) == (WITH_SSH.digest, Outcome.REJECT)

    def test_one_that_nobody_made(self, beside: Run) -> None:
        shown = beside("verdict", "show", "nobody\x1b[2J")

        assert shown.exit_code == 2
        assert shown.stderr.startswith("there is no verdict nobody\\x1b[2J (any more): ")

    def test_what_an_image_says_cannot_steer_the_terminal(self, beside: Run, judged: State) -> None:
        shown = beside("verdict", "show", id_of(judged, HOSTILE))

        assert "root/\\x1b[2J\\x07[bold]evil" in shown.stdout
        assert "\x1b" not in shown.output
        assert "\x07" not in shown.output


class TestList:
    def test_the_newest_come_first(self, beside: Run, judged: State) -> None:
        listed = beside("verdict", "list")

        header, *lines = listed.stdout.splitlines()
        assert header.split() == ["id", "judged", "(UTC)", "outcome", "image", "first", "reason"]
        assert len(lines) == 10  # eight manifests were pushed, and with the index its two images judged again
        assert lines[0].startswith(id_of(judged, WITH_SSH, "watched/app"))
        assert "reject (audit)" in lines[0]
        assert f"watched/app@sha256:{WITH_SSH.digest.short}…" in lines[0]
        assert "ssh [deny.tools]" in lines[0]

    def test_of_one_repository_and_one_outcome(self, beside: Run, judged: State) -> None:
        quarantined = beside("verdict", "list", "--outcome", "quarantine").stdout.splitlines()
        of_signed = beside("verdict", "list", "--repository", "signed/app").stdout.splitlines()

        assert quarantined == of_signed
        assert quarantined[1].startswith(id_of(judged, CLEAN, "signed/app"))

    def test_as_many_as_asked_for(self, beside: Run) -> None:
        assert len(beside("verdict", "list", "--limit", "2").stdout.splitlines()) == 3

    def test_before_the_first_there_are_none(self, run: Run) -> None:
        run("token", "create", "ci")

        assert run("verdict", "list").stdout == "No verdicts yet.\n"

    def test_as_json_they_are_what_the_api_gives(self, beside: Run, judged: State) -> None:
        listed = beside("verdict", "list", "--repository", "watched/app", "--json")

        (read,) = map(json.loads, listed.stdout.splitlines())
        assert (read["id"], read["outcome"], read["enforced"], read["mode"]) == (
            id_of(judged, WITH_SSH, "watched/app"),
            "reject",
            "admit",
            "audit",
        )
        assert [reason["rule"] for reason in read["violations"]] == ["deny.tools"]

    def test_what_is_no_repository_is_refused(self, beside: Run) -> None:
        listed = beside("verdict", "list", "--repository", "Team/../App")

        assert listed.exit_code == 2
        assert "is not a repository name" in listed.stderr


class TestReplay:
    @pytest.mark.parametrize("image", [CLEAN, WITH_SSH, BOTH, HOSTILE])
    def test_the_same_case_gets_the_same_answer(self, beside: Run, judged: State, image: TestImage) -> None:
        replayed = beside("verdict", "replay", id_of(judged, image))

        assert replayed.exit_code == 0
        assert replayed.stdout.startswith("The same answer: ")

    @pytest.mark.parametrize(("words", "others", "lines"), [("", "", 1), ('"why":"', '"why":"in short, ', 2)])
    def test_what_an_older_version_wrote_gets_the_same_answer(
        self, run: Run, judged: State, tmp_path: Path, words: str, others: str, lines: int
    ) -> None:
        """Ids are made of all that a version writes, and versions tell the same reasons in other words."""
        state, older, name = tmp_path / "other", "a" * 16, id_of(judged, WITH_SSH)
        shutil.copytree(judged.folder, state)
        with sqlite3.connect(state / "imagegate.sqlite3") as database:
            database.execute(
                "UPDATE verdicts SET id = ?, body = replace(replace(body, ?, ?), ?, ?) WHERE id = ?",
                (older, name, older, words, others, name),
            )
        database.close()

        replayed = run("--state-dir", state, "verdict", "replay", older)

        assert replayed.exit_code == 0, replayed.stdout
        assert replayed.stdout.startswith("The same answer: REFUSED, 1 reason, 0 warnings.")
        assert len(replayed.stdout.splitlines()) == lines

    def test_another_answer_is_shown_beside_the_old_one(self, run: Run, judged: State, tmp_path: Path) -> None:
        """As when a newer version of the gate judges otherwise."""
        state = tmp_path / "other"
        shutil.copytree(judged.folder, state)
        with sqlite3.connect(state / "imagegate.sqlite3") as database:
            database.execute("""UPDATE verdicts SET body = replace(body, '"outcome":"reject"', '"outcome":"admit"')""")
        database.close()

        replayed = run("--state-dir", state, "verdict", "replay", id_of(judged, WITH_SSH))

        assert replayed.exit_code == 1
        assert "A different answer." in replayed.stdout
        then, now = replayed.stdout.split("\nNow:\n")
        assert "ADMITTED" in then
        assert "REFUSED" in now


class TestImageShow:
    @pytest.mark.parametrize("reference", ["team/app:1", f"team/app@{CLEAN.digest}", f"team/app:1@{CLEAN.digest}"])
    def test_it_shows_the_verdict_and_what_is_inside(self, beside: Run, reference: str) -> None:
        shown = beside("image", "show", reference)

        assert shown.exit_code == 0
        assert shown.stdout.startswith("ADMITTED\n")
        assert f"team/app@{CLEAN.digest}\n" in shown.stdout
        assert "Packages (1)" in shown.stdout
        assert "pkg:deb/debian/openssl@3.0.15-1" in shown.stdout

    def test_what_is_held_is_found_by_its_tag(self, beside: Run) -> None:
        assert beside("image", "show", "signed/app:1").stdout.startswith("IN QUARANTINE")

    def test_what_was_refused_is_found_by_its_digest(self, beside: Run) -> None:
        shown = beside("image", "show", f"team/app@{WITH_SSH.digest}")

        assert shown.stdout.startswith("REFUSED")
        assert "Tools (1)" in shown.stdout

    def test_an_index_is_shown_with_its_images(self, beside: Run) -> None:
        shown = beside("image", "show", "team/app:both")

        for manifest in (BOTH, *BOTH.children):
            assert f"team/app@{manifest.digest}\n" in shown.stdout

    def test_as_json_it_is_one_document(self, beside: Run) -> None:
        shown = beside("image", "show", "team/app:both", "--json")

        documents = json.loads(shown.stdout)
        assert [Digest.parse(each["verdict"]["digest"]) for each in documents] == [
            manifest.digest for manifest in (BOTH, *BOTH.children)
        ]
        assert documents[0]["facts"] is None
        assert [package["name"] for package in documents[1]["facts"]["packages"]] == ["openssl"]
        assert set(documents[1]) == {"verdict", "base", "facts", "advisories", "signatures"}

    @pytest.mark.parametrize(
        ("reference", "said"),
        [
            (
                "team/nothing:1",
                "there is no team/nothing:1, neither behind the gate nor in quarantine; what was refused is told by:",
            ),
            (
                f"team/nothing@{CLEAN.digest}",
                f"team/nothing@{CLEAN.digest} was never judged: pull it through the gate once\n",
            ),
        ],
    )
    def test_what_the_gate_does_not_know(self, beside: Run, reference: str, said: str) -> None:
        shown = beside("image", "show", reference)

        assert (shown.exit_code, shown.stderr[: len(said)]) == (2, said)

    @pytest.mark.parametrize("reference", ["Team/App", "team/app:", "team/app@sha256:1", "a b", ""])
    def test_what_is_no_reference(self, beside: Run, reference: str) -> None:
        shown = beside("image", "show", reference)

        assert shown.exit_code == 2
        assert "is not a" in shown.stderr

    def test_what_an_image_says_cannot_steer_the_terminal(self, beside: Run) -> None:
        shown = beside("image", "show", f"team/app@{HOSTILE.digest}")

        assert "\\x1b[2J\\x07[bold]evil" in shown.stdout
        assert "\x1b" not in shown.output
        assert "\x07" not in shown.output


class TestAudit:
    def test_every_decision_is_a_line(self, beside: Run, judged: State) -> None:
        header, *lines = beside("audit", "list").stdout.splitlines()

        assert header.split() == ["at", "(UTC)", "event", "who", "from", "what", "outcome", "verdict"]
        assert len(lines) == 8
        assert lines[0].split()[2:] == [
            "push", "ci", "192.0.2.7", "watched/app", "1", "admit", id_of(judged, WITH_SSH, "watched/app")
        ]  # fmt: skip

    def test_as_json_it_is_whole_and_newest_first(self, beside: Run, judged: State) -> None:
        records = [json.loads(line) for line in beside("audit", "list", "--json").stdout.splitlines()]

        numbers = [record["number"] for record in records]
        assert numbers == sorted(numbers, reverse=True)
        refused = next(record for record in records if record["outcome"] == "reject")
        assert refused["verdict"] in judged.verdicts.values()
        assert (refused["actor"], refused["address"], refused["request_id"]) == ("ci", "192.0.2.7", "request-1")

    def test_of_one_repository_and_one_event(self, beside: Run) -> None:
        assert len(beside("audit", "list", "--repository", "signed/app").stdout.splitlines()) == 2
        assert beside("audit", "list", "--event", "pull").stdout == "No records yet.\n"
