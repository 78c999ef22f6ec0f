// The softmax step of NCA: one block per row turns inner products into pair weights and a loss.
//
// products (n_stack, gridDim.x, n_points): inner products of the rows `first` and on with all rows of
// their member of the stack (blockIdx.y); overwritten by the derivative of the row's loss by every
// squared distance. Rows from counts[member] on are padding.
// active, losses (n_stack, gridDim.x): whether the row has a mate, and its loss.
extern "C" __global__ void nca_weights(
    REAL* products, const REAL* Z, const REAL* norms, const index_t* codes, const index_t* counts,
    double limit, index_t first, index_t n_points, index_t n_components, double* losses,
    double* active) {
  index_t row = (index_t)blockIdx.y * gridDim.x + blockIdx.x;
  index_t point = first + blockIdx.x;
  index_t count = counts[blockIdx.y];
  products += row * n_points;
  Z += blockIdx.y * n_points * n_components;
  norms += blockIdx.y * n_points;
  codes += blockIdx.y * n_points;
  index_t code = codes[point];
  REAL norm = norms[point];

  double nearest_any = INFINITE, nearest_mate = INFINITE;
  for (index_t column = threadIdx.x; column < count; column += blockDim.x) {
    REAL squared = fmax(norm + norms[column] - 2 * products[column], (REAL)0);
    products[column] = squared;
    if (column == point) continue;
    nearest_any = fmin(nearest_any, (double)squared);
    if (codes[column] == code) nearest_mate = fmin(nearest_mate, (double)squared);
  }
  nearest_any = block_min(nearest_any);
  nearest_mate = block_min(nearest_mate);
  bool has_mate = point < count && nearest_mate < INFINITE;
  if (!has_mate) {  // the whole block
    for (index_t column = threadIdx.x; column < n_points; column += blockDim.x) products[column] = 0;
    if (threadIdx.x == 0) losses[row] = active[row] = 0;
    return;
  }

  double total = 0, mates = 0;
  for (index_t column = threadIdx.x; column < count; column += blockDim.x) {
    REAL power = column == point ? (REAL)0 : exp((REAL)(nearest_any - products[column]));
    products[column] = power;
    total += power;
    if (codes[column] == code) mates += power;
  }
  total = block_sum(total);
  mates = block_sum(mates);
  for (index_t column = count + threadIdx.x; column < n_points; column += blockDim.x)
    products[column] = 0;

  double loss, per_total = 1 / total;
  if (nearest_mate - nearest_any <= limit) {
    loss = log(total) - log(mates);
    double per_mate = 1 / mates - per_total;
    for (index_t column = threadIdx.x; column < count; column += blockDim.x)
      products[column] *= codes[column] == code ? per_mate : -per_total;
  } else {
    // Beyond the limit the share of the mates is lost to underflow, and the rounding of a product may
    // be of any size next to 1: their distances are measured by differences.
    nearest_mate = INFINITE;
    for (index_t column = threadIdx.x; column < count; column += blockDim.x)
      if (column != point && codes[column] == code)
        nearest_mate = fmin(
            nearest_mate,
            measured(Z + point * n_components, Z + column * n_components, n_components));
    nearest_mate = block_min(nearest_mate);
    mates = 0;
    for (index_t column = threadIdx.x; column < count; column += blockDim.x)
      if (column != point && codes[column] == code)
        mates += exp(
            nearest_mate -
            measured(Z + point * n_components, Z + column * n_components, n_components));
    mates = block_sum(mates);
    loss = log(total) - nearest_any + nearest_mate - log(mates);
    for (index_t column = threadIdx.x; column < count; column += blockDim.x) {
      double weight = -products[column] * per_total;
      if (column != point && codes[column] == code)
        weight += exp(
                      nearest_mate -
                      measured(Z + point * n_components, Z + column * n_components, n_components)) /
                  mates;
      products[column] = weight;
    }
  }
  if (threadIdx.x == 0) {
    losses[row] = loss;
    active[row] = 1;
  }
}
