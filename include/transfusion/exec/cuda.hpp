// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <type_traits>

#include "transfusion/core/bf16.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/exec/concepts.hpp"

namespace transfusion {

namespace detail {
struct cuda_context;     // cuda/context.cuh
struct cuda_recordings;  // cuda/repeat.cuh

/// There is no memory left while a graph is captured, when none can be given back.
struct full_while_capturing : device_error {
  full_while_capturing() : device_error("out of device memory while a graph is captured") {}
};
}  // namespace detail

/// Where a cuda_exec works.
struct cuda_options {
  int device = 0;
  /// A cudaStream_t of the caller's; null: the policy makes its own. Work on cudaStreamLegacy never becomes a graph.
  void* stream = nullptr;
};

/// What a device is.
struct cuda_device_info {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  std::size_t total_bytes = 0, free_bytes = 0;
};

/// Work that a cuda_exec does again and again: it remembers how (exec/repeat.hpp). Empty until its first run.
class cuda_repeat {
  template <class Scalar>
  friend class cuda_exec;
  std::shared_ptr<detail::cuda_recordings> recordings_;
};

/// The policy of one CUDA device: products by cuBLASLt, the rest by our kernels. `bf16` computes on tensor cores with
/// float accumulation, statistics, losses and master weights; `float` serves tests and small models.
/// All work goes to one stream; only download waits for it. The same build and device give the same bits.
/// One call at a time on one policy. Every member throws device_error with the device's own reason.
template <class Scalar = bf16>
class cuda_exec {
 public:
  using scalar = Scalar;
  using real = accurate_t<Scalar>;
  using matrix = view<Scalar, 2>;
  using const_matrix = view<const Scalar, 2>;
  using vector = view<Scalar, 1>;
  using const_vector = view<const Scalar, 1>;
  using real_matrix = view<real, 2>;
  using const_real_matrix = view<const real, 2>;
  using real_vector = view<real, 1>;
  using const_real_vector = view<const real, 1>;
  using sink = gradient_sink<Scalar>;
  using tokens = view<const token_t, 1>;
  using images = view<const image_place, 1>;

  /// Throws device_error without a driver or device, or where this build has no code for the device.
  explicit cuda_exec(cuda_options options = {});
  cuda_exec(const cuda_exec&) = delete;  // models and buffers hold its address
  cuda_exec& operator=(const cuda_exec&) = delete;
  ~cuda_exec();

  cuda_device_info info() const;
  /// How many blocks of memory this policy has handed out so far, and the most bytes it has held at one time.
  index_t allocations() const;
  index_t peak_bytes() const;
  /// The rate of dense products, floating-point operations a second: as the device's data sheet has it for bf16, 0
  /// where that is not known or Scalar is another type; and as a large square product runs here. That one is measured
  /// at the first call, which waits; it is 0 where there is no memory for it.
  double nominal_matmul_rate() const;
  double matmul_rate();
  /// Waits until all work given so far is done.
  void synchronize();

  /// Runs f, on the host every time, and its device work as a CUDA graph from the second run on. f may upload, compute
  /// and copy here, not download. What changes from run to run must come through its uploads: other launches, shapes or
  /// memory are noticed, and then done and recorded anew, but not another number passed to an operation.
  using repeat_type = cuda_repeat;
  template <class F>
  void repeat(cuda_repeat& r, const F& f) {
    while (!repeated_once(r, f)) {
    }
  }

  void* allocate(std::size_t bytes);
  void deallocate(void* p, std::size_t bytes) noexcept;
  void upload(void* to, const void* from, std::size_t bytes);
  void download(void* to, const void* from, std::size_t bytes);
  template <class T>
  void fill(view<T, 1> x, double value);
  template <class T>
  void copy(view<T, 1> y, view<const std::type_identity_t<T>, 1> x);
  void widen(real_vector y, const_vector x);
  void narrow(vector y, const_real_vector x);
  void normal(real_vector x, random_key key, double scale, index_t first = 0);

  void linear(matrix y, const_matrix x, const_matrix w, const_vector b);
  void logits(real_matrix y, const_matrix x, const_matrix w);
  void linear_backward(sink dx, real_matrix dw, real_vector db, const_matrix dy, const_matrix x, const_matrix w);
  void convolution(matrix y, const_matrix x, const_matrix w, const_vector b, view<const token_t, 2> taps);
  void convolution_backward(sink dx, real_matrix dw, real_vector db, const_matrix dy, const_matrix x, const_matrix w,
                            view<const token_t, 2> taps, view<const token_t, 2> reverse);
  void max_pool(matrix y, const_matrix x, view<const token_t, 2> taps);
  void max_pool_backward(sink dx, const_matrix dy, const_matrix x, view<const token_t, 2> taps,
                         view<const token_t, 2> reverse);
  void embedding(matrix y, const_matrix table, tokens ids);
  void embedding_backward(real_matrix dtable, const_matrix dy, tokens ids);

