"""Compiled loops of the CPU kernels, over plain arrays; they write into arrays they are given."""

from __future__ import annotations

from functools import partial

import numpy as np

from ._jit import jit
from .arrays import DISTANCE_RESOLUTION, PATCH_RESOLUTION

# ruff: noqa: ANN001

_PATCH_RESOLUTION = np.float32(PATCH_RESOLUTION)
# points whose bounds are looked at together
SCANNED = 16
_SQUARED_RESOLUTION = np.float32(DISTANCE_RESOLUTION**2)

# sums may be added up in any order, so that they run in vector registers; NaN and inf still count
_jit_sums = partial(jit, fastmath={"reassoc", "contract", "nsz"})


@jit
def sum_rows(values, regions, start, stop, sums):
    """Add the rows ``start:stop`` of `values` to the rows of `sums` named by `regions`."""
    for row in range(start, stop):
        region = regions[row]
        if region >= 0:
            for column in range(values.shape[1]):
                sums[region, column] += values[row, column]


@jit
def add_products(weights, places, queries, mapped, points, mapped_points, nodes, sums, sizes):
    """Add weighted products of the differences between queries and points, column by column.

    Those of a column go to the column of `sums` that `nodes` names, and their sizes to `sizes`.
    """
    n_columns = queries.shape[1]
    products = np.empty(n_columns)
    for row in range(queries.shape[0]):
        query, mapped_query = queries[row], mapped[row]
        products[:] = 0.0
        for place in range(places.shape[1]):
            weight = weights[row, place]
            if weight == 0:
                continue
            point, mapped_point = points[places[row, place]], mapped_points[places[row, place]]
            for column in range(n_columns):
                apart = query[column] - point[column]
                products[column] += weight * apart * (mapped_query[column] - mapped_point[column])
        for column in range(n_columns):
            sums[row, nodes[column]] += products[column]
            sizes[row] += abs(products[column])


@jit
def scan_points(products, Q, X, query_norms, norms, first, slack, exclude, indices, distances):
    """Insert the points ``first:`` of one block into the sorted neighbor lists of the queries.

    `products` holds the inner products; a point whose distance by these, less the rounding that
    they may carry, exceeds the list's last is passed over, any other is measured by differences.
    """
    n_neighbors, n_columns = indices.shape[1], products.shape[1]
    # norms that the slack is taken off, by which most points are passed over a chunk at a time
    least, limit = np.empty(n_columns, products.dtype), np.empty(1, products.dtype)
    margin, others = np.empty(1, products.dtype), norms[first : first + n_columns]
    margin[0] = slack
    for row in range(products.shape[0]):
        own = query_norms[row]
        for column in range(n_columns):
            norm = own + others[column]
            least[column] = norm - 2 * products[row, column] - margin[0] * norm
        last = distances[row, n_neighbors - 1]
        limit[0] = last
        for start in range(0, n_columns, SCANNED):
            bounds = least[start : start + SCANNED]
            n_open = np.int32(0)
            for column in range(len(bounds)):
                # written so that a NaN, left by an overflow, counts as "measure it"
                n_open += np.int32(0) if bounds[column] > limit[0] else np.int32(1)
            if n_open == 0:
                continue
            for column in range(len(bounds)):
                point = first + start + column
                if bounds[column] > last or point == exclude[row]:
                    continue
                exact = 0.0
                for feature in range(Q.shape[1]):
                    difference = np.float64(Q[row, feature]) - np.float64(X[point, feature])
                    exact += difference * difference
                # points come in ascending order, so an equal distance stays behind the lower index
                if exact < last:
                    place = n_neighbors - 1
                    while place > 0 and exact < distances[row, place - 1]:
                        distances[row, place] = distances[row, place - 1]
                        indices[row, place] = indices[row, place - 1]
                        place -= 1
                    distances[row, place] = exact
                    indices[row, place] = point
                    last = distances[row, n_neighbors - 1]
                    limit[0] = last


