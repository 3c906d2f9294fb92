"""How a drawn face looks, as numbers: what age, emotion and gender say, and what chance adds."""

import math
from dataclasses import astuple, dataclass

import numpy as np

from multitask.tasks import TASKS
from training.datasets.canvas import Colour, mix

SKINS = np.array(
    [(250, 224, 205), (238, 198, 166), (214, 164, 124), (172, 120, 82), (124, 82, 56), (84, 56, 42)], float
)
HAIRS = np.array(
    [(24, 20, 22), (48, 32, 24), (84, 54, 34), (120, 80, 44), (196, 152, 88), (226, 198, 140), (156, 70, 34)],
    float,
)
GREYS = np.array([(128, 126, 126), (238, 236, 232)], float)
IRISES = np.array([(52, 32, 22), (92, 60, 34), (118, 98, 52), (84, 112, 84), (86, 124, 156)], float)
RED = np.array((176, 36, 58), float)


@dataclass(frozen=True)
class Action:
    """Strength, 0 to about 1, of action units of the face, by their numbers (Ekman and Friesen, 1978)."""

    inner_brows_up: float = 0.0  # 1
    outer_brows_up: float = 0.0  # 2
    brows_down: float = 0.0  # 4
    lids_up: float = 0.0  # 5
    cheeks_up: float = 0.0  # 6
    lids_tight: float = 0.0  # 7
    nose_wrinkled: float = 0.0  # 9
    upper_lip_up: float = 0.0  # 10
    corners_up: float = 0.0  # 12
    corners_down: float = 0.0  # 15
    chin_up: float = 0.0  # 17
    lips_stretched: float = 0.0  # 20
    lips_pressed: float = 0.0  # 24
    lips_apart: float = 0.0  # 25
    jaw_down: float = 0.0  # 26
    lids_down: float = 0.0  # 43


PROTOTYPES = {
    "angry": Action(
        brows_down=1.0, lids_up=0.5, lids_tight=0.6, corners_down=0.3, chin_up=0.4, lips_pressed=1.0
    ),
    "disgust": Action(
        brows_down=0.4,
        cheeks_up=0.4,
        lids_tight=0.6,
        nose_wrinkled=1.0,
        upper_lip_up=1.0,
        corners_down=0.5,
        lips_apart=0.3,
    ),
    "fear": Action(
        inner_brows_up=1.0,
        outer_brows_up=0.4,
        brows_down=0.5,
        lids_up=1.0,
        lips_stretched=1.0,
        lips_apart=0.8,
    ),
    "happy": Action(cheeks_up=0.9, corners_up=1.0, lips_apart=0.7),
    "sad": Action(inner_brows_up=0.9, brows_down=0.3, corners_down=1.0, chin_up=0.5, lids_down=0.6),
    "surprise": Action(inner_brows_up=1.0, outer_brows_up=1.0, lids_up=0.8, jaw_down=1.0),
    "neutral": Action(),
}


@dataclass(frozen=True)
class Appearance:
    """One face: lengths in half heads (see `Canvas`), amounts 0..1 where nothing else is said."""

    width: float  # of half the head
    jaw: float  # below 1 square, above 1 pointed
    neck: float  # half its width
    ear: float
    eye: complex  # centre of the eye at positive x
    eye_size: float  # half its width
    iris: float  # its radius, in eye sizes
    brow: float  # thickness
    lashes: float
    nose: complex  # half its width, height of its tip
    bridge: float
    mouth: complex  # half its width, its height
    lips: float  # thickness of each
    sag: float
    wrinkles: float
    freckles: float
    hair_length: float  # height of its ends
    hair_volume: float
    hairline: float  # its height
    bald: float
    curls: float
    fringe: float
    sweep: float
    parting: float  # its x
    tucked: bool  # hair behind the ears
    moustache: float
    beard: float
    skin: Colour
    hair_colour: Colour
    brow_colour: Colour
    beard_colour: Colour
    lip_colour: Colour
    iris_colour: Colour
    action: Action


