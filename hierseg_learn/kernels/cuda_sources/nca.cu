// The softmax step of NCA: one block per row turns inner products into pair weights and a loss.
//
// products (gridDim.x, n_points): inner products of the rows `first` and on with all rows;
// overwritten by the derivative of the row's loss by every squared distance.
// losses (gridDim.x,): loss of every row; 0 for a row without another one of its class.
extern "C" __global__ void nca_weights(
    REAL* products, const REAL* Z, const REAL* norms, const index_t* codes, double limit,
    index_t first, index_t n_points, index_t n_components, double* losses) {
  index_t row = blockIdx.x;
  index_t point = first + row;
  products += row * n_points;
  index_t code = codes[point];
  REAL norm = norms[point];

  double nearest_any = INFINITE, nearest_positive = INFINITE;
  for (index_t column = threadIdx.x; column < n_points; column += blockDim.x) {
    REAL squared = fmax(norm + norms[column] - 2 * products[column], (REAL)0);
    products[column] = squared;
    if (column == point) continue;
    nearest_any = fmin(nearest_any, (double)squared);
    if (codes[column] == code) nearest_positive = fmin(nearest_positive, (double)squared);
  }
  nearest_any = block_min(nearest_any);
  nearest_positive = block_min(nearest_positive);
  if (nearest_positive == INFINITE) {  // the whole block
    for (index_t column = threadIdx.x; column < n_points; column += blockDim.x) products[column] = 0;
    if (threadIdx.x == 0) losses[row] = 0;
    return;
  }

  double total = 0, positives = 0;
  for (index_t column = threadIdx.x; column < n_points; column += blockDim.x) {
    REAL power = column == point ? (REAL)0 : exp((REAL)(nearest_any - products[column]));
    products[column] = power;
    total += power;
    if (codes[column] == code) positives += power;
  }
  total = block_sum(total);
  positives = block_sum(positives);

  double loss, per_total = 1 / total;
  if (nearest_positive - nearest_any <= limit) {
    loss = log(total) - log(positives);
    double per_positive = 1 / positives - per_total;
    for (index_t column = threadIdx.x; column < n_points; column += blockDim.x)
      products[column] *= codes[column] == code ? per_positive : -per_total;
  } else {
    // Beyond the limit the share of the positives is lost to underflow, and the rounding of a product may
    // be of any size next to 1: their distances are measured by differences.
    nearest_positive = INFINITE;
    for (index_t column = threadIdx.x; column < n_points; column += blockDim.x)
      if (column != point && codes[column] == code)
        nearest_positive = fmin(
            nearest_positive,
            measured(Z + point * n_components, Z + column * n_components, n_components));
    nearest_positive = block_min(nearest_positive);
    positives = 0;
    for (index_t column = threadIdx.x; column < n_points; column += blockDim.x)
      if (column != point && codes[column] == code)
        positives += exp(
            nearest_positive -
            measured(Z + point * n_components, Z + column * n_components, n_components));
    positives = block_sum(positives);
    loss = log(total) - nearest_any + nearest_positive - log(positives);
    for (index_t column = threadIdx.x; column < n_points; column += blockDim.x) {
      double weight = -products[column] * per_total;
      if (column != point && codes[column] == code)
        weight += exp(
                      nearest_positive -
                      measured(Z + point * n_components, Z + column * n_components, n_components)) /
                  positives;
      products[column] = weight;
    }
  }
  if (threadIdx.x == 0) losses[row] = loss;
}