@jit
def count_points(
    products, Q, X, codes, query_norms, norms, first, slack, low, high, exclude, counts
):
    """Add the points ``first:`` of one block to the class counts of the queries they are near.

    As in `scan_points`: products rule points out, the others are measured by differences.
    """
    for row in range(products.shape[0]):
        for column in range(products.shape[1]):
            point = first + column
            norm = query_norms[row] + norms[point]
            about = norm - 2 * products[row, column]
            if about - slack * norm > high[row] or about + slack * norm < low[row]:
                continue
            if point == exclude[row]:
                continue
            exact = 0.0
            for feature in range(Q.shape[1]):
                difference = np.float64(Q[row, feature]) - np.float64(X[point, feature])
                exact += difference * difference
            if low[row] <= exact <= high[row]:
                counts[row, codes[point]] += 1


@jit
def squared_distances(products, norms, defined, start):
    """Turn inner products of the rows ``start:`` into squared distances over `defined` of the row.

    With ones for `defined` these are the squared distances; with the squared lengths they are
    signal-to-noise distances, zero where the row has no length.
    """
    zero = norms.dtype.type(0)
    for row in range(products.shape[0]):
        unit = defined[start + row]
        for column in range(products.shape[1]):
            squared = norms[start + row] + norms[column] - 2 * products[row, column]
            products[row, column] = squared / unit if squared > zero and unit > 0 else zero


@jit
def shifted_scores(scores, norms, codes, start):
    """Turn inner products into (nearest squared distance - squared distance), -inf for itself.

    Returns the squared distances of every row to the nearest other point and nearest positive.
    """
    n_rows, n_columns = scores.shape
    nearest_any = np.full(n_rows, np.inf)
    nearest_positive = np.full(n_rows, np.inf)
    zero = scores.dtype.type(0)
    for row in range(n_rows):
        point = start + row
        for column in range(n_columns):
            # rounded before it is compared: the nearest one must be 0 behind itself
            squared = scores.dtype.type(norms[point] + norms[column] - 2 * scores[row, column])
            squared = max(squared, zero)
            scores[row, column] = squared
            if column != point:
                nearest_any[row] = min(nearest_any[row], squared)
                if codes[column] == codes[point]:
                    nearest_positive[row] = min(nearest_positive[row], squared)
        for column in range(n_columns):
            scores[row, column] = nearest_any[row] - scores[row, column]
        scores[row, point] = -np.inf
    return nearest_any, nearest_positive


@jit
def nca_weights(powers, Z, codes, start, nearest_any, nearest_positive, scale):
    """Turn exp(shifted scores) into pair weights of the NCA loss and return the rows' loss."""
    # beyond this the positives' share is lost to underflow, and is computed afresh
    limit = -0.5 * np.log(np.finfo(powers.dtype).tiny)
    loss = 0.0
    for row in range(powers.shape[0]):
        point = start + row
        gap = nearest_positive[row] - nearest_any[row]
        if not np.isfinite(gap):
            powers[row] = 0
            continue
        total, positives = 0.0, 0.0
        for column in range(powers.shape[1]):
            total += powers[row, column]
            if codes[column] == codes[point]:
                positives += powers[row, column]
        per_total = scale / total
        if gap > limit:
            loss += (
                np.log(total)
                - nearest_any[row]
                + _far_positives(powers, Z, codes, row, point, scale, per_total)
            )
            continue
        loss += np.log(total) - np.log(positives)
        per_positive = scale / positives - per_total
        for column in range(powers.shape[1]):
            if codes[column] == codes[point]:
                powers[row, column] *= per_positive
            else:
                powers[row, column] *= -per_total
    return loss


