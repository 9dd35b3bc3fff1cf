// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/core/error.hpp"
#include "transfusion/core/view.hpp"
#include "transfusion/metric/eigen.hpp"

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
  /// What `count` samples left elsewhere: their mean [F] and their scatter [F, F], which is (count - 1) times the
  /// unbiased covariance. Throws config_error on a count below 1 or a scatter that no samples have, shape_error where
  /// the extents differ, numeric_error on a value that is not finite.
  static frechet_statistics of(index_t count, const Eigen::VectorXd& mean, const Eigen::MatrixXd& scatter) {
    frechet_statistics s(mean.size());
    require<config_error>(count > 0, "frechet_statistics: samples: found ", count, ", expected > 0");
    require_extent("frechet_statistics: rows of the scatter", scatter.rows(), s.width_);
    require_extent("frechet_statistics: columns of the scatter", scatter.cols(), s.width_);
    require<numeric_error>(mean.allFinite() && scatter.allFinite(),
                           "frechet_statistics: found a mean or scatter that is not finite");
    const double skew = (scatter - scatter.transpose()).cwiseAbs().maxCoeff();
    require<config_error>(skew <= 1e-6 * scatter.cwiseAbs().maxCoeff(), "frechet_statistics: scatter: found ", skew,
                          " between mirrored elements, expected a symmetric one");
    require<config_error>(scatter.diagonal().minCoeff() >= 0, "frechet_statistics: scatter: found ",
                          scatter.diagonal().minCoeff(), " on the diagonal, expected >= 0");
    require<config_error>(count > 1 || scatter.isZero(0), "frechet_statistics: scatter of one sample: found ",
                          scatter.cwiseAbs().maxCoeff(), ", expected 0");
    s.count_ = count;
    s.mean_ = mean;
    s.scatter_ = scatter;
    return s;
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
  /// Adds the rows of [N, F]. Throws as for one of them; nothing is added then.
  template <class T>
  void add(view<const T, 2> features) {
    require_extent("frechet_statistics: width of the features", features.cols(), width_);
    for (index_t n = 0; n < features.rows(); ++n)
      require<numeric_error>(
          std::all_of(features.row(n), features.row(n) + width_, [](T v) { return std::isfinite(v); }),
          "frechet_statistics: row ", n, ": found a feature that is not finite");
    for (index_t n = 0; n < features.rows(); ++n) add(view<const T, 1>(features.row(n), features.cols()));
  }
  /// Adds the samples that another set has seen (Chan, Golub & LeVeque 1979): parts may be counted side by side. Throws
  /// shape_error on another width.
  void merge(const frechet_statistics& other) {
    require_extent("frechet_statistics: width of the other features", other.width_, width_);
    if (other.count_ == 0) return;
    const double ours = static_cast<double>(count_), theirs = static_cast<double>(other.count_);
    const Eigen::VectorXd apart = other.mean_ - mean_;
    scatter_ += other.scatter_;
    scatter_.noalias() += (ours * theirs / (ours + theirs) * apart) * apart.transpose();
    mean_ += theirs / (ours + theirs) * apart;
    count_ += other.count_;
  }

  index_t width() const { return width_; }
  index_t count() const { return count_; }
  const Eigen::VectorXd& mean() const { return mean_; }
  /// Σ (x - mean)(x - mean)ᵀ [F, F], symmetric but for rounding.
  const Eigen::MatrixXd& scatter() const { return scatter_; }
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

/// Those of a covariance: rounding leaves some just below 0, more does not.
inline Eigen::VectorXd eigenvalues_above_zero(const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>& solver) {
  require<numeric_error>(solver.info() == Eigen::Success,
                         "frechet_distance: the eigenvalues of a covariance did not converge");
  const double least = solver.eigenvalues().minCoeff(), most = solver.eigenvalues().cwiseAbs().maxCoeff();
  require<numeric_error>(least >= -1e-6 * most, "frechet_distance: found an eigenvalue of ", least, " beside ", most,
                         ", expected a covariance, whose eigenvalues are not negative");
  return solver.eigenvalues().cwiseMax(0.0);
}

}  // namespace detail

/// ‖μa - μb‖² + Tr(Σa + Σb - 2 (Σa Σb)^{1/2}), the squared Fréchet distance of two normal distributions (Dowson &
/// Landau 1982), which Heusel et al. 2017 call FID. (Σa Σb)^{1/2} has the trace of (√Σa Σb √Σa)^{1/2}, which is
/// symmetric. Throws shape_error on different widths, config_error where either has fewer than two samples,
/// numeric_error where a scatter given to `of` is that of no samples, or a number is too large for a double.
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
  const double squared = (a.mean() - b.mean()).squaredNorm() + first.trace() + second.trace() - 2 * cross;
  require<numeric_error>(std::isfinite(squared), "frechet_distance: found ", squared, ", expected a finite number");
  return std::max(0.0, squared);
}

}  // namespace transfusion
