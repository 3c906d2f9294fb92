"""The page, in a real browser."""

import base64
import re

import pytest
from browser import chromium, shoot
from drawn_faces import encode, face, photo
from folders import configured
from playwright.sync_api import expect, sync_playwright
from small_models import Lost, save

from serving.app import create_app
from serving.config import one_model
from serving.store import Store

TWO = photo((90, 120, 160), (400, 200, 110))
PARTY = {"name": "party.png", "mimeType": "image/png", "buffer": encode(TWO)}
FACE = {"name": "face.png", "mimeType": "image/png", "buffer": encode(face(200))}
WALL = {"name": "wall.jpg", "mimeType": "image/jpeg", "buffer": encode(photo(), "JPEG")}
NOTES = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"milk, bread"}


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    with sync_playwright() as playwright:
        flags = ["--use-fake-device-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(faces, serve):
    return serve(create_app(faces))


@pytest.fixture
def visit(browser, address):
    """Opens the page; at the end, sees that nothing went wrong in it and nothing came from elsewhere."""
    contexts, problems, elsewhere = [], [], []

    def open_page(at=address, **options):
        context = browser.new_context(**{"viewport": {"width": 1180, "height": 860}, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: line.type == "error" and problems.append(line.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        ours = (at, f"blob:{at}")
        page.on("request", lambda request: request.url.startswith(ours) or elsewhere.append(request.url))
        page.goto(at)
        return page

    open_page.problems = problems
    yield open_page
    for context in contexts:
        context.close()
    assert (problems, elsewhere) == ([], [])


def choose(page, *files):
    page.get_by_label("Choose pictures").set_input_files(files)


def status(page, text):
    expect(page.get_by_role("status")).to_have_text(re.compile(text))


def test_a_photo_is_chosen_and_every_face_boxed_and_described(visit):
    page = visit()
    expect(page.get_by_text("Model faces, version 7.")).to_be_visible()
    shoot(page, "start")
    choose(page, PARTY)
    status(
        page, r"^2 faces found\. Model faces, version 7, took \d+ ms, \d+ ms with the way there and back\.$"
    )
    picture = page.get_by_role("img", name="party.png: 2 faces found").bounding_box()
    box = page.get_by_role("button", name=re.compile("Face 1: age .* years; emotion angry")).bounding_box()
    scale = picture["width"] / 640
    shown = [(box[side] - picture[side]) / scale for side in "xy"] + [
        box["width"] / scale,
        box["height"] / scale,
    ]
    assert shown == pytest.approx([106, 137, 127, 127], abs=4)
    first, second = (
        page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=re.compile("Face"))).all()
    )
    expect(first.get_by_text(re.compile(r"^\d+ years ± \d+\.\d, so about \d+ to \d+$"))).to_be_visible()
    expect(first.get_by_role("listitem")).to_have_text(
        [re.compile(f"^{name}\\d+%$") for name in ("angry", "happy", "sad", "male", "female")]
    )
    expect(second.get_by_role("heading", name="Face 2")).to_be_visible()
    shoot(page, "light")


TRANSFER = """async ([kind, name, type, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type }));
    const event = kind === "paste"
        ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true })
        : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector("#drop").dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted(visit, kind):
    page = visit()
    content = base64.b64encode(FACE["buffer"]).decode()
    page.evaluate(TRANSFER, [kind, FACE["name"], FACE["mimeType"], content])
    status(page, "^1 face found")
    expect(page.get_by_role("img", name="face.png: 1 face found")).to_be_visible()


def test_more_pictures_than_a_form_may_have_are_all_answered(visit):
    page = visit()
    blank = {"name": "blank.png", "mimeType": "image/png", "buffer": encode(photo(size=(48, 48)))}
    choose(page, *[blank] * 32, PARTY)
    status(page, r"^2 faces found\.")
    expect(page.get_by_role("article")).to_have_count(33)


def test_a_picture_is_taken_with_the_camera(visit):
    page = visit(permissions=["camera"])
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("video")).to_have_js_property("videoWidth", 640)
    page.get_by_role("button", name="Take a picture").click()
    status(page, "^No faces found")
    expect(page.get_by_role("img", name="camera.jpg: no faces found")).to_be_visible()
    assert page.evaluate("document.querySelector('video').srcObject.active") is False
    shoot(page, "no_face")


SLOW = """() => {
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
window.streams = [];
navigator.mediaDevices.getUserMedia = async (wanted) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    streams.push(await open(wanted));
    return streams.at(-1);
};
}"""


def test_two_clicks_open_one_camera_and_it_is_closed(visit):
    page = visit(permissions=["camera"])
    page.evaluate(SLOW)
    page.get_by_role("button", name="Use the camera").dblclick()
    expect(page.locator("video")).to_have_js_property("videoWidth", 640)
    page.wait_for_timeout(400)
    page.get_by_role("button", name="Close the camera").click()
    assert page.evaluate("streams.map((stream) => stream.active)") == [False]
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()


def test_a_camera_that_is_refused_says_so(visit):
    page = visit()
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_have_text(
        re.compile("^The camera can't be used: .*choose a picture")
    )
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()


def test_all_is_done_by_keyboard(visit):
    page = visit()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Choose pictures")).to_be_focused()
    choose(page, PARTY)
    status(page, "^2 faces found")
    for name in ("Use the camera", None, "Face 1: .*", "Face 2: .*"):
        page.keyboard.press("Tab")
        if name:
            expect(page.get_by_role("button", name=re.compile(name))).to_be_focused()
    page.keyboard.press("Enter")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Face 2"))
    expect(card).to_be_focused()
    expect(card).to_have_class("face chosen")


def test_a_crop_is_taken_as_one_face_when_the_choice_is_changed(visit):
    page = visit()
    choose(page, WALL)
    status(page, "^No faces found")
    expect(page.get_by_text("No face was found.")).to_be_visible()
    page.get_by_role("radio", name="one face, cut out already").check()
    status(page, r"^1 face\. Model faces, version 7")
    expect(page.get_by_role("img", name="wall.jpg: taken as one face")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Face"))).to_have_count(0)


def test_on_a_phone_nothing_is_wider_than_the_screen(visit):
    page = visit(viewport={"width": 360, "height": 740}, color_scheme="dark", device_scale_factor=2)
    choose(page, PARTY, NOTES)
    status(page, "^2 faces found")
    expect(page.get_by_text("notes.txt: this is no picture: it must be")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    shoot(page, "phone_dark")


def test_light_and_dark(visit):
    shades = {}
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme)
        shades[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert shades == {"light": "rgb(246, 247, 249)", "dark": "rgb(20, 22, 27)"}
    choose(page, PARTY)
    status(page, "^2 faces")
    shoot(page, "dark")


def test_what_went_wrong_is_said_and_what_is_private_promised(visit):
    page = visit()
    page.route("**/predict?*", lambda route: route.abort())
    choose(page, FACE)
    expect(page.get_by_role("alert")).to_have_text("The server can't be reached.")
    assert visit.problems.pop() == "Failed to load resource: net::ERR_FAILED"
    shoot(page, "problem")
    expect(page.get_by_role("contentinfo")).to_contain_text("No picture is stored")
    expect(page.get_by_role("contentinfo")).to_contain_text("nothing about who somebody is or feels inside")


def test_a_server_with_a_token_is_asked_once_it_is_given(visit, serve, faces):
    page = visit(serve(create_app(faces, token=b"s3cret")))
    choose(page, FACE)
    for token, said in (
        ("wrong", "This server asks for a token."),
        ("s3cret", "This is not the server's token."),
    ):
        expect(page.get_by_role("alert")).to_have_text(said)
        page.get_by_label("This server asks for a token").fill(token)
        page.get_by_role("button", name="Go on").click()
    status(page, "^1 face found")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_label("This server asks for a token")).to_be_hidden()
    assert {"401" in problem for problem in visit.problems} == {True}
    visit.problems.clear()


def test_the_model_is_chosen_where_there_are_several(visit, serve, faces_path):
    config = f'base_path: "{faces_path}"'
    store = Store(configured(first=config, second=config))
    store.load()
    page = visit(serve(create_app(store)))
    choose(page, FACE)
    status(page, r"Model first, version 7")
    page.get_by_label("Model").select_option("second")
    status(page, r"Model second, version 7")


def test_a_model_that_gives_no_numbers_is_not_said_to_give_any(visit, serve, tmp_path):
    save(Lost(), tmp_path / "1", "serve")
    store = Store(one_model("lost", tmp_path))
    store.load()
    page = visit(serve(create_app(store)))
    choose(page, FACE)
    status(page, "^1 face found")
    expect(page.get_by_text("The model gave no number.")).to_have_count(3)