@jit
def _far_positives(powers, Z, codes, row, point, scale, per_total):
    """Write one row's weights where the positives are far; return -log of the positives' sum.

    Distances are measured by differences: at this size the rounding of a product may be of any
    size next to 1, and so the nearest positive by products need not be the nearest.
    """
    own = np.full(powers.shape[1], np.inf)
    nearest_positive = np.inf
    total = 0.0
    for column in range(powers.shape[1]):
        powers[row, column] *= -per_total
        if codes[column] == codes[point] and column != point:
            squared = 0.0
            for component in range(Z.shape[1]):
                difference = np.float64(Z[point, component]) - np.float64(Z[column, component])
                squared += difference * difference
            own[column] = squared
            nearest_positive = min(nearest_positive, squared)
    for column in range(powers.shape[1]):
        own[column] = np.exp(nearest_positive - own[column])
        total += own[column]
    for column in range(powers.shape[1]):
        powers[row, column] += scale * own[column] / total
    return nearest_positive - np.log(total)


@jit
def triplet_weights(distances, codes, start, margin, defined):
    """Overwrite distances by the number of active triplets they enter, and return the hinges' sum.

    A positive at d counts the negatives below d + margin, a negative at d the positives above
    d - margin: two sorts per row, never a list of triplets. Rows with `defined` of zero have no
    triplets.
    """
    n_columns = distances.shape[1]
    loss = 0.0
    margin = distances.dtype.type(margin)
    positives = np.empty(n_columns, dtype=distances.dtype)
    negatives = np.empty(n_columns, dtype=distances.dtype)
    for row in range(distances.shape[0]):
        point = start + row
        if not defined[point] > 0:
            distances[row] = 0
            continue
        n_positives = n_negatives = 0
        for column in range(n_columns):
            if codes[column] != codes[point]:
                negatives[n_negatives] = distances[row, column]
                n_negatives += 1
            elif column != point:
                positives[n_positives] = distances[row, column] + margin
                n_positives += 1
        near, far = np.sort(positives[:n_positives]), np.sort(negatives[:n_negatives])
        for column in range(n_columns):
            if codes[column] != codes[point]:
                level = distances[row, column]
                count = np.searchsorted(near, level, side="right") - n_positives
            elif column != point:
                level = distances[row, column] + margin
                count = np.searchsorted(far, level, side="left")
            else:
                level, count = distances.dtype.type(0), 0
            loss += np.float64(level) * count
            distances[row, column] = count
    return loss


@jit
def lmnn_weights(Z, lists, n_targets, start, stop, regularization, weights):
    """Fill the rows ``start:stop`` of `weights` for the listed pairs and return the rows' loss."""
    n_listed = lists.shape[1]
    squared = np.empty(n_listed)
    counts = np.empty(n_listed)
    push = 1 - regularization
    loss = 0.0
    for row in range(start, stop):
        for place in range(n_listed):
            squared[place] = 0
            counts[place] = 0
            for component in range(Z.shape[1]):
                difference = Z[row, component] - Z[lists[row, place], component]
                squared[place] += difference * difference
        for place in range(n_targets):
            if lists[row, place] < 0:
                continue
            loss += regularization * squared[place]
            counts[place] += regularization
            for other in range(n_targets, n_listed):
                hinge = 1 + squared[place] - squared[other]
                if lists[row, other] >= 0 and hinge > 0:
                    loss += push * hinge
                    counts[place] += push
                    counts[other] -= push
        for place in range(n_listed):
            weights[row, place] = counts[place]
    return loss


@jit
def add_list_gradient(Z, lists, weights, scale, gradient):
    """Add the gradient of the listed pairs, one after another, so that the order is fixed."""
    for row in range(lists.shape[0]):
        for place in range(lists.shape[1]):
            weight = Z.dtype.type(scale) * weights[row, place]
            if weight != 0:
                other = lists[row, place]
                for component in range(Z.shape[1]):
                    flow = weight * (Z[row, component] - Z[other, component])
                    gradient[row, component] += flow
                    gradient[other, component] -= flow


