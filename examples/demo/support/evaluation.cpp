// SPDX-License-Identifier: Apache-2.0
#include "demo/support/evaluation.hpp"

#include <algorithm>

#include "support/device.hpp"
#include "transfusion/metric/frechet_bootstrap.hpp"
#include "transfusion/metric/likelihood.hpp"

namespace fashion {

namespace {

constexpr index_t chunk = 320;  // pictures at a time: bounds the memory of the cache

std::vector<tf::document> ranked_documents(const data& d, index_t begin, index_t end) {
  std::vector<tf::document> documents;
  for (index_t i = begin; i < end; ++i)
    for (index_t label = 0; label < classes; ++label) documents.push_back({d.picture(d.test(), i), d.words(label)});
  return documents;
}

}  // namespace

template <class Exec>
std::vector<std::string> greedy_captions(model<Exec>& m, const std::vector<tf::image>& pictures) {
  const auto words = vocabulary();
  tf::generator<model<Exec>> generate(m, {.max_tokens = 8, .max_images = 0});
  std::vector<std::string> captions;
  for (std::size_t begin = 0; begin < pictures.size(); begin += chunk) {
    std::vector<tf::generation_request> requests;
    for (std::size_t i = begin; i < std::min(begin + chunk, pictures.size()); ++i)
      requests.push_back({.prompt = {pictures[i]}});
    for (const auto& result : generate(requests)) {
      const auto* said = std::get_if<tf::text>(&result.content.segments.back());
      captions.push_back(said ? words.decode(said->tokens) : std::string());
    }
  }
  return captions;
}

template <class Exec>
caption_accuracy measure_captions(model<Exec>& m, const data& d, index_t pictures) {
  caption_accuracy result;
  result.pictures = std::min(pictures, d.test().count);
  std::vector<tf::image> shown;
  for (index_t i = 0; i < result.pictures; ++i) shown.push_back(d.picture(d.test(), i));
  const auto captions = greedy_captions(m, shown);
  std::vector<double> greedy, ranked;
  for (index_t begin = 0; begin < result.pictures; begin += chunk) {
    const index_t end = std::min(begin + chunk, result.pictures);
    const auto likelihoods = tf::text_log_likelihood(m, ranked_documents(d, begin, end));
    for (index_t i = begin; i < end; ++i) {
      const auto first = likelihoods.begin() + (i - begin) * classes;
      ranked.push_back(std::max_element(first, first + classes) - first == d.test().label(i) ? 1 : 0);
      greedy.push_back(captions[static_cast<std::size_t>(i)] == caption(d.test().label(i)) ? 1 : 0);
    }
  }
  result.greedy = tf::bootstrap_mean(greedy);
  result.ranked = tf::bootstrap_mean(ranked);
  return result;
}

template <class Exec>
std::vector<tf::image> draw_classes(model<Exec>& m, const data& d, index_t each, const drawing& how) {
  tf::generator<model<Exec>> generate(
      m, {.max_tokens = 0, .image = picture_shape, .image_steps = how.steps, .guidance = how.guidance});
  tf::progress bar("draw", classes * each);
  std::vector<tf::image> drawn;
  std::vector<tf::generation_request> requests;
  const auto flush = [&] {
    for (auto& result : generate(requests))
      drawn.push_back(std::get<tf::image>(std::move(result.content.segments.back())));
    requests.clear();
    bar.update(static_cast<index_t>(drawn.size()), "");
  };
  for (index_t label = 0; label < classes; ++label)
    for (index_t i = 0; i < each; ++i) {
      requests.push_back({{d.words(label)}, true, how.seed * 1000003 + static_cast<std::uint64_t>(label * each + i)});
      if (static_cast<index_t>(requests.size()) == chunk) flush();
    }
  if (!requests.empty()) flush();
  return drawn;
}

picture_quality measure_pictures(judge& j, const data& d, const std::vector<tf::image>& drawn) {
  picture_quality q;
  q.pictures = static_cast<index_t>(drawn.size());
  std::vector<float> values;
  for (const tf::image& im : drawn) values.insert(values.end(), im.values.begin(), im.values.end());
  const auto opinion = j.look(values);
  const index_t each = q.pictures / classes;
  q.judged.assign(static_cast<std::size_t>(classes), 0);
  std::vector<double> right;
  for (index_t i = 0; i < q.pictures; ++i) {
    right.push_back(opinion.labels[static_cast<std::size_t>(i)] == i / each ? 1 : 0);
    q.judged[static_cast<std::size_t>(i / each)] += right.back() / static_cast<double>(each);
  }
  q.judged_all = tf::bootstrap_mean(right);
  tf::frechet_statistics of_test(judge::features);
  for (index_t begin = 0; begin < d.test().count; begin += 1000)
    of_test.merge(tf::frechet_statistics_of(
        j.look(pictures_of(d.test(), begin, std::min(begin + 1000, d.test().count))).features));
  q.frechet = tf::bootstrap_frechet(opinion.features, of_test);
  q.frechet_real = tf::bootstrap_frechet(j.look(pictures_of(d.train(), 0, q.pictures)).features, of_test);
  q.judge_accuracy = accuracy(j, d.test());
  return q;
}

template std::vector<std::string> greedy_captions(model<support::cpu_policy>&, const std::vector<tf::image>&);
template caption_accuracy measure_captions(model<support::cpu_policy>&, const data&, index_t);
template std::vector<tf::image> draw_classes(model<support::cpu_policy>&, const data&, index_t, const drawing&);
#if TRANSFUSION_HAS_CUDA
template std::vector<std::string> greedy_captions(model<support::cuda_policy>&, const std::vector<tf::image>&);
template caption_accuracy measure_captions(model<support::cuda_policy>&, const data&, index_t);
template std::vector<tf::image> draw_classes(model<support::cuda_policy>&, const data&, index_t, const drawing&);
#endif

}  // namespace fashion
