# ruff: noqa: ANN001
"""Compiled loops of the descriptors: from the pixels of an image to sums per region, line by line.

`planes` are (n_channels, height, width) float32 with one channel or three; `levels` the same in
whole levels of 8 bits, uint8, and without a value for an image that has others. `regions` are
(height, width) int32, -1 for pixels that are left out. Loops add to `sums`, (n_regions, n_sums)
float64. Inner loops are plain, so that the compiler uses vector instructions.
"""

from __future__ import annotations

import numpy as np

from ._jit import jit

N_LEVELS = 255
# levels of farther values are cut off, so that they stay integers
FARTHEST = 1e6
# weights of red, green and blue in the luma, in ten thousandths
LUMA = (2125, 7154, 721)
# from linear red, green and blue to X, Y and Z, over the white point D65
FROM_RED = (0.412453 / 0.95047, 0.212671, 0.019334 / 1.08883)
FROM_GREEN = (0.357580 / 0.95047, 0.715160, 0.119193 / 1.08883)
FROM_BLUE = (0.180423 / 0.95047, 0.072169, 0.950227 / 1.08883)
# where the function of CIELAB changes from a line to a cube root
KNEE = 0.008856
# bits of a float32 behind those that name an entry of the table of roots
LOW_BITS = 14
# of arctan on [0, 1]: Abramowitz & Stegun (1964), equation 4.4.49, within 2e-8
ARCTAN = (
    np.float32(-0.3333314528),
    np.float32(0.1999355085),
    np.float32(-0.1420889944),
    np.float32(0.1065626393),
    np.float32(-0.0752896400),
    np.float32(0.0429096138),
    np.float32(-0.0161657367),
    np.float32(0.0028662257),
)
HALF_TURN = np.float32(np.pi)
# of a point between two pixels on the circle around a pixel, in hundred thousandths
DIAGONAL, REST = 70711, 29289


@jit
def split_planes(image, planes):
    """Copy the channels of an image, (height, width, n_channels), to planes."""
    height, width, n_channels = image.shape
    for channel in range(n_channels):
        for row in range(height):
            line, pixels = planes[channel, row], image[row]
            for col in range(width):
                line[col] = pixels[col, channel]


@jit
def whole_levels(planes, levels):
    """Write intensities as levels of 8 bits, and tell whether all of them are such levels."""
    values, found = planes.reshape(-1), levels.reshape(-1)
    n_others = 0
    for i in range(len(values)):
        level = values[i] * np.float32(N_LEVELS)
        near = np.int32(min(max(level, np.float32(0)), np.float32(N_LEVELS)))
        found[i] = near
        n_others += np.float32(near) != level
    return n_others == 0


@jit
def linear_light(value):
    """Undo the gamma of sRGB."""
    value = np.float64(value)
    return ((value + 0.055) / 1.055) ** 2.4 if value > 0.04045 else value / 12.92


@jit
def light_line(planes, levels, row, gamma, lines):
    """Linear light of a row; `gamma` is a table for whole levels."""
    for channel in range(len(planes)):
        line = lines[channel]
        if levels.size:
            found = levels[channel, row]
            for col in range(len(line)):
                line[col] = gamma[found[col]]
        else:
            values = planes[channel, row]
            for col in range(len(line)):
                line[col] = linear_light(values[col])


@jit
def root_line(values, root, first, out):
    """Take the cube root of CIELAB of every value, float32.

    `root` is a table at float32 numbers that share all but the `LOW_BITS` lowest bits, beginning
    with `first`; between them it is linear, within 1e-7 of the value.
    """
    bits = values.view(np.int32)
    share = np.float32(1 / 2**LOW_BITS)
    for col in range(len(values)):
        place = (bits[col] >> LOW_BITS) - first
        if values[col] > np.float32(KNEE) and place < len(root) - 1:
            above = np.float32(bits[col] & (2**LOW_BITS - 1)) * share
            out[col] = root[place] + above * (root[place + 1] - root[place])
        elif values[col] > np.float32(KNEE):
            out[col] = np.cbrt(values[col])
        else:
            out[col] = np.float32(7.787) * values[col] + np.float32(16.0 / 116.0)


@jit
def lab_line(light, xyz, root, first, lines):
    """Turn a row of linear light into CIELAB; of gray light L only."""
    n_channels, width = light.shape
    if n_channels == 1:
        for col in range(width):
            xyz[0, col] = light[0, col]
        root_line(xyz[0], root, first, lines[0])
        for col in range(width):
            lines[0, col] = np.float32(116) * lines[0, col] - np.float32(16)
        return
    for place in range(3):
        red, green = np.float32(FROM_RED[place]), np.float32(FROM_GREEN[place])
        blue = np.float32(FROM_BLUE[place])
        target = xyz[place]
        for col in range(width):
            target[col] = red * light[0, col] + green * light[1, col] + blue * light[2, col]
        root_line(target, root, first, lines[place])
    for col in range(width):
        x, y, z = lines[0, col], lines[1, col], lines[2, col]
        lines[0, col] = np.float32(116) * y - np.float32(16)
        lines[1, col] = np.float32(500) * (x - y)
        lines[2, col] = np.float32(200) * (y - z)