@_jit_sums
def take_patches(image, size, n_channels, start, floor, mean, patches):
    """Write the patches of the pixels ``start:start + len(patches)``, in reading order.

    `image` is (height + size - 1, (width + size - 1) * n_channels), float32. A patch is flattened
    as (row, column, channel) and brought to mean 0 and variance v / (v + floor + least) for its
    variance v, with the least that rounding leaves of one; then `mean` is taken off.
    """
    n_values = patches.shape[1]
    n_line = size * n_channels
    width = image.shape[1] // n_channels - size + 1
    for place in range(len(patches)):
        row, column = divmod(start + place, width)
        patch = patches[place]
        total = np.float32(0)
        for down in range(size):
            line = image[row + down, column * n_channels : column * n_channels + n_line]
            target = patch[down * n_line : down * n_line + n_line]
            for i in range(n_line):
                target[i] = line[i]
                total += line[i]
        center = total / np.float32(n_values)
        # once more: rounding of the first mean would give a flat patch a contrast
        total = np.float32(0)
        for i in range(n_values):
            patch[i] -= center
            total += patch[i]
        rest = total / np.float32(n_values)
        total = np.float32(0)
        for i in range(n_values):
            patch[i] -= rest
            total += patch[i] * patch[i]
        least = floor + (_PATCH_RESOLUTION * center) ** 2
        scale = np.float32(1) / np.sqrt(total / np.float32(n_values) + least)
        for i in range(n_values):
            patch[i] = patch[i] * scale - mean[i]


@_jit_sums
def add_activations(whitened, products, norms, regions, sums):
    """Add ``max(0, mean(z) - z)`` of every pixel to the row of `sums` of its region.

    z are the distances of a row of `whitened` to the atoms, from its `products` with them and
    their squared lengths `norms`, no smaller than products can tell. `products` is overwritten.
    """
    n_atoms = products.shape[1]
    for place in range(len(products)):
        region = regions[place]
        if region < 0:
            continue
        length = np.float32(0)
        for i in range(whitened.shape[1]):
            length += whitened[place, i] * whitened[place, i]
        distances = products[place]
        total = np.float32(0)
        for atom in range(n_atoms):
            lengths = length + norms[atom]
            squared = max(lengths - np.float32(2) * distances[atom], np.float32(0))
            distances[atom] = np.sqrt(squared + _SQUARED_RESOLUTION * lengths)
            total += distances[atom]
        mean = total / np.float32(n_atoms)
        row = sums[region]
        for atom in range(n_atoms):
            row[atom] += max(mean - distances[atom], np.float32(0))


@jit
def take_pairs(distances, order, factor, pairs):
    """Take the upper triangles of matrices whose rows and columns are put in some order."""
    for group in range(distances.shape[0]):
        place = 0
        for row in range(len(order)):
            for column in range(row + 1, len(order)):
                distance = distances[group, order[row], order[column]]
                pairs[group, place] = factor * distance
                place += 1


@jit
def weigh_pairs(pairs, weights, sums):
    """Minus the weighted sum over the first axis of `pairs`."""
    for pair in range(pairs.shape[1]):
        sums[pair] = 0.0
    for group in range(pairs.shape[0]):
        weight = weights[group]
        for pair in range(pairs.shape[1]):
            sums[pair] -= weight * np.float64(pairs[group, pair])


# below this, sums of exponentials lose digits to underflow
_LEAST_SUM = 1e-280


