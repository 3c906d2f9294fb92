"""What a face is drawn on: a picture of a head in some pose, and the light it is seen in."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = np.ndarray
"""RGB, float [3], 0..255."""

SUPERSAMPLING = 3
HALF_HEAD = 0.39  # of the picture's size
DEPTH = 0.75  # by how many half heads the nose's root stands before the ears

T = np.linspace(-1.0, 1.0, 13)
"""Where on a line its points lie, from one end to the other."""
ARCH = 1.0 - T * T
NEXT, PREVIOUS = np.r_[1:13, 12], np.r_[0, 0:12]
BLACK, WHITE = np.array((18.0, 14.0, 16.0)), np.array((250.0, 248.0, 244.0))
CIRCLE = np.exp(2j * np.pi * np.arange(24) / 24)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with a share (0..1) of `other`."""
    return one + (other - one) * share


def bow(centre: complex, half_width: float, rise: float, slant: float = 0.0) -> np.ndarray:
    """A parabola, complex [13] from left to right: its middle `rise` higher, its right end `slant` lower."""
    return centre + half_width * T + 1j * (slant * T - rise * ARCH)


class Canvas:
    """A picture of a head in a random pose and light.

    Points are complex, x + yj, in half heads: 0 is the face's centre, -1j the crown, 1j the chin.

    Args:
        size: height and width of the picture in pixels.
        width: half of the head's width.
        background: its colour.
        rng: decides pose and light.
    """

    def __init__(self, size: int, width: float, background: Colour, rng: np.random.Generator) -> None:
        side = size * SUPERSAMPLING
        self.image = Image.new("RGB", (side, side), _rgb(background))
        self.width = width
        self.polygons: list[tuple[np.ndarray, Colour, float, bool]] = []
        roll = np.clip(rng.normal(0, 0.11), -0.35, 0.35)
        self.zoom = side * HALF_HEAD * rng.uniform(0.87, 1.1) * np.exp(1j * roll)
        self.origin = side * (0.5 + 0.48j + 0.038 * complex(*rng.normal(size=2)))
        self.turn = DEPTH * complex(*np.sin(np.clip(rng.normal(0, (0.22, 0.1)), -0.45, 0.45)))
        self.light = np.exp(1j * rng.uniform(0, 2 * np.pi)) * rng.uniform(0, 0.4)

    def fill(
        self,
        points: np.ndarray,
        colour: Colour,
        alpha: float = 1.0,
        *,
        flat: bool = False,
        pair: bool = False,
    ) -> None:
        """Fills a polygon (`expose` paints all, in turn).

        Args:
            points: complex [N], in half heads.
            colour: what with.
            alpha: how opaque; 0 or less draws nothing.
            flat: in the plane of the ears, not on the head's surface.
            pair: on the other half of the face as well.
        """
        if alpha <= 0:
            return
        if pair:
            self.polygons.append((-points.conj(), colour, alpha, flat))
        self.polygons.append((points, colour, alpha, flat))

    def stroke(
        self,
        path: np.ndarray,
        width: float,
        colour: Colour,
        alpha: float = 1.0,
        *,
        taper: float = 0.8,
        pair: bool = False,
    ) -> None:
        """Draws a line along the 13 points of `path` (see `T`).

        Args:
            path: complex [13], in half heads.
            width: thickness in its middle.
            colour: what with.
            alpha: how opaque; 0 or less draws nothing.
            taper: how much thinner the ends are; 1 makes them points.
            pair: on the other half of the face as well.
        """
        if alpha <= 0:
            return
        along = path[NEXT] - path[PREVIOUS]
        across = (0.5j * width) * (1 - taper + taper * ARCH) * along / np.abs(along)
        self.fill(np.concatenate([path + across, (path - across)[::-1]]), colour, alpha, pair=pair)

    def expose(self, rng: np.random.Generator) -> Image.Image:
        """The picture as a camera takes it: lit from one side, at times blurred, grey or noisy."""
        self._paint()
        image = self.image.reduce(SUPERSAMPLING)
        size = image.width
        if rng.random() < 0.2:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7) * size / 64))
        if rng.random() < 0.12:
            image = image.convert("L").convert("RGB")
        across = np.linspace(-1, 1, size, dtype=np.float32)
        light = 1 + self.light.real * across + self.light.imag * across[:, None]  # [size, size]
        exposure = np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.04, 3)).astype(np.float32)  # [3]
        contrast = np.float32(rng.uniform(0.8, 1.08))
        noise = rng.standard_normal((size, size), np.float32) * np.float32(rng.uniform(0, 5))
        pixels = np.asarray(image, np.float32) * contrast + 128 * (1 - contrast)  # [size, size, 3]
        pixels *= light[:, :, None] * exposure
        pixels += noise[:, :, None]
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

    def _paint(self) -> None:
        # All points at once: one by one, numpy's calls would take longer than the painting.
        points = np.concatenate([polygon for polygon, *_ in self.polygons])
        on_head = np.repeat([not flat for *_, flat in self.polygons], [len(p) for p, *_ in self.polygons])
        # A paraboloid: what lies before the plane of the ears moves as the head turns.
        height = np.maximum(1.0 - (points.real / self.width) ** 2 - 0.6 * points.imag**2, 0.0) * on_head
        pixels = ((points + height * self.turn) * self.zoom + self.origin).view(np.float64).tolist()
        opaque, glaze = ImageDraw.Draw(self.image), ImageDraw.Draw(self.image, "RGBA")
        end = 0
        for polygon, colour, alpha, _ in self.polygons:
            start, end = end, end + 2 * len(polygon)
            if alpha >= 1:
                opaque.polygon(pixels[start:end], _rgb(colour))
            else:
                glaze.polygon(pixels[start:end], (*_rgb(colour), int(255 * alpha)))


def _rgb(colour: Colour) -> tuple[int, ...]:
    return tuple(colour.astype(np.uint8).tolist())
