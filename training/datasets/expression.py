"""The parts of a drawn face that its expression moves, and the lines that age leaves in it."""

import numpy as np

from training.datasets.appearance import Appearance, clamp
from training.datasets.canvas import ARCH, BLACK, CIRCLE, WHITE, Canvas, T, bow, mix

THROAT = np.array((76.0, 20.0, 28.0))


def draw_wrinkles(canvas: Canvas, face: Appearance, rng: np.random.Generator) -> None:
    """Lines that age and expression dig, and spots."""
    line, depth, action = face.skin * 0.55, face.wrinkles, face.action
    brows, frown = face.eye.imag - 0.36, 0.5 * max(action.inner_brows_up + action.outer_brows_up - 0.8, 0.0)
    # As much chance is drawn as the deepest lines need: so what follows is the same at every age.
    more, uneven, spots = rng.random(2), rng.normal(0, 0.01, (6, 2)), rng.uniform(-1, 1, (32, 2))
    for n in range(int(5 * depth + 0.5 * more[0])):
        forehead = bow(1j * (brows - 0.06 * n + uneven[n, 0]), 0.42 - 0.03 * n, 0.03, uneven[n, 1])
        canvas.stroke(forehead, 0.03, line, 0.2 + 0.7 * depth + frown)
    fold = max(depth, 0.8 * action.corners_up, 0.8 * action.upper_lip_up, 0.5 * action.nose_wrinkled)
    crows = int(3.5 * max(depth - 0.1, 0.5 * action.cheeks_up) + 0.5 * more[1])
    slope = complex(0.06 + 0.03 * action.corners_up, 0.15)
    nasolabial = face.nose + 0.05 - 0.03j + 0.05 * ARCH + (T + 1) * slope
    canvas.stroke(nasolabial, 0.03, line, 0.9 * fold, pair=True)
    bag = bow(face.eye + 0.95j * face.eye_size, face.eye_size * 0.9, -0.07 - 0.04 * depth)
    canvas.stroke(bag, 0.03, line, 1.4 * depth - 0.2, pair=True)
    marionette = face.mouth + 0.05 + 0.05j + (T + 1) * complex(0.02, 0.08)
    canvas.stroke(marionette, 0.03, line, 1.4 * depth - 0.5, pair=True)
    for n in range(crows):
        crow = face.eye + 1.15 * face.eye_size + (T + 1) * 0.07 * np.exp(0.5j * (n - 1))
        canvas.stroke(crow, 0.025, line, 0.3 + 0.5 * depth, pair=True)
    for x, y in spots[: int(14 * face.freckles)]:
        canvas.fill(0.6 * x + (0.2 + 0.35 * y) * 1j + 0.022 * CIRCLE[::3], face.skin * 0.7, 0.6)


def draw_nose(canvas: Canvas, face: Appearance) -> None:
    """The nose: its bridge's shadow, tip, wings and nostrils."""
    wrinkled = face.action.nose_wrinkled
    half, tip = face.nose.real, face.nose.imag - 0.05 * wrinkled
    shaded = -1 if canvas.light.real > 0 else 1
    ridge = np.array((0.03, half, 0.2 * half)) * shaded + 1j * np.array((face.eye.imag, tip, tip + 0.02))
    canvas.fill(ridge, face.skin * 0.68, 0.45 * face.bridge + 0.1)
    canvas.fill(1j * (tip - 0.03) + half * 0.6 * CIRCLE, mix(face.skin, WHITE, 0.3), 0.5)
    wing = bow(complex(half * 0.85, tip), half * 0.38, 0.05 + 0.05 * wrinkled)
    canvas.stroke(wing, 0.03, face.skin * 0.55, 0.9, pair=True)
    nostril = complex(half * 0.42, tip + 0.045) + half * 0.26 * CIRCLE.real + 0.022j * CIRCLE.imag
    canvas.fill(nostril[::2], face.skin * 0.3, pair=True)
    for n in range(round(3 * wrinkled)):
        canvas.stroke(bow(1j * (face.eye.imag + 0.02 + 0.08 * n), 0.11, 0.04), 0.03, face.skin * 0.55)


