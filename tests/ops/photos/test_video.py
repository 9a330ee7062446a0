import cv2
import numpy as np
import pytest

from e2e3d.errors import InputError
from e2e3d.ops.photos.video import FrameTrack, choose_frames, encode_frames, track_video
from tests.pictures import textured

SIZE = (320, 240)


def write_video(path, frames, fps=24.0):
    codes = {".avi": "MJPG", ".mkv": "XVID", ".webm": "VP80", ".wmv": "WMV2", ".mpg": "mpg1"}
    code = codes.get(path.suffix, "mp4v")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, (frames[0].shape[1], frames[0].shape[0]))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def pan(offsets, seed=0):
    """Frames that look at a wide picture from these horizontal offsets in pixels."""
    wide = textured(240, 1200, seed) // 2 + cv2.resize(textured(60, 300, seed + 1), (1200, 240)) // 2
    return [np.ascontiguousarray(wide[:, offset : offset + SIZE[0]]) for offset in offsets]


def track(position, sharpness=None) -> FrameTrack:
    position = np.asarray(position, float)
    sharpness = np.ones(len(position)) if sharpness is None else np.asarray(sharpness, float)
    return FrameTrack(np.arange(len(position)) * 2, np.arange(len(position)) / 12, position, sharpness)


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv", ".mov", ".webm", ".3gp", ".wmv", ".mpg"])
def test_motion_of_a_pan_is_measured_in_shares_of_the_width(tmp_path, suffix):
    path = write_video(tmp_path / f"pan{suffix}", pan(range(0, 480, 8)))
    found = track_video(path, path.name)
    assert len(found.index) == 30  # every second frame of 60 at 24 frames a second
    np.testing.assert_allclose(found.position, found.index * 8 / 320, atol=0.02 * found.position[-1])
    np.testing.assert_allclose(found.time_s, found.index / 24, atol=0.001)


def test_shake_does_not_add_up(tmp_path):
    offsets = [200 + (3 if number % 4 < 2 else -3) for number in range(120)]
    path = write_video(tmp_path / "shake.avi", pan(offsets))
    assert track_video(path, "shake.avi").position[-1] < 0.03


def test_frames_are_spaced_by_motion_not_by_time():
    rest, move = np.zeros(50), np.linspace(0, 1, 51)
    rows = choose_frames(track(np.concatenate([rest, move])), spacing=0.1, min_frames=3, max_frames=100)
    assert (rows < 50).sum() == 1
    np.testing.assert_allclose(np.diff(rows[1:]), 5, atol=1)


def test_the_sharpest_frame_near_each_step_is_taken():
    sharpness = np.ones(101)
    sharpness[::7] = 2.0
    rows = choose_frames(track(np.linspace(0, 1, 101), sharpness), spacing=0.1, min_frames=3, max_frames=100)
    assert set(rows % 7) == {0}


@pytest.mark.parametrize(("minimum", "maximum", "expected"), [(3, 100, 11), (21, 100, 21), (3, 5, 5)])
def test_number_of_frames_is_bounded(minimum, maximum, expected):
    rows = choose_frames(track(np.linspace(0, 1, 301)), spacing=0.1, min_frames=minimum, max_frames=maximum)
    assert len(rows) == expected
    assert (np.diff(rows) > 0).all()


def test_frames_are_the_chosen_ones(tmp_path):
    frames = pan(range(0, 400, 8))
    path = write_video(tmp_path / "pan.avi", frames)
    files = encode_frames(path, path.name, np.array([0, 11, 49]), 97)
    for number, data in zip((0, 11, 49), files, strict=True):
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        errors = [np.abs(decoded.astype(int) - frame).mean() for frame in frames]
        assert int(np.argmin(errors)) == number


@pytest.mark.parametrize("content", [b"", b"no video", b"\x00" * 5000])
def test_broken_videos_are_named(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"clip\.mp4") as caught:
        track_video(path, "clip.mp4")
    assert caught.value.code == "video-unreadable"


def test_a_video_cut_in_half_is_broken_or_shorter(tmp_path):
    path = write_video(tmp_path / "pan.mp4", pan(range(0, 480, 8)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError):
        track_video(path, "pan.mp4")


def test_rotation_metadata_is_honoured(tmp_path):
    frames = pan(range(0, 80, 8))
    path = write_video(tmp_path / "portrait.mp4", frames)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # version 0: the 3 x 3 matrix of the track header
    quarter_turn = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter_turn)
    path.write_bytes(bytes(data))
    turned = cv2.imdecode(np.frombuffer(encode_frames(path, "portrait.mp4", np.array([0]), 97)[0], np.uint8), 1)
    assert turned.shape == (320, 240, 3)
    assert np.abs(turned.astype(int) - np.rot90(frames[0], -1)).mean() < 6


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_container_that_says_1000_frames_a_second_gives_its_frames(tmp_path, suffix):
    path = write_video(tmp_path / f"fast{suffix}", pan(range(0, 600, 2)), fps=1000)
    found = track_video(path, path.name)
    assert len(found.index) == 150  # of 300
    np.testing.assert_allclose(found.position[-1], 298 * 2 / 320, rtol=0.05)
    assert len(choose_frames(found, 0.08, 20, 120)) > 20


def set_durations(path, durations):
    """Give the frames of an mp4 these durations, in units of its time scale (ISO/IEC 14496-12, 8.6.1.2)."""
    data = bytearray(path.read_bytes())
    box = data.index(b"stts") - 4
    old = int.from_bytes(data[box : box + 4], "big")
    entries = b"".join((1).to_bytes(4, "big") + duration.to_bytes(4, "big") for duration in durations)
    new = (16 + len(entries)).to_bytes(4, "big") + b"stts" + bytes(4) + len(durations).to_bytes(4, "big") + entries
    data[box : box + old] = new
    for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        at = data.index(kind) - 4
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + len(new) - old).to_bytes(4, "big")
    path.write_bytes(bytes(data).replace(b"edts", b"free"))  # the edit list says how long the video was


def test_variable_frame_rates_are_sampled_by_time(tmp_path):
    """A phone in the dark: half of the frames come four times as slowly; each second is looked at alike."""
    path = write_video(tmp_path / "phone.mp4", pan(range(0, 480, 4)), fps=24)
    data = path.read_bytes()
    scale = int.from_bytes(data[data.index(b"mdhd") + 16 :][:4], "big")
    set_durations(path, [scale // 24] * 60 + [scale // 6] * 60)
    found = track_video(path, "phone.mp4")
    expected = np.where(found.index < 60, found.index / 24, 60 / 24 + (found.index - 60) / 6)
    np.testing.assert_allclose(found.time_s, expected, atol=0.002)
    assert (found.index < 60).sum() == 30
    assert (found.index >= 60).sum() == 60