@jit
def add_colors(planes, levels, regions, gamma, root, first, low, high, sums):
    """Add CIELAB, its squares and its marginal histograms; of a gray image L only."""
    n_channels, height, width = planes.shape
    n_bins = sums.shape[1] // n_channels - 2
    light = np.empty((n_channels, width), dtype=np.float32)
    xyz = np.empty((n_channels, width), dtype=np.float32)
    lines = np.empty((n_channels, width), dtype=np.float32)
    last = n_bins - 1.0
    for row in range(height):
        light_line(planes, levels, row, gamma, light)
        lab_line(light, xyz, root, first, lines)
        for channel in range(n_channels):
            line, start = lines[channel], 2 * n_channels + channel * n_bins
            lowest, scale = low[channel], n_bins / (high[channel] - low[channel])
            for col in range(width):
                region = regions[row, col]
                if region < 0:
                    continue
                # squares of float32 are exact in float64: no deviation comes out of rounding
                value = np.float64(line[col])
                sums[region, channel] += value
                sums[region, n_channels + channel] += value * value
                place = min(max((value - lowest) * scale - 0.5, 0.0), last)
                below = int(place)
                above = place - below
                sums[region, start + below] += 1 - above
                if above > 0:
                    sums[region, start + below + 1] += above


@jit
def both_sides(place, side):
    """Find the two pixels whose difference is the gradient at a place of a side."""
    if side < 3:
        return 0, side - 1
    inner = min(max(place, 1), side - 2)
    return inner - 1, inner + 1


@jit
def gradient_line(planes, row, across, down, squared):
    """Gradient of every pixel of a row, of the channel that changes most."""
    n_channels, height, width = planes.shape
    half = np.float32(0.5)
    top, bottom = both_sides(row, height)
    squared[:] = np.float32(-1)
    for channel in range(n_channels):
        line = planes[channel, row]
        above, below = planes[channel, top], planes[channel, bottom]
        for col in range(1, width - 1):
            x, y = half * (line[col + 1] - line[col - 1]), half * (below[col] - above[col])
            size = x * x + y * y
            is_steeper = size > squared[col]
            across[col] = x if is_steeper else across[col]
            down[col] = y if is_steeper else down[col]
            squared[col] = size if is_steeper else squared[col]
        for col in (0, width - 1):
            left, right = both_sides(col, width)
            x, y = half * (line[right] - line[left]), half * (below[col] - above[col])
            size = x * x + y * y
            if size > squared[col]:
                across[col], down[col], squared[col] = x, y, size


@jit
def orient_line(across, down, squared, turns, magnitudes):
    """Length of every gradient, and its unsigned orientation in [0, 1] of half a turn."""
    one, half, least = np.float32(1), np.float32(0.5), np.finfo(np.float32).tiny
    for col in range(len(turns)):
        flat, steep = abs(across[col]), abs(down[col])
        ratio = min(flat, steep) / max(max(flat, steep), least)
        square = ratio * ratio
        value = ARCTAN[7]
        for k in range(7):
            value = value * square + ARCTAN[6 - k]
        turn = (value * square * ratio + ratio) / HALF_TURN
        turn = turn if steep <= flat else half - turn
        turns[col] = one - turn if (across[col] < 0) != (down[col] < 0) else turn
        magnitudes[col] = np.sqrt(squared[col])


@jit
def add_gradients(planes, regions, sums):
    """Add lengths of gradients to their two nearest orientations, (n_regions, n_orientations)."""
    height, width = regions.shape
    n_orientations = sums.shape[1]
    across, down = np.empty(width, dtype=np.float32), np.empty(width, dtype=np.float32)
    squared, turns = np.empty(width, dtype=np.float32), np.empty(width, dtype=np.float32)
    magnitudes = np.empty(width, dtype=np.float32)
    for row in range(height):
        gradient_line(planes, row, across, down, squared)
        orient_line(across, down, squared, turns, magnitudes)
        for col in range(width):
            region = regions[row, col]
            if region < 0:
                continue
            place = np.float64(turns[col]) * n_orientations
            first = int(place)
            above, magnitude = place - first, np.float64(magnitudes[col])
            first = first if first < n_orientations else 0
            sums[region, first] += (1 - above) * magnitude
            second = first + 1 if first + 1 < n_orientations else 0
            sums[region, second] += above * magnitude