def draw_mouth(canvas: Canvas, face: Appearance) -> None:
    """Lips, and between them, if they part, teeth and throat."""
    action, height = face.action, face.mouth.imag
    half = face.mouth.real * (
        1
        + 0.25 * action.corners_up
        + 0.3 * action.lips_stretched
        - 0.3 * action.jaw_down
        - 0.12 * action.lips_pressed
    )
    corner = height - 0.15 * action.corners_up + 0.12 * action.corners_down + 0.04 * face.sag
    upper = (
        height
        - 0.11 * action.upper_lip_up
        - 0.04 * action.lips_apart * (1 + action.lips_stretched)
        - 0.07 * action.jaw_down
        - 0.05 * action.corners_down
    )
    lower = (
        height
        + 0.1 * action.lips_apart
        + 0.22 * action.jaw_down
        + 0.04 * action.corners_up
        - 0.06 * action.corners_down
    )
    gap = max(lower - upper, 0.0)
    lips = face.lips * (1 - 0.6 * min(action.lips_pressed, 1.0))
    to_corner = np.abs(T) ** (2 + 2.5 * action.lips_stretched)
    above = half * T + 1j * (upper + (corner - upper) * to_corner)
    below = half * T + 1j * (upper + gap + (corner - upper - gap) * to_corner)
    cupid = above - 1j * lips * (1 - T**4) * (1 - 0.3 * np.exp(-20 * T * T))
    canvas.fill(np.concatenate([cupid, (below + 1.2j * lips * ARCH)[::-1]]), face.lip_colour)
    if gap > 0.05:
        canvas.fill(np.concatenate([above, below[::-1]]), THROAT)
        teeth = np.minimum(above.imag + min(0.45 * gap, 0.09), below.imag)
        canvas.fill(np.concatenate([above, (half * T + 1j * teeth)[::-1]]), WHITE * 0.96)
    else:
        canvas.stroke(0.5 * (above + below), 0.03 + 0.015 * action.lips_pressed, face.skin * 0.32, taper=0.5)
    chin = bow(1j * (upper + gap + lips + 0.07), half * 0.5, 0.03 + 0.03 * action.chin_up)
    canvas.stroke(chin, 0.03, face.skin * 0.6, 0.5)


def draw_eyes(canvas: Canvas, face: Appearance, rng: np.random.Generator) -> None:
    """Eyes that look about, between their lids."""
    action, size = face.action, face.eye_size
    open_up = (
        0.58 + 0.28 * action.lids_up - 0.25 * action.lids_down - 0.15 * action.lids_tight - 0.2 * face.sag
    )
    open_down = (
        0.42
        + 0.1 * action.lids_up
        - 0.22 * action.lids_tight
        - 0.25 * action.cheeks_up
        - 0.1 * action.nose_wrinkled
    )
    up, down = size * clamp(open_up, 0.15), size * clamp(open_down, 0.05)
    slant = -0.02 + 0.06 * action.lids_down + 0.03 * face.sag
    gaze = size * complex(*rng.normal(0, (0.12, 0.05)))
    lid, floor = bow(face.eye, size, up, slant), bow(face.eye, size, -down, slant)
    crease = bow(face.eye - 0.05j, size, up, slant)
    canvas.fill(np.concatenate([lid, floor[::-1]]), WHITE, pair=True)
    for side in (-1, 1):
        for radius, colour in ((face.iris, face.iris_colour), (0.5 * face.iris, BLACK)):
            ball = face.eye + complex(side * gaze.real, gaze.imag) + radius * size * CIRCLE
            top, bottom = (np.interp(ball.real, edge.real, edge.imag) for edge in (lid, floor))
            ball.imag = np.minimum(np.maximum(ball.imag, top), bottom)
            canvas.fill(ball if side == 1 else -ball.conj(), colour)
        if up > 0.35 * size:
            glint = complex(side * face.eye.real, face.eye.imag) + gaze + size * (0.2 - 0.2j)
            canvas.fill(glint + 0.14 * size * CIRCLE[::3], WHITE)
    canvas.stroke(lid, 0.025 + 0.035 * face.lashes, BLACK, taper=0.4, pair=True)
    canvas.stroke(floor, 0.02, face.skin * 0.5, 0.8, pair=True)
    canvas.stroke(crease, 0.02, face.skin * 0.55, 0.5 + 0.4 * face.wrinkles, pair=True)
    if face.lashes > 0.2:
        lash = face.eye + size + 1j * slant + (T + 1) * size * (0.17 - 0.15j) * face.lashes
        canvas.stroke(lash, 0.04, BLACK, pair=True)


def draw_brows(canvas: Canvas, face: Appearance) -> None:
    """Brows, and the furrow between them."""
    action = face.action
    inner = 0.17 * action.inner_brows_up - 0.16 * action.brows_down - 0.03 * action.nose_wrinkled
    outer = 0.13 * action.outer_brows_up - 0.01 * action.brows_down - 0.06 * face.sag
    height = face.eye.imag - face.eye_size * 0.8 - 0.12 + 0.02 * action.cheeks_up
    centre = complex(face.eye.real - 0.05 * action.brows_down, height - 0.5 * (inner + outer))
    brow = bow(centre, face.eye_size * 1.2, 0.05 + 0.03 * action.outer_brows_up, 0.5 * (inner - outer) + 0.02)
    furrow = 0.06 + 1j * (height + 0.03) + 0.08j * T
    canvas.stroke(brow, face.brow * 1.3, face.brow_colour, taper=0.6, pair=True)
    canvas.stroke(furrow, 0.03, face.skin * 0.5, action.brows_down - 0.2, pair=True)
