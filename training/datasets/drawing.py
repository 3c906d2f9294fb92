"""Draws faces from age, emotion and gender: `appearance` says how one looks, `canvas` how it is seen."""

import numpy as np
from PIL import Image

from multitask.tasks import TASKS
from training.datasets.appearance import Appearance, sample_appearance, sample_skin
from training.datasets.canvas import BLACK, CIRCLE, Canvas, Colour, T, bow, mix
from training.datasets.expression import draw_brows, draw_eyes, draw_mouth, draw_nose, draw_wrinkles

FLUSH = np.array((226.0, 84.0, 84.0))
ABOUT = np.linspace(-np.pi, np.pi, 49)  # angles from the crown
OVER = np.linspace(-0.56 * np.pi, 0.56 * np.pi, 33)  # from ear to ear
ACROSS = np.linspace(0.97, -0.97, 33)


def draw_face(age: float, emotion: int, gender: int, rng: np.random.Generator, size: int = 64) -> Image.Image:
    """Draws a face.

    Args:
        age: years, 0..100.
        emotion: 0..6, an index into `TASKS["emotion"].labels`.
        gender: 0 male, 1 female.
        rng: decides everything else; the same state draws the same person in the same scene, whatever the
            labels.
        size: height and width in pixels.

    Returns:
        An RGB picture, `size` x `size` pixels.

    Raises:
        ValueError: a label out of its range.
    """
    if not (0 <= age <= 100 and emotion in range(len(TASKS["emotion"].labels)) and gender in (0, 1)):
        raise ValueError(
            f"a face wants an age in 0..100, an emotion in 0..6 and a gender in 0..1; received age={age}, "
            f"emotion={emotion}, gender={gender}"
        )
    face = sample_appearance(age, emotion, gender, rng)
    canvas = Canvas(size, face.width, _muted(rng), rng)
    _draw_background(canvas, rng)
    _draw_back_hair(canvas, face)
    _draw_body(canvas, face, rng)
    _draw_head(canvas, face)
    draw_wrinkles(canvas, face, rng)
    draw_nose(canvas, face)
    _draw_beard(canvas, face)
    draw_mouth(canvas, face)
    draw_eyes(canvas, face, rng)
    draw_brows(canvas, face)
    _draw_front_hair(canvas, face, rng)
    _draw_glasses(canvas, face, rng)
    _draw_hat(canvas, face, rng)
    _draw_hand(canvas, rng)
    return canvas.expose(rng)


def _head_edge(face: Appearance, angle: np.ndarray) -> np.ndarray:
    """Points of the head's outline; old cheeks sag and the jaw drops with the mouth."""
    x, y = np.sin(angle), -np.cos(angle)
    low = np.maximum(y, 0.0)
    x = np.sign(x) * np.abs(x) ** (1 + (face.jaw - 1) * low) * (1 + 0.4 * face.sag * low * (1 - low))
    return face.width * x + 1j * y * (1 + 0.07 * face.action.jaw_down * low)


def _draw_background(canvas: Canvas, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(0, 5)):
        shape = CIRCLE[:: (1, 4, 6)[rng.integers(3)]] * np.exp(1j * rng.uniform(0, 6))
        shape = rng.uniform(0.1, 0.9) * shape.real + 1j * rng.uniform(0.1, 0.9) * shape.imag
        canvas.fill(complex(*rng.uniform(-1.5, 1.5, 2)) + shape, _muted(rng), rng.uniform(0.3, 1), flat=True)


def _draw_back_hair(canvas: Canvas, face: Appearance) -> None:
    if face.hair_length < 0.2:
        return
    wave = 1 + 0.06 * face.curls * np.sin(11 * ABOUT)
    x = np.sign(ABOUT) * np.abs(np.sin(ABOUT)) ** 0.45 * face.width * (1.06 + face.hair_volume) * wave
    y = -np.cos(ABOUT)
    y = np.where(y > 0, y * face.hair_length, y * (1 + face.hair_volume) * (1 - 0.2 * face.bald))
    canvas.fill(x + 1j * y, face.hair_colour * 0.75, flat=True)


def _draw_body(canvas: Canvas, face: Appearance, rng: np.random.Generator) -> None:
    neck = np.concatenate([bow(0.3j, face.neck, 0.0), bow(1.2j, face.neck, -rng.uniform(0.05, 0.35))[::-1]])
    canvas.fill(bow(2.3j, 1.1 + 1.4 * face.neck, 1.2), _muted(rng), flat=True)
    canvas.fill(neck, face.skin * 0.78, flat=True)


def _draw_head(canvas: Canvas, face: Appearance) -> None:
    ear = complex(face.width * 0.99, face.eye.imag + 0.14)
    shell = face.ear * (0.6 * CIRCLE.real + 1j * CIRCLE.imag)
    canvas.fill(ear + shell, face.skin * 0.88, flat=True, pair=True)
    canvas.fill(ear + 0.5 * shell, face.skin * 0.7, flat=True, pair=True)
    edge = _head_edge(face, ABOUT)
    canvas.fill(edge, face.skin * 0.86)
    canvas.fill(edge * 0.93 + 0.15 * canvas.light, face.skin)
    cheek = complex(0.42, face.nose.imag + 0.04 - 0.06 * face.action.cheeks_up)
    flush = mix(face.skin, FLUSH, 0.5)
    for radius in (0.22, 0.15):
        canvas.fill(cheek + radius * CIRCLE[::2], flush, 0.14 + 0.14 * face.action.cheeks_up, pair=True)


