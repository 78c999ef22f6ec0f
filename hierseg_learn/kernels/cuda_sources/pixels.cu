// Sums over the pixels of regions: color, gradients, binary patterns, outlines. The loops of
// `_descriptor_loops.py`, pixel by pixel, with the same operations in the same precision.
//
// One block per chunk of pixels (blockIdx.x), which order[starts[chunk]:stops[chunk]] names, and
// group of `width` sums (blockIdx.y), as in region_sums.cu. Every thread reads one pixel of a tile;
// then it adds what all pixels of its line give to its sum.

typedef unsigned char byte_t;

// most threads of a block
const int MOST_THREADS = 256;

template <class Pixel, class Read, class Share>
__device__ void add_chunk(
    const index_t* order, const index_t* starts, const index_t* stops, index_t n_sums,
    index_t width, double* sums, Read read, Share share) {
  __shared__ Pixel tile[MOST_THREADS];
  __shared__ double partial[MOST_THREADS];
  index_t column = blockIdx.y * width + threadIdx.x % width;
  index_t line = threadIdx.x / width, n_lines = blockDim.x / width, stop = stops[blockIdx.x];
  double sum = 0;
  for (index_t first = starts[blockIdx.x]; first < stop; first += blockDim.x) {
    index_t n_pixels = stop - first < blockDim.x ? stop - first : blockDim.x;
    __syncthreads();  // whoever still reads the last tile
    if (threadIdx.x < n_pixels) tile[threadIdx.x] = read(order[first + threadIdx.x]);
    __syncthreads();
    if (column < n_sums)
      for (index_t i = line; i < n_pixels; i += n_lines) sum += share(tile[i], column);
  }
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (index_t half = blockDim.x / 2; half >= width; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    __syncthreads();
  }
  if (line == 0 && column < n_sums) sums[blockIdx.x * n_sums + column] = partial[threadIdx.x];
}

// Cube root of CIELAB, by two steps of Halley's method from a third of the bits.
__device__ float lab_root(float value, int root_bits, float knee) {
  if (!(value > knee)) return 7.787f * value + (float)(16.0 / 116.0);
  float near = __int_as_float(__float_as_int(value) / 3 + root_bits);
  for (int step = 0; step < 2; ++step) {
    float cube = near * near * near;
    near = near * ((cube + 2.0f * value) / (2.0f * cube + value));
  }
  return near;
}

struct Color {
  float value[3];
  double place[3];  // among the bins
};

// `levels` stands in for `planes` where there are levels; `gamma` undoes the gamma of levels,
// `matrix` (3, 3) leads from linear light to X, Y and Z; `low` and `high` (n_channels,) bound bins.
extern "C" __global__ void color_chunks(
    const float* planes, const byte_t* levels, index_t is_whole, const float* gamma,
    const float* matrix, index_t root_bits, double knee, const double* low, const double* high,
    index_t n_pixels, index_t n_channels, index_t n_bins, const index_t* order,
    const index_t* starts, const index_t* stops, index_t width, double* sums) {
  auto read = [=](index_t pixel) {
    Color color;
    float light[3], root[3];
    for (int channel = 0; channel < n_channels; ++channel) {
      index_t place = channel * n_pixels + pixel;
      if (is_whole) {
        light[channel] = gamma[levels[place]];
      } else {
        double value = planes[place];
        value = value > 0.04045 ? pow((value + 0.055) / 1.055, 2.4) : value / 12.92;
        light[channel] = (float)value;
      }
    }
    for (int place = 0; place < n_channels; ++place) {
      const float* row = matrix + 3 * place;
      float value = n_channels == 1
          ? light[0] : row[0] * light[0] + row[1] * light[1] + row[2] * light[2];
      root[place] = lab_root(value, (int)root_bits, (float)knee);
    }
    if (n_channels == 1) {
      color.value[0] = 116.0f * root[0] - 16.0f;
    } else {
      color.value[0] = 116.0f * root[1] - 16.0f;
      color.value[1] = 500.0f * (root[0] - root[1]);
      color.value[2] = 200.0f * (root[1] - root[2]);
    }
    for (int channel = 0; channel < n_channels; ++channel) {
      double scale = n_bins / (high[channel] - low[channel]);
      double place = ((double)color.value[channel] - low[channel]) * scale - 0.5;
      color.place[channel] = fmin(fmax(place, 0.0), n_bins - 1.0);
    }
    return color;
  };
  auto share = [=](const Color& color, index_t column) {
    if (column < 2 * n_channels) {
      double value = color.value[column % n_channels];
      return column < n_channels ? value : value * value;
    }
    index_t bin = column - 2 * n_channels;
    return fmax(1 - fabs(color.place[bin / n_bins] - (double)(bin % n_bins)), 0.0);
  };
  index_t n_sums = n_channels * (2 + n_bins);
  add_chunk<Color>(order, starts, stops, n_sums, width, sums, read, share);
}

