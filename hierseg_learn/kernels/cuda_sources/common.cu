// What the kernels share. REAL, float or double, is defined when they are compiled.
//
// Sums run over float64 in an order that only the size of the block sets: no float atomics, so the
// same bits every time. A block has one dimension, a multiple of 32 threads.

typedef long long index_t;

#define INFINITE __int_as_float(0x7f800000)
#define UNDEFINED __int_as_float(0x7fc00000)
#define WARP 0xffffffffu

// Sum over the 32 threads of a warp; all get the same bits.
__device__ double warp_sum(double value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(WARP, value, offset);
  return value;
}

// Sum over the threads of a block; all get the same bits. Every thread must call it.
__device__ double block_sum(double value) {
  __shared__ double partial[32];
  value = warp_sum(value);
  __syncthreads();  // whoever still reads the sums of an earlier call
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0;
  for (int warp = 0; warp < blockDim.x / 32; ++warp) value += partial[warp];
  return value;
}

// Minimum over the threads of a block. Every thread must call it.
__device__ double block_min(double value) {
  __shared__ double partial[32];
  for (int offset = 16; offset > 0; offset /= 2)
    value = fmin(value, __shfl_xor_sync(WARP, value, offset));
  __syncthreads();
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  value = INFINITE;
  for (int warp = 0; warp < blockDim.x / 32; ++warp) value = fmin(value, partial[warp]);
  return value;
}

// Squared distance by differences, in float64, by one thread.
__device__ double measured(const REAL* a, const REAL* b, index_t n_components) {
  double sum = 0;
  for (index_t component = 0; component < n_components; ++component) {
    double difference = (double)a[component] - (double)b[component];
    sum += difference * difference;
  }
  return sum;
}

// Squared distance by differences, in float64, by a warp; all its threads get the same bits.
__device__ double warp_measured(const REAL* a, const REAL* b, index_t n_components) {
  double sum = 0;
  for (index_t component = threadIdx.x % 32; component < n_components; component += 32) {
    double difference = (double)a[component] - (double)b[component];
    sum += difference * difference;
  }
  return warp_sum(sum);
}
