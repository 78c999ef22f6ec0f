// The hinge step over all triplets of an anchor: one block per anchor, counts by loops, no sort.
//
// products (gridDim.x, n_points): inner products of the rows `first` and on with all rows;
// overwritten by distances, which are squared ones over `units` of the anchor.
// weights: how many active triplets a distance enters, below zero for negatives, over the anchor's unit:
// the derivative of the hinges' sum by the squared distance. Anchors without a unit have none.
// losses, turns (gridDim.x,): the hinges' sum, and minus the sum of weight times distance.
extern "C" __global__ void triplet_weights(
    REAL* products, const REAL* norms, const REAL* units, const index_t* codes, double margin,
    index_t first, index_t n_points, REAL* weights, double* losses, double* turns) {
  index_t point = first + blockIdx.x;
  products += blockIdx.x * n_points;
  weights += blockIdx.x * n_points;
  index_t code = codes[point];
  REAL unit = units[point], norm = norms[point];
  for (index_t column = threadIdx.x; column < n_points; column += blockDim.x) {
    REAL squared = norm + norms[column] - 2 * products[column];
    products[column] = squared > 0 && unit > 0 ? squared / unit : (REAL)0;
  }
  __syncthreads();
  double loss = 0, turn = 0;
  for (index_t column = threadIdx.x; column < n_points; column += blockDim.x) {
    bool positive = codes[column] == code;
    REAL distance = products[column], level = distance;
    index_t count = 0;
    if (unit > 0 && column != point) {
      if (positive) {
        level = distance + (REAL)margin;
        for (index_t other = 0; other < n_points; ++other)
          count += codes[other] != code && products[other] < level;
      } else {
        for (index_t other = 0; other < n_points; ++other)
          count -= codes[other] == code && other != point && products[other] + (REAL)margin > level;
      }
    }
    REAL weight = count ? count / unit : (REAL)0;
    weights[column] = weight;
    loss += (double)level * count;
    turn -= (double)weight * distance;
  }
  loss = block_sum(loss);
  turn = block_sum(turn);
  if (threadIdx.x == 0) {
    losses[blockIdx.x] = loss;
    turns[blockIdx.x] = turn;
  }
}