  void rms_norm(matrix y, real_vector inverse_rms, const_matrix x, const_real_vector w, double epsilon);
  void add_rms_norm(matrix sum, matrix y, real_vector inverse_rms, const_matrix a, const_matrix b, const_real_vector w,
                    double epsilon);
  void rms_norm_backward(sink dx, real_vector dw, const_matrix dy, const_matrix x, const_real_vector w,
                         const_real_vector inverse_rms);
  void layer_norm(matrix y, real_matrix stats, const_matrix x, const_real_vector w, const_real_vector b,
                  double epsilon);
  void layer_norm_backward(sink dx, real_vector dw, real_vector db, const_matrix dy, const_matrix x,
                           const_real_vector w, const_real_matrix stats);
  void group_norm(matrix y, real_matrix stats, const_matrix x, const_real_vector w, const_real_vector b,
                  view<const key_interval, 1> ranges, index_t groups, double epsilon);
  void group_norm_backward(sink dx, real_vector dw, real_vector db, const_matrix dy, const_matrix x,
                           const_real_vector w, const_real_matrix stats, view<const key_interval, 1> ranges,
                           index_t groups);

  void rope_table(real_matrix table, view<const token_t, 2> positions, double theta);
  void rope(matrix x, const_real_matrix table, double direction);
  void attention(matrix o, real_matrix lse, const_matrix q, const_matrix k, const_matrix v, key_intervals keys,
                 attention_shape shape);
  void attention_backward(sink dq, sink dk, sink dv, const_matrix d_o, const_matrix o, const_real_matrix lse,
                          const_matrix q, const_matrix k, const_matrix v, key_intervals keys, attention_shape shape);

  void swiglu(matrix y, const_matrix gate, const_matrix up);
  void swiglu_backward(sink dgate, sink dup, const_matrix dy, const_matrix gate, const_matrix up);
  void silu(matrix y, const_matrix x);
  void silu_backward(sink dx, const_matrix dy, const_matrix x);
  void gelu(matrix y, const_matrix x);
  void gelu_backward(sink dx, const_matrix dy, const_matrix x);
  void leaky_relu(matrix y, const_matrix x, double slope);
  void leaky_relu_backward(sink dx, const_matrix dy, const_matrix x, double slope);
  void multiply(matrix y, const_matrix a, const_matrix b);
  void multiply_backward(sink da, sink db, const_matrix dy, const_matrix a, const_matrix b);
  void dropout(sink y, const_matrix x, random_key key, double rate, index_t first);
  void add(matrix y, const_matrix a, const_matrix b);
  void accumulate(sink dx, const_matrix x);
  void concatenate(matrix y, const_matrix a, const_matrix b);
  void concatenate_backward(sink da, sink db, const_matrix dy);
  void timestep_embedding(matrix y, const_real_vector t, double max_period);
  void gather_rows(matrix y, const_matrix x, tokens rows);
  void gather_rows_backward(sink dx, const_matrix dy, tokens rows);
  void scatter_rows(matrix y, const_matrix x, const_matrix s, tokens rows);
  void write_rows(matrix y, const_matrix s, tokens rows);
  void scatter_rows_backward(sink dx, sink ds, const_matrix dy, tokens rows);

  void patchify(matrix patches, const_real_vector values, images places, patch_shape patch);
  void unpatchify(vector values, const_matrix patches, images places, patch_shape patch);
  void unpatchify_backward(sink dpatches, const_vector dvalues, images places, patch_shape patch);
  void mix(real_vector out, const_real_vector a, const_real_vector b, const_real_matrix coefficients, images places);
  void clamp(real_vector x, double low, double high);
  void match_deviation(real_vector x, const_real_vector reference, images places, double strength);
  void dynamic_threshold(real_vector x, images places, double quantile, double floor);
  void scaled_error(real_vector out, const_real_vector error, const_real_vector a, const_real_vector b, images places,
                    double absolute, double relative);

  void cross_entropy(real_vector loss, real_vector log_z, matrix dx, real_matrix dw, const_matrix x, const_matrix w,
                     tokens targets, const_real_vector weights, double z_weight, double smoothing);
  void pointwise_error(error_kind kind, real_vector loss, sink dprediction, const_vector prediction,
                       const_real_vector target, images places, const_real_vector weights);

  void gaussian_sample(matrix z, real_vector kl, const_matrix moments, const_real_matrix noise,
                       view<const key_interval, 1> ranges);
  void gaussian_sample_backward(sink dmoments, const_matrix dz, const_matrix moments, const_real_matrix noise,
                                view<const key_interval, 1> ranges, const_real_vector weights);
  void nearest_rows(view<token_t, 1> out, const_matrix x, const_matrix table);

  void sample_tokens(view<token_t, 1> out, const_real_matrix logits, const text_sampling& settings, const_real_vector u,
                     view<const token_t, 2> forbidden);

  void sum_of_squares(real_vector out, const_real_vector x);
  void adamw(real_vector w, real_vector m, real_vector v, real_vector ema, vector working, const_real_vector g,
             const_real_vector norm_squared, adamw_step step);

 private:
  template <class F>
  bool repeated_once(cuda_repeat& r, const F& f) {
    begin_repeat(r);
    try {
      f();
    } catch (const detail::full_while_capturing&) {
      abandon_repeat(r);
      return false;  // the next run is a plain one, which can wait for the device and give memory back
    } catch (...) {
      abandon_repeat(r);
      throw;
    }
    return end_repeat(r);
  }
  void begin_repeat(cuda_repeat& r);
  bool end_repeat(cuda_repeat& r);  ///< whether the work is done; otherwise it must be run again
  void abandon_repeat(cuda_repeat& r) noexcept;

  std::unique_ptr<detail::cuda_context> context_;
};

static_assert(execution_policy<cuda_exec<bf16>>);
static_assert(execution_policy<cuda_exec<float>>);

}  // namespace transfusion