def _draw_beard(canvas: Canvas, face: Appearance) -> None:
    if face.beard > 0.15:
        jaw = _head_edge(face, np.linspace(0.5 * np.pi, 1.5 * np.pi, 33))
        top = face.mouth.imag - 0.1
        cheek = -ACROSS * face.width + 1j * (top - (top - 0.05) * ACROSS**4)
        outline = np.concatenate([jaw.real + 1j * jaw.imag * (1 + 0.12 * face.beard), cheek])
        canvas.fill(outline, face.beard_colour, min(0.2 + face.beard, 0.95))
    if face.moustache > 0.2:
        middle = 0.55j * face.nose.imag + 0.45j * face.mouth.imag
        canvas.stroke(bow(middle, face.mouth.real * 1.1, 0.05), 0.11, face.beard_colour, 0.3 + face.moustache)


def _draw_front_hair(canvas: Canvas, face: Appearance, rng: np.random.Generator) -> None:
    bare = _head_edge(face, OVER)
    on_top = np.maximum(np.cos(OVER), 0.0) ** 2
    curls = 1 + 0.35 * face.curls * np.sin(9 * OVER)
    outer = bare * (1 + face.hair_volume * (1 - face.bald * on_top) * curls)
    line = face.hairline - 0.6 * face.bald + 0.3 * face.sweep * np.abs(ACROSS - face.parting) ** 1.5
    line = np.minimum(line + 0.5 * face.fringe * (1 + 0.25 * rng.standard_normal(33)), -0.25)
    temples = np.abs(ACROSS) ** (4 - face.bald)
    y = np.maximum(line + (bare[-1].imag - line) * temples, -0.99 * np.sqrt(1 - ACROSS**2))
    canvas.fill(np.concatenate([outer, face.width * ACROSS + 1j * y]), face.hair_colour)
    if face.bald < 0.3:
        crown, s = complex(0.5 * face.parting, -0.98), 0.5 * (T + 1)
        for end in outer[[4, 10, 22, 28]] * 0.96:
            bend = complex(end.real, crown.imag + 0.1)
            strand = (1 - s) ** 2 * crown + 2 * s * (1 - s) * bend + s**2 * end
            canvas.stroke(strand, 0.03, face.hair_colour * 0.7, 0.5)
    if face.hair_length > 0.6 and not face.tucked:
        lock = face.width * 1.03 - 0.25j + (T + 1) * complex(0.03, 0.5 * face.hair_length + 0.12)
        canvas.stroke(lock, 0.3, face.hair_colour * 0.93, taper=0.7, pair=True)


def _draw_glasses(canvas: Canvas, face: Appearance, rng: np.random.Generator) -> None:
    if rng.random() > 0.18:
        return
    frame, dark = rng.uniform(0, 160, 3), 0.75 if rng.random() < 0.1 else 0.12
    x, y = (
        np.sign(CIRCLE.real) * np.abs(CIRCLE.real) ** 0.7,
        np.sign(CIRCLE.imag) * np.abs(CIRCLE.imag) ** 0.7,
    )
    rim = (face.eye_size + 0.06) * (x + 0.85j * y)
    canvas.fill(face.eye + 0.84 * rim, BLACK, dark, pair=True)
    ring = np.concatenate([rim, rim[:1], 0.84 * rim[:1], 0.84 * rim[::-1]])
    canvas.fill(face.eye + ring, frame, pair=True)
    canvas.stroke(bow(1j * face.eye.imag, face.eye.real - face.eye_size - 0.03, 0.04), 0.05, frame, taper=0.0)


def _draw_hat(canvas: Canvas, face: Appearance, rng: np.random.Generator) -> None:
    if rng.random() > 0.1:
        return
    colour, brim = _muted(rng), 1j * rng.uniform(-0.62, -0.45)
    crown = _head_edge(face, np.linspace(-0.38 * np.pi, 0.38 * np.pi, 25)) * (1.12 + face.hair_volume)
    canvas.fill(np.concatenate([crown, bow(brim, face.width, 0.1)[::-1]]), colour)
    canvas.stroke(bow(brim, face.width * rng.uniform(1.1, 1.5), 0.08), 0.14, colour * 0.7, taper=0.5)


def _draw_hand(canvas: Canvas, rng: np.random.Generator) -> None:
    if rng.random() > 0.07:
        return
    colour = sample_skin(rng) if rng.random() < 0.5 else _muted(rng)  # bare or gloved
    place, direction = complex(*rng.uniform(-0.8, 0.8, 2)), np.exp(1j * rng.normal(1.5, 0.5))
    for finger in range(4):
        knuckle = place - 0.15j * direction * finger
        canvas.stroke(knuckle + 0.35 * T * direction, 0.16, colour * (0.85 + 0.05 * finger), taper=0.3)


def _muted(rng: np.random.Generator) -> Colour:
    return mix(rng.uniform(20, 240, 3), np.full(3, rng.uniform(40, 225)), 0.45)