// The two pixels whose difference is the gradient at a place of a side.
__device__ void both_sides(index_t place, index_t side, index_t* before, index_t* behind) {
  index_t inner = place < 1 ? 1 : place > side - 2 ? side - 2 : place;
  *before = side < 3 ? 0 : inner - 1;
  *behind = side < 3 ? side - 1 : inner + 1;
}

struct Gradient {
  double length;
  double place;  // among the orientations
};

// `arctan` (8,) are the coefficients of its polynomial, and half a turn behind them.
extern "C" __global__ void gradient_chunks(
    const float* planes, const float* arctan, index_t height, index_t n_cols, index_t n_channels,
    index_t n_orientations, const index_t* order, const index_t* starts, const index_t* stops,
    index_t width, double* sums) {
  auto read = [=](index_t pixel) {
    index_t row = pixel / n_cols, col = pixel % n_cols, top, bottom, left, right;
    both_sides(row, height, &top, &bottom);
    both_sides(col, n_cols, &left, &right);
    float across = 0.0f, down = 0.0f, squared = -1.0f;
    for (int channel = 0; channel < n_channels; ++channel) {
      const float* plane = planes + channel * height * n_cols;
      float x = 0.5f * (plane[row * n_cols + right] - plane[row * n_cols + left]);
      float y = 0.5f * (plane[bottom * n_cols + col] - plane[top * n_cols + col]);
      float size = x * x + y * y;
      if (size > squared) across = x, down = y, squared = size;
    }
    float flat = fabsf(across), steep = fabsf(down);
    float longer = steep > flat ? steep : flat, least = 1.17549435e-38f;
    float ratio = (steep > flat ? flat : steep) / (longer > least ? longer : least);
    float square = ratio * ratio, value = arctan[7];
    for (int k = 6; k >= 0; --k) value = value * square + arctan[k];
    float turn = (value * square * ratio + ratio) / arctan[8];
    turn = steep <= flat ? turn : 0.5f - turn;
    turn = (across < 0) != (down < 0) ? 1.0f - turn : turn;
    return Gradient{(double)sqrtf(squared), (double)turn * n_orientations};
  };
  auto share = [=](const Gradient& gradient, index_t column) {
    index_t first = (index_t)gradient.place;
    double above = gradient.place - first;
    first = first < n_orientations ? first : 0;
    index_t second = first + 1 < n_orientations ? first + 1 : 0;
    double part = column == first ? 1 - above : column == second ? above : 0.0;
    return part * gradient.length;
  };
  add_chunk<Gradient>(order, starts, stops, n_orientations, width, sums, read, share);
}

// Whether a point near a corner is at least as bright, by bilinear interpolation; all arguments are
// differences of levels to that of the center.
__device__ int is_brighter(
    index_t corner, index_t side, index_t other, index_t diagonal, index_t rest) {
  return diagonal * corner + rest * (side + other) >= 0;
}

