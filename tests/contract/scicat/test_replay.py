"""The mock answers as each release of SciCat did: every recording, replayed in order and compared field by field."""

from pathlib import Path

import pytest

from mocks.scicat.releases import RELEASES
from tests.contract.scicat.callers import Archiver
from tests.contract.scicat.recordings import recordings
from tests.contract.scicat.replaying import RUNS, Replay


@pytest.mark.parametrize("release", RELEASES)
def test_every_recorded_request_of_a_release_gets_the_recorded_answer(
    release: str, tmp_path: Path, archiver: Archiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed = list(Replay(release, tmp_path, archiver, monkeypatch).run())
    wrong = [f"{one.number}-{one.name}: {difference}" for one, differences in replayed for difference in differences]
    assert not wrong, f"{len(wrong)} differences\n" + "\n".join(wrong[:400])
    assert [one.number for one, _ in replayed] == [
        one.number for run in RUNS for numbers in run.numbers for one in recordings(release) if one.number in numbers
    ]
    assert {one.number for one, _ in replayed} == {recording.number for recording in recordings(release)}
    assert len(replayed) == len(recordings(release)) > 500
