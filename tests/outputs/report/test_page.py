"""The report holds everything in one file, says the truth about each photograph, and can be read by everybody."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from e2e3d.data.agreement import PhotoAgreement, StillParts
from e2e3d.data.judgement import Judgement, Reason
from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results
from e2e3d.data.scene import LeftOut
from e2e3d.outputs.evaluation.model_judgement import judge_run
from e2e3d.outputs.front_picture import PICTURE_WITHIN_BYTES, front_picture
from e2e3d.outputs.photo_states import photo_states
from e2e3d.outputs.report import render_report
from e2e3d.outputs.report.drawings import histogram, match_graph
from e2e3d.outputs.report.imagery import depth_colors
from e2e3d.outputs.report.still_pictures import still_mask
from e2e3d.outputs.report.verdict import describe
from tests.synthetic import facts, sample_results

GOOD_MODEL = Judgement("good")


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.headings: list[int] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.links += [str(found[name]) for name in ("src", "href", "srcset", "action") if name in found]
        if tag not in ("img", "meta", "line", "rect", "circle", "path", "polygon", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_first_picture_can_be_taken_out_of_a_report(html: str) -> None:
    head = html.encode()[:PICTURE_WITHIN_BYTES]
    picture = front_picture(head)
    assert picture is not None
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (540, 720, 3)
    assert front_picture(head[: head.index(b"data:image")]) is None


@pytest.fixture(scope="module")
def results() -> Results:
    return sample_results()


@pytest.fixture(scope="module")
def html(results: Results) -> str:
    textured = results.textured.load()
    return render_report(results, facts(), textured, judge_run(results, textured))


def test_the_page_stands_alone(html: str) -> None:
    page = Page(html)
    assert page.open == []
    assert page.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert "<script" not in html
    assert "http" not in re.sub(r"data:[^\"]*", "", html)
    assert len(html) < 3_000_000


def test_the_page_is_accessible(html: str) -> None:
    page = Page(html)
    assert all(image.get("alt") for image in page.images)
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(b - a <= 2 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert '<html lang="en">' in html
    assert html.count('role="img"') == html.count("<svg")


def test_every_photograph_stands_there_with_its_reason(html: str, results: Results) -> None:
    for photo in results.photos:
        assert photo.name in html
    assert "It overlaps no other photograph. Take some in between." in html
    assert "torn.jpg cannot be decoded. Copy it from the camera again." in html
    assert "5 of 7" in html
    assert "depth.max_size_px" in html


def test_four_sides_and_three_pictures_a_photograph(html: str) -> None:
    # 4 sides, 5 registered photographs with depth and model, and the thumbnail of the one left out
    assert len(Page(html).images) == 4 + 3 * 5 + 1


def test_names_are_escaped(results: Results) -> None:
    evil = '<script>alert("x")</script>.jpg'
    photos = (
        replace(results.photos[0]),
        *results.photos[1:5],
        replace(results.photos[5], name=evil),
        results.photos[6],
    )
    mapping = replace(results.mapping, left_out=(LeftOut(evil, "no-overlap", "<b>none</b>"),))
    html = render_report(
        replace(results, photos=photos, mapped=Ref.of(mapping)), facts(), results.textured.load(), GOOD_MODEL
    )
    assert "<script" not in html
    assert "<b>none</b>" not in html
    assert "&lt;script&gt;" in html


def test_the_verdict_follows_the_facts(results: Results) -> None:
    states = photo_states(results.photos, results.mapping)
    mixed = describe(results.mapping, states, 0.9, GOOD_MODEL)
    assert mixed.level == "fair"
    assert "5 of 7" in mixed.headline
    assert any("do not connect" in sentence for sentence in mixed.advice)
    whole = replace(results.mapping, component_sizes=(5,), left_out=())
    good = describe(whole, states[:5], 0.9, GOOD_MODEL)
    assert (good.level, good.reasons, good.advice) == ("good", (), ())
    doubtful = describe(whole, states[:5], 0.9, Judgement("doubtful", (Reason("imprecise", "It is soft.", "Focus."),)))
    assert (doubtful.level, doubtful.reasons, doubtful.advice) == ("poor", ("It is soft.",), ("Focus.",))
    assert "doubtful" in doubtful.headline


def test_coverage_is_the_share_of_pixels_that_see_the_model(html: str, results: Results) -> None:
    shares = [float(np.mean(ref.load().depth > 0)) for ref in results.depths]
    shown = [int(found) / 100 for found in re.findall(r"(\d+) % explained", html)]
    assert np.abs(np.array(shown) - shares).max() < 0.02


def test_what_stands_still_is_painted_and_said(results: Results) -> None:
    cell = np.zeros((3, 4), np.bool_)
    cell[0, 0] = True
    still = StillParts(
        np.array([1], np.int32),
        np.array([[240.0, 180]], np.float32),
        np.array([0.4, 0.1, 0, 0, 0, 0], np.float32),
        (cell,) * 6,
    )
    mask = still_mask(still, 1, (320, 240), (120, 160))
    assert mask[:40, :40].all()
    assert mask[90, 120]
    assert not mask[60:80, 40:100].any()
    mapping = replace(results.mapping, still=still)
    html = render_report(replace(results, mapped=Ref.of(mapping)), facts(), results.textured.load(), GOOD_MODEL)
    assert "What stands still in the photographs" in html
    assert html.count('alt="What stands still in') == 2
    remarks = [state.remarks for state in photo_states(results.photos, mapping)]
    assert remarks[0] == ("40 % of its matches stand still in the image and were left out.",)
    assert remarks[2] == ()


def test_photographs_that_contradict_and_stay_are_said_to(results: Results) -> None:
    against = PhotoAgreement(2, "IMG_0002.jpg", 90, 0.5, 40, 0.1, contradicts=True)
    states = photo_states(results.photos, replace(results.mapping, agreement=(against,)))
    assert [state.name for state in states if state.remarks] == ["IMG_0002.jpg"]
    assert "contradicts what the others show" in states[2].remarks[0]


def test_a_scene_without_matches_or_errors_is_drawn(results: Results) -> None:
    empty = replace(results.matches[0].load(), pairs=np.zeros((0, 2), np.int32), offsets=np.zeros(1, np.int64))
    html = render_report(replace(results, matches=(Ref.of(empty),)), facts(), results.textured.load(), GOOD_MODEL)
    assert "matches no other photograph" in html
    assert histogram(np.zeros(0, np.float32)) == ""
    assert "circle" in match_graph(["a"], np.zeros((0, 2), np.int32), np.zeros(0, np.int64), [False])


def test_depth_colours_are_bright_when_near_and_black_when_unknown() -> None:
    depth = np.array([[0, 1, 2, 4]], np.float32)
    brightness = depth_colors(depth).sum(-1)[0]
    assert brightness[0] == 0
    assert brightness[1] > brightness[2] > brightness[3] > 0
    assert not depth_colors(np.zeros((2, 2), np.float32)).any()
