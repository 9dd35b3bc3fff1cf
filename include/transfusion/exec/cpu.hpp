// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/exec/concepts.hpp"
#include "transfusion/exec/cpu/team.hpp"

namespace transfusion {

/// The CPU policy: products on Eigen's registers or by a BLAS, threads of its own, `float` or `double`.
/// Sums have an order that depends on shapes only, so the bits do not depend on the number of threads; a repeated call
/// allocates nothing.
/// One call at a time on one policy. The operations are those of `reference_exec`; see `exec/concepts.hpp` for what
/// they do.
template <class Scalar = float>
class cpu_exec {
 public:
  using scalar = Scalar;
  using real = Scalar;
  using matrix = view<Scalar, 2>;
  using const_matrix = view<const Scalar, 2>;
  using vector = view<Scalar, 1>;
  using const_vector = view<const Scalar, 1>;
  using sink = gradient_sink<Scalar>;
  using tokens = view<const token_t, 1>;
  using images = view<const image_place, 1>;

  /// `threads` = 0 takes every core.
  explicit cpu_exec(int threads = 0);
  cpu_exec(const cpu_exec&) = delete;  // models and buffers hold its address
  cpu_exec& operator=(const cpu_exec&) = delete;

  int threads() const { return team_.threads(); }
  /// How many blocks of memory this policy has handed out so far.
  index_t allocations() const { return allocations_; }

  void* allocate(std::size_t bytes);
  void deallocate(void* p, std::size_t bytes) noexcept;
  void upload(void* to, const void* from, std::size_t bytes);
  void download(void* to, const void* from, std::size_t bytes);
  void fill(vector x, double value);
  void copy(vector y, const_vector x);
  void widen(vector y, const_vector x) { copy(y, x); }
  void narrow(vector y, const_vector x) { copy(y, x); }
  void normal(vector x, random_key key, double scale, index_t first = 0);

  void linear(matrix y, const_matrix x, const_matrix w, const_vector b);
  void logits(matrix y, const_matrix x, const_matrix w) { linear(y, x, w, {}); }
  void linear_backward(sink dx, matrix dw, vector db, const_matrix dy, const_matrix x, const_matrix w);
  void convolution(matrix y, const_matrix x, const_matrix w, const_vector b, view<const token_t, 2> taps);
  void convolution_backward(sink dx, matrix dw, vector db, const_matrix dy, const_matrix x, const_matrix w,
                            view<const token_t, 2> taps, view<const token_t, 2> reverse);
  void max_pool(matrix y, const_matrix x, view<const token_t, 2> taps);
  void max_pool_backward(sink dx, const_matrix dy, const_matrix x, view<const token_t, 2> taps,
                         view<const token_t, 2> reverse);
  void embedding(matrix y, const_matrix table, tokens ids);
  void embedding_backward(matrix dtable, const_matrix dy, tokens ids);

  void rms_norm(matrix y, vector inverse_rms, const_matrix x, const_vector w, double epsilon);
  void add_rms_norm(matrix sum, matrix y, vector inverse_rms, const_matrix a, const_matrix b, const_vector w,
                    double epsilon);
  void rms_norm_backward(sink dx, vector dw, const_matrix dy, const_matrix x, const_vector w, const_vector inverse_rms);

  void layer_norm(matrix y, matrix stats, const_matrix x, const_vector w, const_vector b, double epsilon);
  void layer_norm_backward(sink dx, vector dw, vector db, const_matrix dy, const_matrix x, const_vector w,
                           const_matrix stats);

  void group_norm(matrix y, matrix stats, const_matrix x, const_vector w, const_vector b,
                  view<const key_interval, 1> ranges, index_t groups, double epsilon);
  void group_norm_backward(sink dx, vector dw, vector db, const_matrix dy, const_matrix x, const_vector w,
                           const_matrix stats, view<const key_interval, 1> ranges, index_t groups);

  void rope_table(matrix table, view<const token_t, 2> positions, double theta);
  void rope(matrix x, const_matrix table, double direction);
  void attention(matrix o, matrix lse, const_matrix q, const_matrix k, const_matrix v, key_intervals keys,
                 attention_shape shape);
  void attention_backward(sink dq, sink dk, sink dv, const_matrix d_o, const_matrix o, const_matrix lse, const_matrix q,
                          const_matrix k, const_matrix v, key_intervals keys, attention_shape shape);

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
  void timestep_embedding(matrix y, const_vector t, double max_period);
  void gather_rows(matrix y, const_matrix x, tokens rows);
  void gather_rows_backward(sink dx, const_matrix dy, tokens rows);
  void scatter_rows(matrix y, const_matrix x, const_matrix s, tokens rows);
  void write_rows(matrix y, const_matrix s, tokens rows);
  void scatter_rows_backward(sink dx, sink ds, const_matrix dy, tokens rows);

  void patchify(matrix patches, const_vector values, images places, patch_shape patch);
  void unpatchify(vector values, const_matrix patches, images places, patch_shape patch);
  void unpatchify_backward(sink dpatches, const_vector dvalues, images places, patch_shape patch);
  void mix(vector out, const_vector a, const_vector b, const_matrix coefficients, images places);
  void clamp(vector x, double low, double high);
  void match_deviation(vector x, const_vector reference, images places, double strength);
  void dynamic_threshold(vector x, images places, double quantile, double floor);
  void scaled_error(vector out, const_vector error, const_vector a, const_vector b, images places, double absolute,
                    double relative);

  void cross_entropy(vector loss, vector log_z, matrix dx, matrix dw, const_matrix x, const_matrix w, tokens targets,
                     const_vector weights, double z_weight, double smoothing);
  void pointwise_error(error_kind kind, vector loss, sink dprediction, const_vector prediction, const_vector target,
                       images places, const_vector weights);

  void gaussian_sample(matrix z, vector kl, const_matrix moments, const_matrix noise,
                       view<const key_interval, 1> ranges);
  void gaussian_sample_backward(sink dmoments, const_matrix dz, const_matrix moments, const_matrix noise,
                                view<const key_interval, 1> ranges, const_vector weights);
  void nearest_rows(view<token_t, 1> out, const_matrix x, const_matrix table);

  void sample_tokens(view<token_t, 1> out, const_matrix logits, const text_sampling& settings, const_vector u,
                     view<const token_t, 2> forbidden);

  void sum_of_squares(vector out, const_vector x);
  void adamw(vector w, vector m, vector v, vector ema, vector copy, const_vector g, const_vector norm_squared,
             adamw_step step);

 private:
  detail::cpu_team team_;
  index_t allocations_ = 0;
};

static_assert(execution_policy<cpu_exec<float>>);
static_assert(execution_policy<cpu_exec<double>>);

}  // namespace transfusion

// Where the user links transfusion::cpu_kernels, the bodies (and Eigen) stay away; and always from a CUDA compiler.
#if !defined(TRANSFUSION_CPU_PREBUILT) && !defined(__CUDACC__)
#include "transfusion/exec/cpu_impl.hpp"
#endif
