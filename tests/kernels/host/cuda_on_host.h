// As much of CUDA as the kernels use, for a C++ compiler: every thread of a block is a fiber that
// runs until it has to wait for others, so barriers, shuffles and shared memory mean what they mean
// on a GPU. A barrier that some threads never reach is reported instead of hanging.
#include <cmath>
#include <csetjmp>
#include <cstring>
#include <ucontext.h>
#include <utility>
#include <vector>

using std::cbrt;
using std::exp;
using std::fmax;
using std::fmin;
using std::log;
using std::pow;

#define __global__
#define __device__ static
#define __shared__ static

struct Index {
  unsigned x, y, z;
};

static Index threadIdx, blockIdx, blockDim, gridDim;

namespace host {

enum State { RUNNING, AT_WARP_BARRIER, AT_BLOCK_BARRIER, DONE };
const size_t STACK = 64 * 1024;

struct Fiber {
  ucontext_t context;  // to start it; later switches are jumps, which ask nothing of the kernel
  jmp_buf place;
  bool started;
  State state;
  int turn;
  std::vector<char> stack;
};

static std::vector<Fiber> fibers;
static jmp_buf scheduler;
static ucontext_t origin;
static unsigned current;
static double slots[2][1024];  // what a thread shows to its warp, in turns

inline void wait(State barrier) {
  Fiber& fiber = fibers[current];
  fiber.state = barrier;
  if (!_setjmp(fiber.place)) _longjmp(scheduler, 1);
}

// Run a thread until it waits or is done.
inline void resume(unsigned thread) {
  Fiber& fiber = fibers[thread];
  current = threadIdx.x = thread;
  if (_setjmp(scheduler)) return;
  if (fiber.started) _longjmp(fiber.place, 1);
  fiber.started = true;
  swapcontext(&origin, &fiber.context);
}

// Whether the threads begin:end all wait at a barrier; then they go on.
inline bool release(unsigned begin, unsigned end, State barrier) {
  for (unsigned i = begin; i < end; ++i)
    if (fibers[i].state != barrier) return false;
  for (unsigned i = begin; i < end; ++i) fibers[i].state = RUNNING;
  return true;
}

// Run the threads of a warp that can, again and again, as long as only each other keeps them.
inline bool run_warp(unsigned warp, bool backwards) {
  bool moved = false;
  do {
    for (unsigned lane = 0; lane < 32; ++lane) {
      unsigned thread = warp + (backwards ? 31 - lane : lane);
      if (fibers[thread].state != RUNNING) continue;
      resume(thread);
      moved = true;
    }
  } while (release(warp, warp + 32, AT_WARP_BARRIER));
  return moved;
}

// Run warp after warp, in either order and each as far as it gets; false if a barrier keeps some
// threads for ever.
inline bool run_block(bool backwards) {
  unsigned n = fibers.size();
  for (;;) {
    bool moved = false, over = true;
    for (unsigned warp = 0; warp < n; warp += 32)
      moved = run_warp(backwards ? n - 32 - warp : warp, backwards) || moved;
    for (const Fiber& fiber : fibers) over = over && fiber.state == DONE;
    if (over) return true;
    if (!release(0, n, AT_BLOCK_BARRIER) && !moved) return false;
  }
}

template <class Body>
struct Entry {
  static Body* body;
  static void run() {
    (*body)();
    wait(DONE);
  }
};
template <class Body>
Body* Entry<Body>::body;

template <class Body>
int run_grid(unsigned blocks_x, unsigned blocks_y, unsigned threads, bool backwards, Body body) {
  gridDim = {blocks_x, blocks_y, 1};
  blockDim = {threads, 1, 1};
  Entry<Body>::body = &body;
  fibers.resize(threads);
  for (blockIdx.y = 0; blockIdx.y < blocks_y; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x < blocks_x; ++blockIdx.x) {
      for (Fiber& fiber : fibers) {
        fiber.stack.resize(STACK);
        fiber.state = RUNNING;
        fiber.started = false;
        fiber.turn = 0;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, Entry<Body>::run, 0);
      }
      if (!run_block(backwards)) return 1;
    }
  return 0;
}

// Call a kernel with arguments that are given by their addresses.
template <class... Args, size_t... I>
int call(void (*kernel)(Args...), const unsigned* shape, void** args, std::index_sequence<I...>) {
  auto body = [&] { kernel(*static_cast<Args*>(args[I])...); };
  return run_grid(shape[0], shape[1], shape[2], shape[3] != 0, body);
}

template <class... Args>
int call(void (*kernel)(Args...), const unsigned* shape, void** args) {
  return call(kernel, shape, args, std::index_sequence_for<Args...>{});
}

}  // namespace host

inline float __int_as_float(int bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline int __float_as_int(float value) {
  int bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
inline int __ffs(unsigned mask) { return __builtin_ffs(mask); }
inline void __syncthreads() { host::wait(host::AT_BLOCK_BARRIER); }
inline void __syncwarp() { host::wait(host::AT_WARP_BARRIER); }

// Show a value to the warp; what its threads show stands there until the call after the next.
inline const double* show(double value) {
  double* shown = host::slots[host::fibers[host::current].turn ^= 1];
  shown[threadIdx.x] = value;
  __syncwarp();
  return shown + threadIdx.x / 32 * 32;
}

template <class T>
T __shfl_sync(unsigned, T value, unsigned lane) {
  return static_cast<T>(show(value)[lane]);
}
template <class T>
T __shfl_xor_sync(unsigned, T value, unsigned mask) {
  unsigned lane = threadIdx.x % 32 ^ mask;
  return static_cast<T>(show(value)[lane]);
}
inline unsigned __ballot_sync(unsigned, bool vote) {
  const double* votes = show(vote);
  unsigned mask = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (votes[lane]) mask |= 1u << lane;
  return mask;
}
