// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

// g++ 12 warns of its own AVX-512 intrinsics once they are inlined into Eigen.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "transfusion/core/error.hpp"
#include "transfusion/core/view.hpp"

namespace transfusion {

/// Mean and covariance of feature vectors that arrive one by one, in double (Welford 1962: no cancellation).
class frechet_statistics {
 public:
  /// Throws config_error on a width below 1.
  explicit frechet_statistics(index_t width) : width_(width) {
    require<config_error>(width > 0, "frechet_statistics: width: found ", width, ", expected > 0");
    mean_ = Eigen::VectorXd::Zero(width);
    scatter_ = Eigen::MatrixXd::Zero(width, width);
  }

  /// Adds one vector [F] that lies on the host. Throws shape_error on another width, numeric_error on a value that is
  /// not finite; nothing is added then.
  template <class T>
  void add(view<const T, 1> features) {
    require_extent("frechet_statistics: width of the features", features.size(), width_);
    const Eigen::VectorXd x =
        Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(features.data, width_).template cast<double>();
    require<numeric_error>(x.allFinite(), "frechet_statistics: sample ", count_,
                           ": found a feature that is not finite");
    ++count_;
    const Eigen::VectorXd before = x - mean_;
    mean_ += before / static_cast<double>(count_);
    scatter_.noalias() += before * (x - mean_).transpose();
  }
  /// Adds the rows of [N, F].
  template <class T>
  void add(view<const T, 2> features) {
    for (index_t n = 0; n < features.rows(); ++n) add(view<const T, 1>(features.row(n), features.cols()));
  }

  index_t width() const { return width_; }
  index_t count() const { return count_; }
  const Eigen::VectorXd& mean() const { return mean_; }
  /// The unbiased covariance [F, F]. Throws config_error below two samples.
  Eigen::MatrixXd covariance() const {
    require<config_error>(count_ > 1, "frechet_statistics: found ", count_, " samples, expected 2 at least");
    return (scatter_ + scatter_.transpose()) / (2 * static_cast<double>(count_ - 1));
  }

 private:
  index_t width_;
  index_t count_ = 0;
  Eigen::VectorXd mean_;
  Eigen::MatrixXd scatter_;
};

namespace detail {

inline Eigen::VectorXd eigenvalues_above_zero(const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>& solver) {
  require<numeric_error>(solver.info() == Eigen::Success,
                         "frechet_distance: the eigenvalues of a covariance did not converge");
  return solver.eigenvalues().cwiseMax(0.0);  // rounding leaves some just below
}

}  // namespace detail

/// ‖μa - μb‖² + Tr(Σa + Σb - 2 (Σa Σb)^{1/2}), the squared Fréchet distance of two normal distributions (Dowson &
/// Landau 1982), which Heusel et al. 2017 call FID. (Σa Σb)^{1/2} has the trace of (√Σa Σb √Σa)^{1/2}, which is
/// symmetric. Throws shape_error on different widths, config_error where either has fewer than two samples.
inline double frechet_distance(const frechet_statistics& a, const frechet_statistics& b) {
  require_extent("frechet_distance: width of the second features", b.width(), a.width());
  const Eigen::MatrixXd first = a.covariance(), second = b.covariance();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> of_first(first);
  const Eigen::VectorXd spread = detail::eigenvalues_above_zero(of_first).cwiseSqrt();
  const Eigen::MatrixXd root = of_first.eigenvectors() * spread.asDiagonal() * of_first.eigenvectors().transpose();
  const Eigen::MatrixXd inner = root * second * root;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> of_inner(0.5 * (inner + inner.transpose()),
                                                                Eigen::EigenvaluesOnly);
  const double cross = detail::eigenvalues_above_zero(of_inner).cwiseSqrt().sum();
  return std::fmax(0.0, (a.mean() - b.mean()).squaredNorm() + first.trace() + second.trace() - 2 * cross);
}

}  // namespace transfusion
