// Sums over regions without atomics: pixels are sorted by region, every region is cut into chunks.

// One block per chunk (blockIdx.x) and group of columns (blockIdx.y): order[starts[chunk]:stops[chunk]]
// names its pixels. `width`, a power of two up to 32, is the number of neighboring threads that read
// neighboring columns of a pixel; blockDim.x is a power of two, too.
extern "C" __global__ void chunk_sums(
    const REAL* values, const index_t* order, const index_t* starts, const index_t* stops,
    index_t n_values, index_t width, double* sums) {
  __shared__ double partial[1024];
  index_t column = blockIdx.y * width + threadIdx.x % width;
  index_t line = threadIdx.x / width, n_lines = blockDim.x / width;
  double sum = 0;
  if (column < n_values)
    for (index_t place = starts[blockIdx.x] + line; place < stops[blockIdx.x]; place += n_lines)
      sum += values[order[place] * n_values + column];
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (index_t half = blockDim.x / 2; half >= width; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    __syncthreads();
  }
  if (line == 0 && column < n_values) sums[blockIdx.x * n_values + column] = partial[threadIdx.x];
}

// One thread per region and column: the chunks of a region, first_chunk[region] and on, in order.
extern "C" __global__ void add_chunks(
    const double* sums, const index_t* first_chunk, index_t n_regions, index_t n_values,
    double* totals) {
  index_t place = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (place >= n_regions * n_values) return;
  index_t region = place / n_values, column = place % n_values;
  double total = 0;
  for (index_t chunk = first_chunk[region]; chunk < first_chunk[region + 1]; ++chunk)
    total += sums[chunk * n_values + column];
  totals[place] = total;
}