// `gray` (gray_height, gray_cols) has one more row or column on both sides where the image of
// (height, n_cols) pixels has less than three. `patterns` (256,) is the pattern of all signs.
extern "C" __global__ void pattern_chunks(
    const int* gray, index_t gray_height, index_t gray_cols, index_t height, index_t n_cols,
    index_t diagonal, index_t rest, const index_t* patterns, index_t n_patterns,
    const index_t* order, const index_t* starts, const index_t* stops, index_t width,
    double* sums) {
  auto read = [=](index_t pixel) {
    index_t row = pixel / n_cols + (gray_height - height) / 2;
    index_t col = pixel % n_cols + (gray_cols - n_cols) / 2;
    row = row < 1 ? 1 : row > gray_height - 2 ? gray_height - 2 : row;
    col = col < 1 ? 1 : col > gray_cols - 2 ? gray_cols - 2 : col;
    const int* here = gray + row * gray_cols + col;
    const int *above = here - gray_cols, *below = here + gray_cols;
    index_t center = here[0], east = here[1] - center, west = here[-1] - center;
    index_t north = above[0] - center, south = below[0] - center;
    int signs = (east >= 0) | (north >= 0) << 2 | (west >= 0) << 4 | (south >= 0) << 6;
    signs |= is_brighter(above[1] - center, north, east, diagonal, rest) << 1;
    signs |= is_brighter(above[-1] - center, north, west, diagonal, rest) << 3;
    signs |= is_brighter(below[-1] - center, south, west, diagonal, rest) << 5;
    signs |= is_brighter(below[1] - center, south, east, diagonal, rest) << 7;
    return patterns[signs];
  };
  auto share = [=](index_t pattern, index_t column) { return pattern == column ? 1.0 : 0.0; };
  add_chunk<index_t>(order, starts, stops, n_patterns, width, sums, read, share);
}

__device__ double cube(double value) { return value * value * value; }

struct Place {
  index_t row, col;
};

// `profile` is (height, n_bins).
extern "C" __global__ void outline_chunks(
    const double* profile, index_t height, index_t n_cols, index_t n_bins, const index_t* order,
    const index_t* starts, const index_t* stops, index_t width, double* sums) {
  auto read = [=](index_t pixel) { return Place{pixel / n_cols, pixel % n_cols}; };
  auto share = [=](const Place& place, index_t column) {
    if (column >= 5) return profile[place.row * n_bins + column - 5];
    double down = (place.row + 0.5) / height, along = (place.col + 0.5) / n_cols;
    if (column == 0) return down;
    if (column == 1) return along;
    if (column == 4) return down * along;
    // the mean square over a pixel, not that of its center
    double start = column == 2 ? place.row : place.col, side = column == 2 ? height : n_cols;
    return (cube(start + 1) - cube(start)) / (3.0 * side * side);
  };
  add_chunk<Place>(order, starts, stops, 5 + n_bins, width, sums, read, share);
}

// One thread per pixel: how many pixels it lies inside of its region, up to `most`.
extern "C" __global__ void region_depths(
    const int* regions, index_t height, index_t n_cols, index_t most, int* depths) {
  index_t pixel = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (pixel >= height * n_cols) return;
  index_t row = pixel / n_cols, col = pixel % n_cols, depth = 0;
  for (bool inside = true; depth < most; ++depth) {
    // the ring around the pixel that is one farther
    index_t reach = depth + 1;
    for (index_t down = row - reach; inside && down <= row + reach; ++down) {
      if (down < 0 || down >= height) continue;
      index_t step = down == row - reach || down == row + reach ? 1 : 2 * reach;
      for (index_t along = col - reach; along <= col + reach; along += step)
        if (along >= 0 && along < n_cols)
          inside = inside && regions[down * n_cols + along] == regions[pixel];
    }
    if (!inside) break;
  }
  depths[pixel] = (int)depth;
}
