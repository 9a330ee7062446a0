import threading

import cv2
import pytest

from e2e3d.errors import InputError
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.image_sets import photo_queries as photos
from e2e3d.service.image_sets import queries as image_sets
from e2e3d.service.intake.intake import ImportTarget
from e2e3d.storage.names import blob_name
from e2e3d.storage.store import ArtifactStore
from tests.pictures import encode, noise, textured
from tests.service.intake.conftest import Place


def picture(seed: int) -> bytes:
    return encode(textured(360, 480, seed))


def codes(findings) -> list[str]:
    return [finding.code for finding in findings]


def test_a_photograph_is_kept_where_the_engine_reads_it(place: Place, tmp_path) -> None:
    data = picture(1)
    arrival = place.send("day1/IMG_1.JPG", data)
    assert (arrival.outcome, arrival.findings) == ("added", ())
    assert arrival.photo.name == "day1/IMG_1.JPG"
    assert (arrival.photo.facts.width_px, arrival.photo.facts.height_px) == (480, 360)
    assert arrival.photo.facts.media_type == "image/jpeg"
    assert ArtifactStore(str(tmp_path / "store")).get_blob(arrival.photo.facts.sha256) == data
    assert place.stored_bytes() == len(data)


def test_the_same_bytes_are_stored_once(place: Place) -> None:
    data = picture(1)
    first = place.send("a.jpg", data)
    assert place.send("a.jpg", data).outcome == "known"
    again = place.send("b.jpg", data)
    assert (again.outcome, codes(again.findings), again.photo) == ("known", ["duplicate"], first.photo)
    other = place.send("a.jpg", data, ImportTarget(place.user_id, place.image_set()))
    assert other.outcome == "added"
    assert [info.name for info in place.files.find()] == [blob_name(first.photo.facts.sha256)]
    assert place.stored_bytes() == 2 * len(data)  # each set counts by itself


def test_photographs_of_the_user_need_not_be_sent_again(place: Place) -> None:
    data = picture(1)
    sha256 = place.send("a.jpg", data).photo.facts.sha256
    again = ImportTarget(place.user_id, place.image_set())
    assert place.known("a.jpg", sha256, again).outcome == "added"
    assert place.known("b.jpg", "0" * 64, again) is None
    stranger = place.user()
    assert place.known("a.jpg", sha256, ImportTarget(stranger, place.image_set(stranger))) is None
    place.files.delete(blob_name(sha256))
    assert place.known("a.jpg", sha256, ImportTarget(place.user_id, place.image_set())) is None


def test_what_is_wrong_is_said_at_once(place: Place) -> None:
    small = place.send("small.jpg", encode(textured(90, 120)))
    assert (small.outcome, codes(small.findings)) == ("rejected", ["too-small"])
    text = place.send("notes.jpg", b"no picture at all")
    assert (text.outcome, codes(text.findings)) == ("rejected", ["photo-unreadable"])
    black = place.send("black.jpg", encode(textured(360, 480) // 100))
    assert codes(black.findings) == ["too-dark"]
    cut = place.send("cut.jpg", picture(2)[:-4000])
    assert codes(cut.findings) == ["photo-unreadable"]
    gif = place.send("a.gif", encode(textured(360, 480), "GIF"))
    assert codes(gif.findings) == ["photo-format"]
    place.send("one.jpg", picture(3))
    same = place.send("two.jpg", encode(textured(360, 480, 3), quality=60))
    assert (same.outcome, codes(same.findings)) == ("added", ["near-duplicate"])
    assert {info.bytes for info in place.files.find()} == {len(picture(3)), same.photo.facts.bytes}
    assert {name: photo.state for name, photo in place.listed().items()} == {
        "small.jpg": "rejected",
        "notes.jpg": "rejected",
        "black.jpg": "rejected",
        "cut.jpg": "rejected",
        "a.gif": "rejected",
        "one.jpg": "ok",
        "two.jpg": "warning",
    }
    with place.database.reading() as session:
        assert image_sets.find(session, place.user_id, place.set_id).photo_count == 2


def test_frames_of_an_exposure_bracket_are_no_duplicates(place: Place) -> None:
    for stop, scale in enumerate((0.25, 0.5, 1.0)):
        frame = (textured(360, 480, 3) / 255.0 * scale) ** (1 / 2.2) * 255
        sent = place.send(f"{stop}.jpg", encode(frame.astype("uint8")))
        assert (sent.outcome, codes(sent.findings)) == ("added", [])


def test_blur_is_judged_by_the_set_as_it_is_now(place: Place) -> None:
    place.send("blurred.jpg", encode(cv2.GaussianBlur(noise(360, 480, 1), (0, 0), 6)))
    assert place.listed()["blurred.jpg"].state == "ok"
    for seed in range(4):
        place.send(f"{seed}.jpg", encode(noise(360, 480, seed)))
    assert codes(place.listed()["blurred.jpg"].facts.findings) == ["blurred"]
    assert place.listed()["0.jpg"].state == "ok"


def test_taken_names_get_a_number(place: Place) -> None:
    names = [place.send("d/a.jpg", picture(seed)).photo.name for seed in range(3)]
    assert names == ["d/a.jpg", "d/a-2.jpg", "d/a-3.jpg"]
    assert codes(place.listed()["d/a-2.jpg"].facts.findings) == ["renamed"]


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "a/../../b.jpg", "C:\\a.jpg", "..\\a.jpg", "", "x" * 300])
def test_names_that_point_outside_are_refused(place: Place, name: str) -> None:
    arrival = place.send(name, picture(1))
    assert (arrival.outcome, codes(arrival.findings)) == ("rejected", ["unsafe-name"])
    assert place.listed() == {}


