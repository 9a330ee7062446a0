import os
import subprocess
import sys
import uuid

import pytest

from e2e3d.config.deployment.s3 import S3Options
from tests.ops.photos.test_video import pan, write_video
from tests.servers import BUCKET

PROGRAM = """
import sys, threading, time
from pathlib import Path
from e2e3d.config.deployment.s3 import S3Options
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.sources.source_set import read_source
from e2e3d.storage.store import ArtifactStore

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if "RssAnon" in line).split()[1])

def watch():
    global highest
    while True:
        highest = max(highest, anonymous())
        time.sleep(0.005)

store = ArtifactStore(sys.argv[2], S3Options(*sys.argv[3:]))
store.get_blob(store.put_blob(b"x"))
before = highest = anonymous()
threading.Thread(target=watch, daemon=True).start()
found = read_source(sys.argv[1], InProcessExecutor(store))
print(len(found.files), (highest - before) // 1000)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_large_video_is_not_read_into_memory(kind, tmp_path, request):
    path = write_video(tmp_path / "walk.mp4", pan(range(0, 480, 4)))
    with path.open("ab") as file:  # as other tracks of a file are
        file.write((8 + 300_000_000).to_bytes(4, "big") + b"free")
        for _ in range(300):
            file.write(os.urandom(1_000_000))
    store = [str(tmp_path / "store")]
    if kind == "s3":
        s3: S3Options = request.getfixturevalue("s3")
        store = [f"s3://{BUCKET}/{uuid.uuid4().hex}", s3.endpoint, s3.key, s3.secret]
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), *store], capture_output=True, text=True, check=True
    )
    frames, megabytes = map(int, answer.stdout.split())
    assert frames >= 15
    assert megabytes < 200
