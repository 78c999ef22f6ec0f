// Fused selection of the nearest points: one warp per query, a sorted list, no sort of whole rows.
//
// products (n_queries, n_columns): inner products of the queries and a block of points, `first` to
// `first + n_columns`. A point whose distance by these, less the rounding that they may carry, exceeds
// the last of the list is passed over; any other is measured by differences. Points come in ascending
// order and go behind their equals, so ties are by index.
//
// exclude (n_queries,): the point to leave out, or -1.
// indices, distances (n_queries, n_neighbors): the lists, at first 0 and infinite.

__device__ void insert(
    double distance, index_t point, index_t n_neighbors, double* distances, index_t* indices) {
  int lane = threadIdx.x % 32;
  // from the end of the list, 32 places at a time: those that are farther move by one
  for (index_t top = n_neighbors - 1; top >= 0; top -= 32) {
    index_t place = top - lane;
    double own = place >= 0 ? distances[place] : 0;
    double before = place > 0 ? distances[place - 1] : 0;
    index_t index_before = place > 0 ? indices[place - 1] : 0;
    bool moves = place >= 0 && own > distance;
    bool follows = moves && place > 0 && before > distance;
    __syncwarp();
    if (moves) {
      distances[place] = follows ? before : distance;
      indices[place] = follows ? index_before : point;
    }
    __syncwarp();
    if (__ballot_sync(WARP, moves) != WARP) return;
  }
}

extern "C" __global__ void nearest_points(
    const REAL* products, const REAL* queries, const REAL* points, const REAL* query_norms,
    const REAL* norms, const index_t* exclude, double slack, index_t n_queries,
    index_t n_columns, index_t first, index_t n_components, index_t n_neighbors, index_t* indices,
    double* distances) {
  index_t query = (index_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  if (query >= n_queries) return;  // a whole warp
  products += query * n_columns;
  queries += query * n_components;
  indices += query * n_neighbors;
  distances += query * n_neighbors;
  index_t left_out = exclude[query] - first;
  REAL query_norm = query_norms[query];
  double worst = distances[n_neighbors - 1];

  for (index_t start = 0; start < n_columns; start += 32) {
    index_t column = start + lane;
    bool possible = column < n_columns && column != left_out;
    REAL bound = 0;
    if (possible) {
      REAL norm = query_norm + norms[column];
      bound = norm - 2 * products[column] - (REAL)slack * norm;
      // written so that a NaN, left by an overflow, counts as "measure it"
      possible = !(bound > worst);
    }
    unsigned waiting = __ballot_sync(WARP, possible);
    while (waiting) {
      int source = __ffs(waiting) - 1;
      waiting &= waiting - 1;
      if (__shfl_sync(WARP, bound, source) > worst) continue;  // the list has become shorter since
      column = start + source;
      double distance = warp_measured(queries, points + column * n_components, n_components);
      if (distance < worst) {
        insert(distance, first + column, n_neighbors, distances, indices);
        worst = distances[n_neighbors - 1];
      }
    }
  }
}