def test_odd_names_become_harmless(place: Place) -> None:
    assert place.send("a//./b\\c\0\n.jpg", picture(1)).photo.name == "a/b/c.jpg"
    assert place.send("scan", encode(textured(360, 480, 2), "PNG")).photo.name == "scan.png"
    assert place.send(".DS_Store", b"junk").outcome == "ignored"


def test_masks_only_have_to_decode(place: Place) -> None:
    mask = encode((textured(360, 480, 1) > 127).astype("uint8") * 0, "PNG")
    assert place.send("masks/a.png", mask).outcome == "added"
    assert place.send("a.png", mask + b" ").outcome == "rejected"
    assert place.send("masks/b.png", b"no picture").outcome == "rejected"


def test_masks_are_not_counted_as_photographs(place: Place) -> None:
    place.send("a.png", picture(1))
    mask = place.send("masks/a.png", encode((textured(360, 480, 1) > 127).astype("uint8") * 255, "PNG")).photo
    with place.database.session() as session:
        assert image_sets.find(session, place.user_id, place.set_id).photo_count == 1
        photos.remove(session, place.user_id, place.set_id, [mask.id], place.now())
        assert image_sets.find(session, place.user_id, place.set_id).photo_count == 1


def test_the_quota_holds_also_at_the_same_time(place: Place) -> None:
    data = [picture(seed) for seed in range(4)]
    user = place.user(quota_bytes=max(map(len, data)) * 2)
    target = ImportTarget(user, place.image_set(user))
    refused: list[str] = []

    def send(seed: int) -> None:
        try:
            place.send(f"{seed}.jpg", data[seed], target)
        except InputError as error:
            refused.append(error.code)

    threads = [threading.Thread(target=send, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["quota-bytes"] * 2
    with place.database.reading() as session:
        stored = sum(photo.facts.bytes for photo in photos.listed(session, target.image_set_id, 10))
        assert session.get_one(UserRow, user).stored_bytes == stored


def test_sending_the_same_at_the_same_time_adds_it_once(place: Place) -> None:
    data = picture(1)
    outcomes: list[str] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(place.send("a.jpg", data).outcome), args=()) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 6
    assert list(place.listed()) == ["a.jpg"]
    assert place.stored_bytes() == len(data)


def test_removing_gives_the_bytes_back(place: Place) -> None:
    kept, gone = place.send("a.jpg", picture(1)), place.send("b.jpg", picture(2))
    stranger = place.user()
    with place.database.session() as session:
        removed = photos.remove(session, place.user_id, place.set_id, [gone.photo.id, "unknown"], place.now())
        assert photos.remove(session, stranger, place.set_id, [kept.photo.id], place.now()) is None
    assert removed == 1
    assert place.stored_bytes() == len(picture(1))
    with place.database.session() as session:
        assert image_sets.delete(session, place.user_id, place.set_id, place.now())
    assert place.stored_bytes() == 0
    with pytest.raises(InputError) as caught:
        place.send("c.jpg", picture(3))
    assert caught.value.code == "image-set-gone"