@jit
def _add_far_row(pairs, weights, row, stops, by_chance, gradient):
    """As `add_shares` for one row, which is far from all others: distances less the least one."""
    n_groups, n_rows = pairs.shape[0], len(stops)
    apart, places = np.empty(n_rows), np.empty(n_rows, np.int64)
    least = np.inf
    for other in range(n_rows):
        if other == row:
            continue
        low, high = min(row, other), max(row, other)
        places[other] = low * n_rows - low * (low + 1) // 2 + high - low - 1
        apart[other] = 0.0
        for group in range(n_groups):
            apart[other] += weights[group] * pairs[group, places[other]]
        least = min(least, apart[other])
    own = total = 0.0
    for other in range(n_rows):
        if other != row:
            apart[other] = np.exp(least - apart[other])
            total += apart[other]
            if stops[other] == stops[row]:
                own += apart[other]
    likely = own / total + by_chance[row]
    for other in range(n_rows):
        if other != row:
            counts = -own / total
            if stops[other] == stops[row]:
                counts += 1.0
            counts /= total * likely
            for group in range(n_groups):
                gradient[group] += counts * apart[other] * pairs[group, places[other]]
    return -np.log(likely)


@jit
def sum_run(values, start, stop):
    """Sum ``values[start:stop]`` in eight lanes.

    Were the order left to the compiler, it would depend on where the arrays lie in memory.
    """
    a = b = c = d = e = f = g = h = 0.0
    last = start + (stop - start) // 8 * 8
    for i in range(start, last, 8):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        e += values[i + 4]
        f += values[i + 5]
        g += values[i + 6]
        h += values[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(last, stop):
        total += values[i]
    return total


@jit
def sum_products(values, others):
    """Sum the products of two arrays in eight lanes, as `sum_run` does."""
    a = b = c = d = e = f = g = h = 0.0
    last = len(values) // 8 * 8
    for i in range(0, last, 8):
        a += values[i] * others[i]
        b += values[i + 1] * others[i + 1]
        c += values[i + 2] * others[i + 2]
        d += values[i + 3] * others[i + 3]
        e += values[i + 4] * others[i + 4]
        f += values[i + 5] * others[i + 5]
        g += values[i + 6] * others[i + 6]
        h += values[i + 7] * others[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(last, len(values)):
        total += values[i] * others[i]
    return total


@jit
def add_shares(pairs, weights, sizes, stops, by_chance, gradient):
    """Sum minus the logarithms of the shares of the rows' classes, and their derivatives.

    `by_chance` is added to the shares; rows where it is 0 are left out.

    `sizes` are the exponentials for all pairs of rows, in the order of an upper triangle; they are
    overwritten. Rows of a class are neighbors, `stops` says where it ends.
    """
    n_rows, n_groups = len(stops), pairs.shape[0]
    total, right = np.zeros(n_rows), np.zeros(n_rows)
    place = 0
    for row in range(n_rows):
        n_own, n_rest = stops[row] - row - 1, n_rows - row - 1
        for step in range(n_own):
            right[row + 1 + step] += sizes[place + step]
        for step in range(n_rest):
            total[row + 1 + step] += sizes[place + step]
        own = sum_run(sizes, place, place + n_own)
        right[row] += own
        total[row] += own + sum_run(sizes, place + n_own, place + n_rest)
        place += n_rest
    loss = 0.0
    # what a size counts for the class and against all, by row
    gain, cost = np.zeros(n_rows), np.zeros(n_rows)
    for row in range(n_rows):
        if by_chance[row] == 0.0:
            continue
        if total[row] < _LEAST_SUM:
            loss += _add_far_row(pairs, weights, row, stops, by_chance, gradient)
            continue
        share = right[row] / total[row]
        likely = share + by_chance[row]
        loss -= np.log(likely)
        gain[row] = 1.0 / (total[row] * likely)
        cost[row] = share * gain[row]
    place = 0
    for row in range(n_rows):
        n_own, n_rest = stops[row] - row - 1, n_rows - row - 1
        for step in range(n_own):
            other = row + 1 + step
            sizes[place + step] *= gain[row] + gain[other] - cost[row] - cost[other]
        for step in range(n_own, n_rest):
            sizes[place + step] *= -cost[row] - cost[row + 1 + step]
        place += n_rest
    for group in range(n_groups):
        # shares fall with the distance
        gradient[group] += sum_products(sizes, pairs[group])
    return loss
