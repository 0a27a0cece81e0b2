"""The sample's world: a furry subject over a moving background, in scene-linear light.

Every frame is put together as light is: plate = occluded(alpha F + (1 - alpha) B) + grain, where alpha and alpha F are
means over the shutter. So the truth holds to the last bit of its storage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte.layer import Pixels

# The primaries a sample may have, with the names that files carry.
TAGS = {"ACEScg": "lin_ap1_scene", "Rec.709": "lin_rec709_scene"}
_SHUTTER_SAMPLES = 5
_SHUTTER = 0.5
_FIXED_POINT = 4


@dataclass(frozen=True)
class Params:
    """What `seqmatte sample` can be asked for."""

    width: int = param(960, low=64, high=8192, help="Width in pixels.")
    height: int = param(540, low=48, high=8192, help="Height in pixels.")
    frames: int = param(24, low=1, high=10000, help="Number of frames.")
    first: int = param(1001, low=-100000, high=10000000, help="Number of the first frame.")
    seed: int = param(1, low=0, high=2**31 - 1, help="Another number makes another shot.")
    grain: float = param(0.012, low=0.0, high=0.5, help="Noise at white, as a share of it.")
    lights: bool = param(True, help="Lamps far above white behind the subject, and a highlight on it.")
    lookalike: bool = param(False, help="A second, untracked subject of the same fur in the background.")
    occluder: bool = param(False, help="A post passes in front of the subject.")
    space: str = param("ACEScg", choices=tuple(TAGS), help="Primaries of the scene-linear light; tagged in the files.")


class Scene:
    """The world of one seed; `frame` looks at it at any time, so frames can be made in any order."""

    def __init__(self, params: Params) -> None:
        self.params = params
        random = np.random.default_rng(params.seed)
        width, height = params.width, params.height
        self._subject = Subject(random, height * 0.25, params.lights)
        self._wall = _wall(random, width + height // 4, height + height // 8, params.lights)
        self._post = _noise(random, height, max(height // 12, 8), 3) * [0.25, 0.2, 0.16]
        self._bob = random.uniform(0, 2 * math.pi)

    def frame(self, index: int) -> tuple[Pixels, Pixels]:
        """(plate H x W x 3 with grain, truth H x W x 4 premultiplied) of the index-th frame, both float32."""
        truth, rest = self._subject_at(index), self._background(index)
        occlusion = self._occlusion(index)
        if occlusion is not None:
            left, post, cover = occlusion
            strip = np.s_[:, left : left + post.shape[1]]
            truth[strip] *= 1 - cover
            behind = (1 - cover) - truth[strip][:, :, 3:]
            rest[strip] = (rest[strip] * behind + post * cover) / np.maximum(behind + cover, 1e-6)
        plate = truth[:, :, :3] + (1 - truth[:, :, 3:]) * rest
        return _grained(plate, self.params.grain, (self.params.seed, index)), truth

    def _pose(self, time: float) -> tuple[float, float, float]:
        """(x, y, angle) of the subject: about 60 frames for one sweep, whatever the length of the shot."""
        sweep = math.sin(time * 2 * math.pi / 60 - 0.9)
        x = self.params.width * 0.5 + self.params.height * 0.5 * sweep
        y = self.params.height * (0.52 + 0.06 * math.sin(time * 2 * math.pi / 23 + self._bob))
        return x, y, 0.5 * sweep

    def _subject_at(self, index: int) -> Pixels:
        """Premultiplied R, G, B, A, averaged over the shutter and a little out of focus."""
        total = np.zeros((self.params.height, self.params.width, 4), np.float32)
        for sample in range(_SHUTTER_SAMPLES):
            time = index + _SHUTTER * (sample + 0.5) / _SHUTTER_SAMPLES
            self._subject.add(total, self._pose(time), time, 1.0 / _SHUTTER_SAMPLES)
        return cv2.GaussianBlur(total, (0, 0), max(self.params.height / 1080 * 0.8, 0.4)).clip(0, None)

    def _background(self, index: int) -> Pixels:
        pan = self.params.height * 0.12 * (1 + math.sin(index * 2 * math.pi / 90))
        look = np.array([[1.0, 0.0, -pan], [0.0, 1.0, -self.params.height * 0.06]])
        size = (self.params.width, self.params.height)
        seen = cv2.warpAffine(self._wall, look, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        if self.params.lookalike:
            other = np.zeros((self.params.height, self.params.width, 4), np.float32)
            x = self.params.width * 0.5 - self.params.height * 0.55 * math.cos(2.4 + index * 2 * math.pi / 80)
            self._subject.add(other, (x, self.params.height * 0.35, 1.0 - 0.02 * index), index + 500.0, 1.0)
            seen = other[:, :, :3] + (1 - other[:, :, 3:]) * seen
        return np.ascontiguousarray(seen, np.float32)

    def _occlusion(self, index: int) -> tuple[int, Pixels, Pixels] | None:
        """(left column, colour, coverage) of the post that crosses the picture, right to left, once in 48 frames."""
        width = self._post.shape[1]
        left = int((1.0 - (index / 48 + 0.15) % 1.0) * self.params.width)
        visible = min(width, self.params.width - left)
        if not self.params.occluder or visible <= 0:
            return None
        ramp = np.minimum(np.arange(width) + 1, np.arange(width, 0, -1)) / 3.0
        cover = np.broadcast_to(np.minimum(ramp, 1.0)[None, :visible, None], (self.params.height, visible, 1))
        return left, self._post[:, :visible].astype(np.float32), cover.astype(np.float32)


class Subject:
    """A furry ball. radius: its mean radius in pixels."""

    def __init__(self, random: np.random.Generator, radius: float, highlight: bool) -> None:
        self.radius = radius
        self._bumps = [(n, random.uniform(0.01, 0.12 / n), random.uniform(0, 2 * math.pi)) for n in (2, 3, 4, 5)]
        self._fur = _fur_texture(random, int(radius * 3.6), highlight)
        count = int(1100 + radius)
        self._roots = random.uniform(0, 2 * math.pi, count)
        self._lengths = radius * random.gamma(4.0, 0.055, count).clip(0.04, 0.55)
        self._curls = random.normal(0, 0.25, count)
        self._phases = random.normal(0, 0.5, count) + 3 * np.sin(self._roots)

    def add(self, onto: Pixels, pose: tuple[float, float, float], time: float, weight: float) -> None:
        """Adds the subject, premultiplied R, G, B, A times weight, at a pose (x, y, angle) to a picture."""
        height, width = onto.shape[:2]
        alpha = np.zeros((height, width), np.uint8)
        self._draw(alpha, pose, time)
        reach = self.radius * 1.75
        x0, x1 = max(int(pose[0] - reach), 0), min(int(pose[0] + reach) + 1, width)
        y0, y1 = max(int(pose[1] - reach), 0), min(int(pose[1] + reach) + 1, height)
        if x0 >= x1 or y0 >= y1:
            return
        coverage = alpha[y0:y1, x0:x1].astype(np.float32) * (weight / 255)
        colour = self._colour(pose, x0, y0, x1 - x0, y1 - y0)
        onto[y0:y1, x0:x1, :3] += colour * coverage[:, :, None]
        onto[y0:y1, x0:x1, 3] += coverage

    def _draw(self, alpha: npt.NDArray[np.uint8], pose: tuple[float, float, float], time: float) -> None:
        thick = max(1, round(self.radius / 220))
        strands = self._strands(pose, time)
        # Tips are thinner than a pixel: drawn lighter first, the lower halves opaque over them.
        cv2.polylines(alpha, list(strands), False, 120, thick, cv2.LINE_AA, _FIXED_POINT)
        cv2.polylines(alpha, list(strands[:, :4]), False, 235, thick, cv2.LINE_AA, _FIXED_POINT)
        angles = np.linspace(0, 2 * math.pi, 180, endpoint=False)
        body = _turned(angles, self._outline(angles), pose)
        cv2.fillPoly(alpha, [body], 255, cv2.LINE_AA, _FIXED_POINT)

    def _outline(self, angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        bumps = sum(size * np.cos(n * angles + phase) for n, size, phase in self._bumps)
        return np.asarray(self.radius * (1 + bumps))

    def _strands(self, pose: tuple[float, float, float], time: float) -> npt.NDArray[np.int32]:
        """count x 6 x 2 points in fixed point, swaying in time."""
        along = np.linspace(0, 1, 6)[None]
        sway = 0.22 * np.sin(time * 0.5 + self._phases)[:, None]
        angles = self._roots[:, None] + self._curls[:, None] * along**2 * 0.6 + sway * along * 0.5
        radii = self._outline(self._roots)[:, None] * 0.97 + self._lengths[:, None] * along
        return _turned(angles, radii, pose)

    def _colour(self, pose: tuple[float, float, float], x0: int, y0: int, width: int, height: int) -> Pixels:
        """The fur's colour under a window of the picture, alpha not yet counted."""
        x, y, angle = pose
        centre = self._fur.shape[0] / 2
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([[cos, -sin, x - x0], [sin, cos, y - y0]])
        turn[:, 2] -= turn[:, :2] @ [centre, centre]
        return np.asarray(
            cv2.warpAffine(self._fur, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT),
            np.float32,
        )


