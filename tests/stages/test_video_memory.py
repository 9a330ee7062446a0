import os
import subprocess
import sys

import pytest

from tests.ops.photos.test_video import pan, write_video

PROGRAM = """
import resource, sys
from pathlib import Path
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.sources.source_set import read_source
from e2e3d.storage.store import ArtifactStore

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if "RssAnon" in line).split()[1])

class Peak(ArtifactStore):
    highest = 0

    def put_blob(self, data):
        self.highest = max(self.highest, anonymous())
        return super().put_blob(data)

    def put(self, *args):
        self.highest = max(self.highest, anonymous())
        super().put(*args)

store = Peak(sys.argv[2])
before = anonymous()
found = read_source(sys.argv[1], InProcessExecutor(store))
print(len(found.files), (store.highest - before) // 1000)
"""


@pytest.mark.slow
def test_a_large_video_is_not_read_into_memory(tmp_path):
    path = write_video(tmp_path / "walk.mp4", pan(range(0, 480, 4)))
    with path.open("ab") as file:  # as other tracks of a file are
        file.write((8 + 600_000_000).to_bytes(4, "big") + b"free")
        for _ in range(600):
            file.write(os.urandom(1_000_000))
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "store")], capture_output=True, text=True, check=True
    )
    frames, megabytes = map(int, answer.stdout.split())
    assert frames >= 15
    assert megabytes < 200
