# ruff: noqa: ANN001
"""Compiled loops over the regions of one image: histograms, borders, merging, contours."""

from __future__ import annotations

import numpy as np

from ._jit import jit

# texture codes: flat, and four directions at two strengths
N_CODES = 9


@jit
def add_to_histograms(planes, low, bin_width, unit, codes, labels, counts, bins):
    """Add every pixel to the histogram of its region.

    Every plane has as many bins. A pixel shares `unit` between the two bins whose middles lie
    around its value, so that the result does not jump where a value crosses the edge of a bin. The
    last bins are those of the codes, and get `unit` whole.
    """
    n_planes, height, width = planes.shape
    n_bins = (bins.shape[1] - N_CODES) // n_planes
    for row in range(height):
        for col in range(width):
            region = labels[row, col]
            counts[region] += 1
            for plane in range(n_planes):
                place = (planes[plane, row, col] - low[plane]) / bin_width[plane] - np.float32(0.5)
                place = min(max(place, np.float32(0)), np.float32(n_bins - 1))
                below = min(int(place), n_bins - 2)
                share = int((place - below) * unit)
                bins[region, plane * n_bins + below] += unit - share
                bins[region, plane * n_bins + below + 1] += share
            bins[region, n_planes * n_bins + codes[row, col]] += unit


@jit
def count_border_pairs(labels, counts):
    """Count for every region its pairs of neighboring pixels with a region of a higher number."""
    height, width = labels.shape
    for row in range(height):
        for col in range(width):
            here = labels[row, col]
            if col + 1 < width and labels[row, col + 1] != here:
                counts[min(here, labels[row, col + 1])] += 1
            if row + 1 < height and labels[row + 1, col] != here:
                counts[min(here, labels[row + 1, col])] += 1


@jit
def list_border_pairs(labels, strength, starts, others, strengths):
    """List the pairs of every region: the other region, and the sum of the strengths there."""
    height, width = labels.shape
    places = starts.copy()
    for row in range(height):
        for col in range(width):
            here = labels[row, col]
            for step in range(2):
                next_row, next_col = row + step, col + 1 - step
                if next_row >= height or next_col >= width:
                    continue
                there = labels[next_row, next_col]
                if there != here:
                    place = places[min(here, there)]
                    others[place] = max(here, there)
                    strengths[place] = strength[row, col] + strength[next_row, next_col]
                    places[min(here, there)] += 1


@jit
def join_border_pairs(starts, others, strengths, edges, lengths, sums):
    """Join the pairs between the same two regions into one edge; return the number of edges.

    Edges come by their lower region, then in the order of their first pair.
    """
    n_regions = len(starts) - 1
    edge_to = np.full(n_regions, -1, dtype=np.int64)
    n_edges = 0
    for region in range(n_regions):
        first = n_edges
        for pair in range(starts[region], starts[region + 1]):
            other = others[pair]
            edge = edge_to[other]
            if edge < first:
                edge = edge_to[other] = n_edges
                edges[edge, 0], edges[edge, 1] = region, other
                n_edges += 1
            lengths[edge] += 1
            sums[edge] += strengths[pair]
    return n_edges


@jit
def merge_cost(counts, bins, first, second, border, rule):
    """Cost of joining two regions, as `segments.merge` explains it."""
    count, other = counts[first], counts[second]
    # whole numbers, so that the order of the sum does not matter and the compiler may choose it
    value_gap = code_gap = 0
    n_value_bins = bins.shape[1] - N_CODES
    for place in range(n_value_bins):
        value_gap += abs(bins[first, place] * other - bins[second, place] * count)
    for place in range(n_value_bins, bins.shape[1]):
        code_gap += abs(bins[first, place] * other - bins[second, place] * count)
    pairs = np.float64(count) * other
    smaller = min(count, other)
    trust = smaller / (smaller + rule[4])
    unlike = (rule[0] * value_gap + rule[1] * trust * code_gap) / pairs
    size = rule[2] * pairs / (count + other)
    return border * unlike * (size / (size + rule[5])) ** rule[3]


@jit
def comes_before(edges, costs, edge, other):
    """Whether an edge is cheaper than another; of equal ones that of the lower regions is."""
    if costs[edge] != costs[other]:
        return costs[edge] < costs[other]
    low, other_low = min(edges[edge, 0], edges[edge, 1]), min(edges[other, 0], edges[other, 1])
    if low != other_low:
        return low < other_low
    return max(edges[edge, 0], edges[edge, 1]) < max(edges[other, 0], edges[other, 1])


@jit
def sift_up(heap, places, edges, costs, place):
    """Move an edge of the heap up until its parent comes before it."""
    edge = heap[place]
    while place > 0:
        parent = (place - 1) // 2
        if comes_before(edges, costs, heap[parent], edge):
            break
        heap[place] = heap[parent]
        places[heap[place]] = place
        place = parent
    heap[place] = edge
    places[edge] = place


