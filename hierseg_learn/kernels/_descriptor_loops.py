# ruff: noqa: ANN001
"""Compiled loops of the descriptors: from the pixels of an image to sums per region, line by line.

`planes` are (n_channels, height, width) float32 with one channel or three; `levels` the same in
whole levels of 8 bits, uint8, and without a value for an image that has others. `regions` are
(height, width) int32, -1 for pixels that are left out. Loops add to `sums`, (n_regions, n_sums)
float64. Inner loops are plain, so that the compiler uses vector instructions.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from . import _jit

# without a check for zero before every division, which no vector instruction can make
jit = partial(_jit.jit, error_model="numpy")

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
# added to a third of the bits of a float32 they are those of its cube root, within 4 %
ROOT_BITS = 709921077
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
def root_line(values, out):
    """Take the cube root of CIELAB of every value, float32.

    Two steps of Halley's method, which leave 2e-7 of the value.
    """
    bits, guess = values.view(np.int32), out.view(np.int32)
    for col in range(len(values)):
        guess[col] = bits[col] // np.int32(3) + np.int32(ROOT_BITS)
    two = np.float32(2)
    for col in range(len(values)):
        value, near = values[col], out[col]
        cube = near * near * near
        near = near * ((cube + two * value) / (two * cube + value))
        cube = near * near * near
        near = near * ((cube + two * value) / (two * cube + value))
        line = np.float32(7.787) * value + np.float32(16.0 / 116.0)
        out[col] = near if value > np.float32(KNEE) else line


@jit
def lab_line(light, xyz, lines):
    """Turn a row of linear light into CIELAB; of gray light L only."""
    n_channels, width = light.shape
    if n_channels == 1:
        root_line(light[0], lines[0])
        for col in range(width):
            lines[0, col] = np.float32(116) * lines[0, col] - np.float32(16)
        return
    reds, greens, blues = light[0], light[1], light[2]
    for place in range(3):
        red, green = np.float32(FROM_RED[place]), np.float32(FROM_GREEN[place])
        blue = np.float32(FROM_BLUE[place])
        for col in range(width):
            xyz[col] = red * reds[col] + green * greens[col] + blue * blues[col]
        root_line(xyz, lines[place])
    first, second, third = lines[0], lines[1], lines[2]
    for col in range(width):
        x, y, z = first[col], second[col], third[col]
        first[col] = np.float32(116) * y - np.float32(16)
        second[col] = np.float32(500) * (x - y)
        third[col] = np.float32(200) * (y - z)


@jit
def bin_line(line, lowest, highest, n_bins, first, below, above):
    """Lower one of the two nearest bins of every value, as a sum, and the share of the upper one.

    `first` is the sum of the first bin.
    """
    scale, last = n_bins / (highest - lowest), n_bins - 1.0
    for col in range(len(line)):
        place = min(max((np.float64(line[col]) - lowest) * scale - 0.5, 0.0), last)
        lower = np.int32(place)
        above[col] = place - lower
        below[col] = first + lower


@jit
def add_color_run(lines, below, above, start, stop, target):
    """Add pixels of one region, side by side, of a color image.

    The channels take turns, so that no sum waits for the one before. The last bin has a share of 0
    of the one behind it, which is another channel's, or none's.
    """
    first, second, third = lines[0], lines[1], lines[2]
    bins_0, bins_1, bins_2 = below[0], below[1], below[2]
    shares_0, shares_1, shares_2 = above[0], above[1], above[2]
    one, next_bin = np.float64(1), np.uint32(1)
    sum_0 = sum_1 = sum_2 = square_0 = square_1 = square_2 = 0.0
    for col in range(start, stop):
        # squares of float32 are exact in float64: no deviation comes out of rounding
        value, share, place = np.float64(first[col]), shares_0[col], bins_0[col]
        sum_0 += value
        square_0 += value * value
        target[place] += one - share
        target[place + next_bin] += share
        value, share, place = np.float64(second[col]), shares_1[col], bins_1[col]
        sum_1 += value
        square_1 += value * value
        target[place] += one - share
        target[place + next_bin] += share
        value, share, place = np.float64(third[col]), shares_2[col], bins_2[col]
        sum_2 += value
        square_2 += value * value
        target[place] += one - share
        target[place + next_bin] += share
    target[0] += sum_0
    target[1] += sum_1
    target[2] += sum_2
    target[3] += square_0
    target[4] += square_1
    target[5] += square_2


@jit
def add_gray_run(line, below, above, start, stop, target):
    """As `add_color_run`, of a gray image."""
    for col in range(start, stop):
        value, share, place = np.float64(line[col]), above[col], below[col]
        target[0] += value
        target[1] += value * value
        target[place] += 1 - share
        target[place + np.uint32(1)] += share


@jit
def add_colors(planes, levels, regions, gamma, low, high, sums):
    """Add CIELAB, its squares and its marginal histograms; of a gray image L only.

    `sums` have a column behind those that are meant, which gets zeros.
    """
    n_channels, height, width = planes.shape
    n_bins = (sums.shape[1] - 1) // n_channels - 2
    light = np.empty((n_channels, width), dtype=np.float32)
    lines = np.empty((n_channels, width), dtype=np.float32)
    xyz = np.empty(width, dtype=np.float32)
    below = np.empty((n_channels, width), dtype=np.uint32)
    above = np.empty((n_channels, width), dtype=np.float64)
    for row in range(height):
        light_line(planes, levels, row, gamma, light)
        lab_line(light, xyz, lines)
        for channel in range(n_channels):
            first = 2 * n_channels + channel * n_bins
            bounds = low[channel], high[channel]
            bin_line(lines[channel], *bounds, n_bins, first, below[channel], above[channel])
        own, col = regions[row], 0
        while col < width:
            region, start = own[col], col
            while col < width and own[col] == region:
                col += 1
            if region < 0:
                continue
            if n_channels == 1:
                add_gray_run(lines[0], below[0], above[0], start, col, sums[region])
            else:
                add_color_run(lines, below, above, start, col, sums[region])


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
                level = LUMA[0] * np.int32(red[col]) + LUMA[1] * np.int32(green[col])
                # rounded, a half to the even level, as by floats
                above = np.int32(level + LUMA[2] * np.int32(blue[col]) + 5_000)
                near = above // np.int32(10_000)
                line[col] = near - ((near * np.int32(10_000) == above) & (near & 1))
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


@jit
def count_pixels(regions, counts):
    """Count the pixels of every region; pixels of a row side by side are counted at once."""
    for row in range(len(regions)):
        own, col = regions[row], 0
        while col < len(own):
            region, start = own[col], col
            while col < len(own) and own[col] == region:
                col += 1
            if region >= 0:
                counts[region] += col - start
