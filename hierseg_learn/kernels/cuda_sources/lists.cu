// Losses over lists of target neighbors and impostors: one warp per point.

// squared, weights (n_points, n_listed): squared distance of a point to each of its listed points (the
// first n_targets of them are targets; -1 stands for none), and the derivative of its loss by it.
extern "C" __global__ void list_weights(
    const REAL* Z, const index_t* lists, double pull, double push, index_t n_points,
    index_t n_components, index_t n_targets, index_t n_listed, double* squared, REAL* weights,
    double* losses) {
  index_t point = (index_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  if (point >= n_points) return;  // a whole warp
  lists += point * n_listed;
  squared += point * n_listed;
  weights += point * n_listed;
  for (index_t place = 0; place < n_listed; ++place) {
    double distance = 0;
    if (lists[place] >= 0)
      distance =
          warp_measured(Z + point * n_components, Z + lists[place] * n_components, n_components);
    if (lane == 0) squared[place] = distance;
  }
  __syncwarp();
  double loss = 0;
  for (index_t place = lane; place < n_listed; place += 32) {
    double weight = 0;
    if (lists[place] >= 0 && place < n_targets) {
      weight = pull;
      loss += pull * squared[place];
      for (index_t other = n_targets; other < n_listed; ++other) {
        double hinge = 1 + squared[place] - squared[other];
        if (lists[other] >= 0 && hinge > 0) {
          weight += push;
          loss += push * hinge;
        }
      }
    } else if (lists[place] >= 0) {
      for (index_t other = 0; other < n_targets; ++other)
        if (lists[other] >= 0 && 1 + squared[other] - squared[place] > 0) weight -= push;
    }
    weights[place] = weight;
  }
  loss = warp_sum(loss);
  if (lane == 0) losses[point] = loss;
}

// The gradient by every point: what its own list pulls and, in the order of `order`, what the lists
// that hold it do. order[starts[point]:starts[point + 1]] are the flat places that name the point.
extern "C" __global__ void list_gradient(
    const REAL* Z, const index_t* lists, const REAL* weights, const index_t* order,
    const index_t* starts, double scale, index_t n_points, index_t n_components, index_t n_listed,
    REAL* gradient) {
  index_t point = (index_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (point >= n_points) return;
  for (index_t component = threadIdx.x % 32; component < n_components; component += 32) {
    double own = Z[point * n_components + component], total = 0;
    for (index_t place = point * n_listed; place < (point + 1) * n_listed; ++place)
      if (lists[place] >= 0)
        total += weights[place] * (own - Z[lists[place] * n_components + component]);
    for (index_t entry = starts[point]; entry < starts[point + 1]; ++entry) {
      index_t place = order[entry];
      total += weights[place] * (own - Z[place / n_listed * n_components + component]);
    }
    gradient[point * n_components + component] = scale * total;
  }
}