def _turned(
    angles: npt.NDArray[np.float64], radii: npt.NDArray[np.float64], pose: tuple[float, float, float]
) -> npt.NDArray[np.int32]:
    x, y, turn = pose
    points = np.stack([x + radii * np.cos(angles + turn), y + radii * np.sin(angles + turn)], axis=-1)
    return np.asarray(np.round(points * 2**_FIXED_POINT), np.int32)


def _noise(random: np.random.Generator, height: int, width: int, octaves: int, finest: int = 2) -> Pixels:
    """1/f noise, about 0.5 +- 0.25, H x W x 3; all channels share most of it."""
    made = np.zeros((height, width, 3), np.float32)
    for octave in range(octaves):
        cell = finest * 2 ** (octaves - 1 - octave) * 2
        grid = random.normal(0, 1, (height // cell + 3, width // cell + 3, 4)).astype(np.float32)
        grid = grid[:, :, :1] * 0.85 + grid[:, :, 1:] * 0.12
        made += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return np.asarray((0.5 + 0.18 * made).clip(0.02, 1.2))


def _wall(random: np.random.Generator, width: int, height: int, lights: bool) -> Pixels:
    """The background: a textured wall, planks, and lamps up to 20 times white."""
    tint = random.uniform(0.5, 1.0, 3) * [0.34, 0.32, 0.30]
    wall = _noise(random, height, width, 6) ** 1.6 * tint
    for _ in range(10):
        x, y = int(random.uniform(0, width)), int(random.uniform(0, height))
        size = (int(random.uniform(0.05, 0.25) * height), int(random.uniform(0.05, 0.3) * height))
        block = wall[y : y + size[1], x : x + size[0]]
        block *= random.uniform(0.4, 1.6) * random.uniform(0.75, 1.25, 3)
    if lights:
        glow = np.zeros((height, width, 3), np.float32)
        for _ in range(7):
            centre = (int(random.uniform(0.1, 0.9) * width), int(random.uniform(0.15, 0.7) * height))
            bright = float(2 ** random.uniform(1.5, 4.3))
            colour = bright * (1 - random.uniform(0, 0.5, 3) * [0.1, 0.5, 1.0])
            cv2.circle(glow, centre, int(height * random.uniform(0.012, 0.03)), colour.tolist(), -1, cv2.LINE_AA)
        glow = np.asarray(cv2.GaussianBlur(glow, (0, 0), height / 300), np.float32)
        wall += glow + 0.05 * cv2.GaussianBlur(glow, (0, 0), height / 40)
    return np.asarray(wall, np.float32)


def _fur_texture(random: np.random.Generator, size: int, highlight: bool) -> Pixels:
    """Colour of the subject around its centre: brindled fur lit from above left."""
    rows, columns = (np.mgrid[:size, :size] / size - 0.5).astype(np.float32)
    base = random.uniform([0.36, 0.24, 0.14], [0.55, 0.40, 0.28])
    streaks = _noise(random, size, size, 5, 1)
    patches = np.where(_noise(random, size, size, 3, max(size // 40, 1))[:, :, :1] > 0.5, 1.0, 0.45)
    light = (0.9 - 1.1 * columns - 1.4 * rows).clip(0.12, None)[:, :, None]
    fur = base * (0.35 + 1.3 * streaks**1.5) * patches * light
    if highlight:
        spot = np.exp(-((rows + 0.11) ** 2 + 0.4 * (columns + 0.1) ** 2) / 0.0004)[:, :, None]
        fur = fur + 2.5 * spot
    return np.asarray(fur, np.float32)


def _grained(light: Pixels, grain: float, seed: tuple[int, int]) -> Pixels:
    """Photon noise grows with the root of light, read noise does not."""
    if not grain:
        return light
    noise = np.random.default_rng(seed).standard_normal(light.shape, np.float32)
    noise *= np.sqrt(np.maximum(light, 0) + 0.02)
    return np.asarray(light + grain * noise, np.float32)
