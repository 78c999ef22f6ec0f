# ruff: noqa: ANN001
"""Compiled loops over the pixels of one image: CIELAB, smoothing, gradients, superpixels."""

from __future__ import annotations

import numpy as np

from ._jit import jit


@jit
def lab_planes(image, gamma, root):
    """Turn sRGB in [0, 1], (height, width, 3), into CIELAB, (3, height, width), by two tables.

    `gamma` undoes the gamma on [0, 1], `root` is the cube root of CIELAB on [0, 1]; both are read
    with linear interpolation, values outside at the nearer end.
    """
    height, width = image.shape[:2]
    planes = np.empty((3, height, width), dtype=np.float32)
    for row in range(height):
        for col in range(width):
            red = read_table(gamma, image[row, col, 0])
            green = read_table(gamma, image[row, col, 1])
            blue = read_table(gamma, image[row, col, 2])
            # each row of the matrix is divided by that coordinate of the white point, D65
            x = read_table(root, 0.4339532 * red + 0.3762207 * green + 0.1898261 * blue)
            y = read_table(root, 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
            z = read_table(root, 0.0177578 * red + 0.1094769 * green + 0.8727653 * blue)
            planes[0, row, col] = 116 * y - 16
            planes[1, row, col] = 500 * (x - y)
            planes[2, row, col] = 200 * (y - z)
    return planes


@jit
def lightness(image, gamma, root):
    """Turn gray intensities in [0, 1] into L, by the same tables."""
    height, width = image.shape
    plane = np.empty((height, width), dtype=np.float32)
    for row in range(height):
        for col in range(width):
            plane[row, col] = 116 * read_table(root, read_table(gamma, image[row, col])) - 16
    return plane


@jit
def read_table(table, value):
    """Read a table of a function on [0, 1] with linear interpolation."""
    last = len(table) - 1
    place = value * last
    # written so that a NaN reads the first entry
    if not place > 0:
        return table[0]
    if place >= last:
        return table[last]
    below = int(place)
    return table[below] + (place - below) * (table[below + 1] - table[below])


@jit
def blur(plane, weights, out):
    """Convolve one plane with a symmetric filter, rows and columns; the border is repeated."""
    height, width = plane.shape
    radius = len(weights) // 2
    padded = np.empty(width + 2 * radius, dtype=np.float32)
    for row in range(height):
        line = padded[radius : radius + width]
        line[:] = 0
        for tap in range(len(weights)):
            weight = weights[tap]
            source = plane[min(max(row + tap - radius, 0), height - 1)]
            for col in range(width):
                line[col] += weight * source[col]
        padded[:radius] = line[0]
        padded[radius + width :] = line[width - 1]
        target = out[row]
        target[:] = 0
        for tap in range(len(weights)):
            weight = weights[tap]
            shifted = padded[tap : tap + width]
            for col in range(width):
                target[col] += weight * shifted[col]


@jit
def gradient_strength(planes, strength):
    """Measure the largest rate of change of all planes together at every pixel."""
    n_planes, height, width = planes.shape
    half = np.float32(0.5)
    for row in range(height):
        above, below = max(row - 1, 0), min(row + 1, height - 1)
        for col in range(width):
            left, right = max(col - 1, 0), min(col + 1, width - 1)
            xx = yy = xy = np.float32(0)
            for plane in range(n_planes):
                x = half * (planes[plane, row, right] - planes[plane, row, left])
                y = half * (planes[plane, below, col] - planes[plane, above, col])
                xx += x * x
                yy += y * y
                xy += x * y
            spread = np.sqrt((xx - yy) * (xx - yy) + 4 * xy * xy)
            strength[row, col] = np.sqrt(half * (xx + yy + spread))


@jit
def texture_codes(plane, limits, codes):
    """Code every pixel by the strength and the direction of the difference of its neighbors.

    0 is flat; then four directions (across, down and the diagonals) for every strength beyond the
    next of `limits`.
    """
    height, width = plane.shape
    steep = np.float32(2.4142135)  # tan(3 pi / 8)
    for row in range(height):
        above, below = max(row - 1, 0), min(row + 1, height - 1)
        for col in range(width):
            x = plane[row, min(col + 1, width - 1)] - plane[row, max(col - 1, 0)]
            y = plane[below, col] - plane[above, col]
            strength = np.sqrt(x * x + y * y)
            level = 0
            while level < len(limits) and strength > limits[level]:
                level += 1
            if level == 0:
                codes[row, col] = 0
                continue
            if abs(x) > steep * abs(y):
                direction = 0
            elif abs(y) > steep * abs(x):
                direction = 1
            else:
                direction = 2 if x * y > 0 else 3
            codes[row, col] = 1 + 4 * (level - 1) + direction


@jit
def cell_labels(height, width, n_rows, n_cols):
    """Label every pixel by its cell of a regular grid."""
    labels = np.empty((height, width), dtype=np.int32)
    for row in range(height):
        for col in range(width):
            labels[row, col] = (row * n_rows // height) * n_cols + col * n_cols // width
    return labels


@jit
def move_centers(planes, labels, centers):
    """Set every center to the mean value and place of its pixels; an empty one stays."""
    n_planes, height, width = planes.shape
    sums = np.zeros((len(centers), n_planes + 2))
    counts = np.zeros(len(centers), dtype=np.int64)
    for row in range(height):
        for col in range(width):
            label = labels[row, col]
            counts[label] += 1
            for plane in range(n_planes):
                sums[label, plane] += planes[plane, row, col]
            sums[label, n_planes] += row
            sums[label, n_planes + 1] += col
    for label in range(len(centers)):
        if counts[label]:
            for column in range(n_planes + 2):
                centers[label, column] = sums[label, column] / counts[label]


@jit
def assign_pixels(planes, centers, radius, nearness, labels, distances):
    """Give every pixel the nearest of the centers within `radius` rows and columns.

    `nearness` weighs the squared distance in pixels against that in color. A pixel that no center
    reaches keeps its label.
    """
    n_planes, height, width = planes.shape
    distances[:] = np.inf
    line = np.empty(2 * radius + 1, dtype=np.float32)
    for label in range(len(centers)):
        row_center, col_center = centers[label, n_planes], centers[label, n_planes + 1]
        first, last = int(col_center) - radius, int(col_center) + radius + 1
        first, last = max(first, 0), min(last, width)
        n_cols = last - first
        top, bottom = int(row_center) - radius, int(row_center) + radius + 1
        for row in range(max(top, 0), min(bottom, height)):
            down = np.float32(row) - row_center
            down = nearness * down * down
            # one simple loop per plane, so that the compiler uses vector instructions
            for col in range(n_cols):
                across = np.float32(first + col) - col_center
                line[col] = down + nearness * across * across
            for plane in range(n_planes):
                source = planes[plane, row, first:last]
                center = centers[label, plane]
                for col in range(n_cols):
                    difference = source[col] - center
                    line[col] += difference * difference
            nearest, owner = distances[row, first:last], labels[row, first:last]
            for col in range(n_cols):
                closer = line[col] < nearest[col]
                nearest[col] = line[col] if closer else nearest[col]
                owner[col] = label if closer else owner[col]


@jit
def connected_components(labels, components):
    """Number the 4-connected pieces of equal labels in reading order; return how many."""
    height, width = labels.shape
    roots = np.arange(height * width)
    for row in range(height):
        for col in range(width):
            pixel = row * width + col
            if col and labels[row, col] == labels[row, col - 1]:
                roots[pixel] = find_root(roots, pixel - 1)
            if row and labels[row, col] == labels[row - 1, col]:
                above, here = find_root(roots, pixel - width), find_root(roots, pixel)
                # the root is the first pixel, so that the numbers below follow the reading order
                roots[max(above, here)] = min(above, here)
    n_components = 0
    for row in range(height):
        for col in range(width):
            pixel = row * width + col
            root = find_root(roots, pixel)
            if root == pixel:
                components[row, col] = n_components
                n_components += 1
            else:
                components[row, col] = components[root // width, root % width]
    return n_components


@jit
def find_root(roots, element):
    """Follow the links to the root, halving the path."""
    while roots[element] != element:
        roots[element] = roots[roots[element]]
        element = roots[element]
    return element
