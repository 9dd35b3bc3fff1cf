// SPDX-License-Identifier: Apache-2.0
#include "parity/support/trial_impl.hpp"

namespace parity {

/// Latents one by one: 64 rows a scene, as Chameleon has codes.
template <class Exec>
result run_transfusion(Exec& e, const lab& l, const planned& p, const step_watch& watch) {
  auto config = detail::config_of<scenes::recipe>(p);
  config.codec.channels = l.set.latent_channels;
  config.codec.patch = 1;
  return detail::run<scenes::recipe>(e, l, p, config, l.set.rate, watch);
}

template result run_transfusion(support::cpu_policy&, const lab&, const planned&, const step_watch&);
#if TRANSFUSION_HAS_CUDA
template result run_transfusion(support::cuda_policy&, const lab&, const planned&, const step_watch&);
#endif

}  // namespace parity
