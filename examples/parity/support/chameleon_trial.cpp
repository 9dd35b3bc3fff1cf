// SPDX-License-Identifier: Apache-2.0
#include "parity/support/trial_impl.hpp"
#include "transfusion/chameleon.hpp"

namespace parity {

template <class Exec>
result run_chameleon(Exec& e, const lab& l, const planned& p, const step_watch& watch) {
  auto config = detail::config_of<tf::chameleon>(p);
  config.codec = {.first = static_cast<tf::token_t>(config.vocabulary), .size = l.set.codes};
  config.vocabulary += l.set.codes;
  return detail::run<tf::chameleon>(e, l, p, config, l.set.chameleon_share * l.set.rate, watch);
}

template result run_chameleon(support::cpu_policy&, const lab&, const planned&, const step_watch&);
#if TRANSFUSION_HAS_CUDA
template result run_chameleon(support::cuda_policy&, const lab&, const planned&, const step_watch&);
#endif

}  // namespace parity