@jit
def gray_levels(planes, levels, gray):
    """Write the luma of every pixel, rounded to whole levels of 8 bits, to `gray`, int32."""
    n_channels, height, width = planes.shape
    limit = FARTHEST * N_LEVELS
    for row in range(height):
        line = gray[row]
        if n_channels == 1:
            for col in range(width):
                level = np.float64(planes[0, row, col]) * N_LEVELS
                line[col] = np.int32(np.rint(min(max(level, -limit), limit)))
        elif levels.size:
            red, green, blue = levels[0, row], levels[1, row], levels[2, row]
            for col in range(width):
                level = LUMA[0] * red[col] + LUMA[1] * green[col] + LUMA[2] * blue[col]
                line[col] = np.int32(np.rint(level / 10_000))
        else:
            for col in range(width):
                level = LUMA[0] * np.float64(planes[0, row, col])
                level += LUMA[1] * np.float64(planes[1, row, col])
                level += LUMA[2] * np.float64(planes[2, row, col])
                level *= N_LEVELS / 10_000
                line[col] = np.int32(np.rint(min(max(level, -limit), limit)))


@jit
def sign_line(above, here, below, signs):
    """Signs of the 8 neighbors of every pixel but the first and last, in turn, as bits."""
    for col in range(1, len(here) - 1):
        center = here[col]
        east, west = here[col + 1] - center, here[col - 1] - center
        north, south = above[col] - center, below[col] - center
        signs[col] = (
            np.int32(east >= 0)
            | np.int32(is_brighter(above[col + 1] - center, north, east)) << 1
            | np.int32(north >= 0) << 2
            | np.int32(is_brighter(above[col - 1] - center, north, west)) << 3
            | np.int32(west >= 0) << 4
            | np.int32(is_brighter(below[col - 1] - center, south, west)) << 5
            | np.int32(south >= 0) << 6
            | np.int32(is_brighter(below[col + 1] - center, south, east)) << 7
        )


@jit
def is_brighter(corner, side, other):
    """Tell whether a point near a corner is at least as bright, by bilinear interpolation.

    Arguments are differences of levels to that of the center.
    """
    return DIAGONAL * np.int64(corner) + REST * (np.int64(side) + np.int64(other)) >= 0


@jit
def add_patterns(gray, regions, patterns, sums):
    """Count local binary patterns; `patterns` is the pattern of all signs of neighbors.

    Levels `gray` are int32, with one more row or column on both sides where the image has less than
    three. A pixel at the border of a larger image has the pattern of its neighbor.
    """
    height, width = gray.shape
    down, right = (height - regions.shape[0]) // 2, (width - regions.shape[1]) // 2
    signs = np.zeros(width, dtype=np.int32)
    for row in range(regions.shape[0]):
        here = min(max(row + down, 1), height - 2)
        sign_line(gray[here - 1], gray[here], gray[here + 1], signs)
        signs[0], signs[width - 1] = signs[1], signs[width - 2]
        for col in range(regions.shape[1]):
            region = regions[row, col]
            if region >= 0:
                sums[region, patterns[signs[col + right]]] += 1


@jit
def add_outlines(regions, profile, sums):
    """Add the moments of all points of every pixel, in fractions of the sides, and the profile.

    `profile` is (height, n_bins). Pixels of a row side by side are added at once.
    """
    height, width = regions.shape
    for row in range(height):
        middle = (row + 0.5) / height
        square = (np.float64(row + 1) ** 3 - np.float64(row) ** 3) / (3.0 * height**2)
        col = 0
        while col < width:
            region, start = regions[row, col], np.float64(col)
            while col < width and regions[row, col] == region:
                col += 1
            if region < 0:
                continue
            stop, target = np.float64(col), sums[region]
            n_pixels, along = stop - start, (stop**2 - start**2) / (2.0 * width)
            target[0] += n_pixels * middle
            target[1] += along
            target[2] += n_pixels * square
            target[3] += (stop**3 - start**3) / (3.0 * width**2)
            target[4] += middle * along
            for k in range(profile.shape[1]):
                target[5 + k] += n_pixels * profile[row, k]


@jit
def depths(regions, most):
    """How many pixels every pixel lies inside of its region, from 0 beside another to `most`.

    Two passes over the image, since a pixel is one farther than the nearest of its neighbors. The
    border of the image is none.
    """
    height, width = regions.shape
    depth = np.empty((height, width), dtype=np.int32)
    for row in range(height):
        for col in range(width):
            own, least = regions[row, col], most
            for down in range(max(row - 1, 0), min(row + 2, height)):
                for right in range(max(col - 1, 0), min(col + 2, width)):
                    if regions[down, right] != own:
                        least = 0
                    elif down < row or (down == row and right < col):
                        least = min(least, depth[down, right] + 1)
            depth[row, col] = least
    for row in range(height - 1, -1, -1):
        for col in range(width - 1, -1, -1):
            least = depth[row, col]
            if row + 1 < height:
                for right in range(max(col - 1, 0), min(col + 2, width)):
                    least = min(least, depth[row + 1, right] + 1)
            if col + 1 < width:
                least = min(least, depth[row, col + 1] + 1)
            depth[row, col] = least
    return depth