@jit
def sift_down(heap, size, places, edges, costs, place):
    """Move an edge of the heap down until it comes before its children."""
    edge = heap[place]
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and comes_before(edges, costs, heap[child + 1], heap[child]):
            child += 1
        if comes_before(edges, costs, edge, heap[child]):
            break
        heap[place] = heap[child]
        places[heap[place]] = place
        place = child
    heap[place] = edge
    places[edge] = place


@jit
def remove_from_heap(heap, size, places, edges, costs, edge):
    """Take an edge out of the heap; return its new size."""
    size -= 1
    place, last = places[edge], heap[size]
    if last != edge:
        heap[place] = last
        places[last] = place
        sift_up(heap, places, edges, costs, place)
        sift_down(heap, size, places, edges, costs, places[last])
    return size


@jit
def link_edges(edges, n_regions, following):
    """Chain the edges of every region; return the first of each.

    Link ``2 e + s`` is edge `e` in the chain of region ``edges[e, s]``; -1 ends a chain.
    """
    heads = np.full(n_regions, -1, dtype=np.int64)
    for link in range(2 * len(edges)):
        region = edges[link // 2, link % 2]
        following[link] = heads[region]
        heads[region] = link
    return heads


@jit
def merge_regions(counts, bins, edges, lengths, strengths, rule, pairs, merge_costs):
    """Join the two neighbors of least cost until one region is left; overwrites its arguments.

    A heap holds every living edge once, and the place of each is known, so that it can be moved or
    taken out. The joined region takes the lower number of the two.
    """
    n_regions, n_edges = len(counts), len(edges)
    following = np.empty(2 * n_edges, dtype=np.int64)
    heads = link_edges(edges, n_regions, following)
    costs = np.empty(n_edges)
    for edge in range(n_edges):
        border = strengths[edge] / lengths[edge]
        costs[edge] = merge_cost(counts, bins, edges[edge, 0], edges[edge, 1], border, rule)
    heap, places, size = np.arange(n_edges), np.arange(n_edges), n_edges
    for place in range(n_edges // 2 - 1, -1, -1):
        sift_down(heap, size, places, edges, costs, place)
    living = np.ones(n_edges, dtype=np.bool_)
    edge_to = np.full(n_regions, -1, dtype=np.int64)
    nodes = np.arange(n_regions)
    for merge in range(n_regions - 1):
        cheapest = heap[0]
        joined = min(edges[cheapest, 0], edges[cheapest, 1])
        gone = max(edges[cheapest, 0], edges[cheapest, 1])
        pairs[merge, 0], pairs[merge, 1] = nodes[joined], nodes[gone]
        merge_costs[merge] = costs[cheapest]
        nodes[joined] = n_regions + merge
        size = remove_from_heap(heap, size, places, edges, costs, cheapest)
        living[cheapest] = False
        counts[joined] += counts[gone]
        for place in range(bins.shape[1]):
            bins[joined, place] += bins[gone, place]
        # both chains become one, with one edge to every neighbor
        head = -1
        for region in (joined, gone):
            link = heads[region]
            while link >= 0:
                after, edge, side = following[link], link // 2, link % 2
                link = after
                if not living[edge]:
                    continue
                neighbor = edges[edge, 1 - side]
                twin = edge_to[neighbor]
                if twin < 0:
                    edge_to[neighbor] = edge
                    following[2 * edge + side] = head
                    head = 2 * edge + side
                    continue
                lengths[twin] += lengths[edge]
                strengths[twin] += strengths[edge]
                living[edge] = False
                size = remove_from_heap(heap, size, places, edges, costs, edge)
        heads[joined] = link = head
        while link >= 0:
            edge, side = link // 2, link % 2
            neighbor = edges[edge, 1 - side]
            edge_to[neighbor] = -1
            # renamed only here: an edge that is equal in cost may have to move, one at a time
            edges[edge, side] = joined
            border = strengths[edge] / lengths[edge]
            costs[edge] = merge_cost(counts, bins, joined, neighbor, border, rule)
            sift_up(heap, places, edges, costs, places[edge])
            sift_down(heap, size, places, edges, costs, places[edge])
            link = following[link]


@jit
def contour_heights(labels, parents, heights, contours):
    """Set every pixel to the height at which it joins its right and its lower neighbor."""
    height, width = labels.shape
    for row in range(height):
        for col in range(width):
            here = labels[row, col]
            value = heights[here]
            if col + 1 < width and labels[row, col + 1] != here:
                value = heights[common_ancestor(parents, here, labels[row, col + 1])]
            if row + 1 < height and labels[row + 1, col] != here:
                below = heights[common_ancestor(parents, here, labels[row + 1, col])]
                value = max(value, below)
            contours[row, col] = value


@jit
def common_ancestor(parents, node, other):
    """First node above both; parents have higher numbers than their children."""
    while node != other:
        if node < other:
            node = parents[node]
        else:
            other = parents[other]
    return node
