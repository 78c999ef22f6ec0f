// Signal-to-noise distances: one thread per pair turns the inner product of two centered rows into
// var(q - x) / var(q), NaN where the query has no variance.
extern "C" __global__ void signal_to_noise(
    REAL* products, const REAL* signal, const REAL* norms, index_t n_queries, index_t n_points) {
  index_t column = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= n_points) return;
  for (index_t query = blockIdx.y; query < n_queries; query += gridDim.y) {
    REAL own = signal[query], noise = own + norms[column] - 2 * products[query * n_points + column];
    products[query * n_points + column] = own > 0 ? fmax(noise, (REAL)0) / own : (REAL)UNDEFINED;
  }
}