def sample_appearance(age: float, emotion: int, gender: int, rng: np.random.Generator) -> Appearance:
    """A face of that age in years, and of that emotion and gender by the codes of `TASKS`."""
    apparent = max(age + rng.normal(0.0, 0.5 + 0.02 * age), 0.0)
    newborn = math.exp(-apparent / 1.5)
    grown = clamp(apparent / 20.0) ** 0.8
    adult = clamp((apparent - 12.0) / 8.0)
    old = clamp((apparent - 22.0) / 75.0)

    # No cue decides alone: the gender, less so a child's, shifts the mean that each is drawn around.
    sign = (2 * gender - 1) * (0.55 + 0.45 * adult)

    def cue(mean: float, shift: float, spread: float) -> float:
        return mean + shift * sign + spread * rng.standard_normal()

    grey = (rng.random() > 0.15) / (1.0 + math.exp((rng.normal(58.0, 7.0) - apparent) / 8.0))
    skin = sample_skin(rng)
    natural = between(HAIRS, rng)
    hair = mix(natural, between(GREYS, rng), grey)
    eye_height = cue(0.28 - 0.26 * grown, 0.0, 0.025)
    nose_height = eye_height + 0.2 + 0.15 * grown + 0.03 * old
    man = adult if gender == 0 else 0.0
    beard = clamp(rng.normal(0.1, 0.5)) * man
    bald = clamp(rng.normal(0.75 * old - 0.15, 0.35)) * (1.0 if man else 0.25)
    return Appearance(
        width=cue(0.89 - 0.13 * grown, -0.01, 0.022),
        jaw=cue(0.84 + 0.1 * grown, 0.13, 0.07),
        neck=cue(0.28 + 0.14 * grown, -0.05, 0.03),
        ear=0.17 + 0.03 * grown + 0.06 * old,
        eye=complex(cue(0.39 - 0.05 * grown, 0.0, 0.012), eye_height),
        eye_size=cue(0.27 - 0.075 * grown - 0.015 * old, 0.007, 0.01),
        iris=0.66 - 0.1 * grown,
        brow=max(cue(0.04 + 0.045 * grown, -0.023, 0.016), 0.025),
        lashes=clamp(cue(0.15 + 0.25 * adult, 0.3, 0.22)),
        nose=complex(cue(0.1 + 0.035 * grown + 0.03 * old, -0.012, 0.012), nose_height),
        bridge=0.2 + 0.5 * grown,
        mouth=complex(
            cue(0.24 + 0.1 * grown, 0.0, 0.02), nose_height + 0.23 + 0.03 * grown + rng.normal(0, 0.015)
        ),
        lips=max(cue(0.075 - 0.04 * old, 0.015, 0.012), 0.015),
        sag=old**2,
        wrinkles=old,
        freckles=float(rng.random() < 0.12) * rng.random() + 1.5 * max(old - 0.5, 0.0),
        hair_length=cue(0.5 + 0.1 * adult - 0.8 * newborn, 0.34, 0.48),
        hair_volume=max(rng.normal(0.14, 0.05), 0.04) * (1 - 0.8 * newborn),
        hairline=rng.normal(-0.58, 0.06) - 0.35 * newborn,
        bald=bald,
        curls=clamp(rng.normal(0.0, 0.6)),
        fringe=clamp(rng.normal(-0.1, 0.5)) * (1 - newborn) * (bald < 0.3),
        sweep=clamp(rng.normal(0.4, 0.4)) * (1 - newborn),
        parting=rng.normal(0.0, 0.3),
        tucked=bool(rng.random() < 0.5),
        moustache=clamp(beard + rng.normal(0.0, 0.4)) * man,
        beard=beard,
        skin=skin,
        hair_colour=mix(hair, skin, 0.45 * newborn),
        brow_colour=mix(mix(natural, hair, 0.7) * 0.8, skin, 0.1 + 0.4 * newborn),
        beard_colour=mix(natural, GREYS[1], grey) * 0.9,
        lip_colour=mix(skin * 0.85, RED, clamp(cue(0.4, 0.16, 0.16))),
        iris_colour=between(IRISES, rng),
        action=sample_action(emotion, rng),
    )


def sample_action(emotion: int, rng: np.random.Generator) -> Action:
    """The emotion's prototype at a random intensity, and a little of anything."""
    prototype = np.array(astuple(PROTOTYPES[TASKS["emotion"].labels[emotion]]))
    intensity = rng.uniform(0.6, 1.2) * rng.normal(1.0, 0.2, prototype.shape)
    stray = np.abs(rng.normal(0.0, 0.08, prototype.shape))
    return Action(*np.maximum(prototype * intensity + stray, 0.0).tolist())


def sample_skin(rng: np.random.Generator) -> Colour:
    """Any skin colour; it tells nothing of the labels."""
    return np.clip(between(SKINS, rng) + rng.normal(0, 4, 3), 20, 255)


def between(colours: np.ndarray, rng: np.random.Generator) -> Colour:
    """A random point of the line from the first colour over all others to the last."""
    whole, share = divmod(rng.uniform(0, len(colours) - 1), 1)
    return mix(colours[int(whole)], colours[int(whole) + 1], share)


def clamp(x: float, low: float = 0.0, high: float = 1.0) -> float:
    """`x`, or the bound it passes."""
    return min(max(x, low), high)
