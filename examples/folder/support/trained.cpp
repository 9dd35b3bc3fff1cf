// SPDX-License-Identifier: Apache-2.0
#include "folder/support/trained.hpp"

#include <algorithm>

#include "folder/support/settings.hpp"
#include "folder/support/stored.hpp"
#include "support/device.hpp"

namespace folder {

namespace {

constexpr std::size_t chunk = 64;  // requests at a time: bounds the memory of the cache

std::string text_of(const tf::document& d, const support::vocabulary& words, index_t first_segment) {
  std::string text;
  for (auto i = static_cast<std::size_t>(first_segment); i < d.segments.size(); ++i)
    if (const auto* said = std::get_if<tf::text>(&d.segments[i])) text += words.decode(said->tokens);
  return text;
}

tf::image_shape stored_shape(const tf::safetensors_file& file) {
  settings s;
  take_over(s, stored_text(file, metadata::settings), {});
  return {s.channels, s.size, s.size};
}

}  // namespace

template <class Exec>
trained<Exec>::trained(Exec& e, const std::filesystem::path& checkpoint)
    : trained(e, tf::safetensors_file(checkpoint)) {}

template <class Exec>
trained<Exec>::trained(Exec& e, const tf::safetensors_file& file)
    : words_(stored_vocabulary(file)),
      shape_(stored_shape(file)),
      longest_caption_(stored_number(file, metadata::longest_caption)),
      model_(e, tf::read_config<recipe>(file), 0) {
  tf::load_weights(file, model_);
}

template <class Exec>
std::vector<tf::image> trained<Exec>::draw(const std::vector<std::string>& captions, index_t count,
                                           const drawing& how) const {
  std::vector<tf::generation_request> requests;
  for (const std::string& caption : captions) {
    const tf::text words{words_->encode(caption)};
    for (index_t i = 0; i < count; ++i) requests.push_back({{words}, true, how.seed + static_cast<std::uint64_t>(i)});
  }
  std::vector<tf::image> drawn;
  for (auto& result :
       generate(requests, {.max_tokens = 0, .image = shape_, .image_steps = how.image_steps, .guidance = how.guidance}))
    drawn.push_back(std::get<tf::image>(std::move(result.content.segments.back())));
  return drawn;
}

template <class Exec>
std::vector<std::string> trained<Exec>::describe(const std::vector<tf::image>& pictures, index_t count,
                                                 const writing& how) const {
  std::vector<tf::generation_request> requests;
  for (const tf::image& picture : pictures)
    for (index_t i = 0; i < count; ++i)
      requests.push_back({.prompt = {picture}, .seed = how.seed + static_cast<std::uint64_t>(i)});
  std::vector<std::string> captions;
  for (const auto& result : generate(requests, {.text = how.text, .max_tokens = limit(how), .max_images = 0}))
    captions.push_back(text_of(result.content, *words_, result.prompt_segments));
  return captions;
}

template <class Exec>
std::vector<written_document> trained<Exec>::write(index_t count, const writing& text, const drawing& pictures) const {
  std::vector<tf::generation_request> requests;
  for (index_t i = 0; i < count; ++i)
    requests.push_back({.prompt = {}, .seed = text.seed + static_cast<std::uint64_t>(i)});
  std::vector<written_document> documents;
  for (auto& result : generate(requests, {.text = text.text,
                                         .max_tokens = limit(text) + 1,  // one more, to begin the picture
                                          .image = shape_,
                                         .image_steps = pictures.image_steps,
                                         .guidance = pictures.guidance})) {
    written_document d{text_of(result.content, *words_, 0), {}};
    for (tf::segment& s : result.content.segments)
      if (auto* drawn = std::get_if<tf::image>(&s)) d.pictures.push_back(std::move(*drawn));
    documents.push_back(std::move(d));
  }
  return documents;
}

template <class Exec>
std::vector<tf::generated_document> trained<Exec>::generate(const std::vector<tf::generation_request>& requests,
                                                            const tf::generation_options& options) const {
  tf::generator<model<Exec>> generator(model_, options);
  std::vector<tf::generated_document> results;
  for (std::size_t begin = 0; begin < requests.size(); begin += chunk) {
    const auto first = requests.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto count = static_cast<std::ptrdiff_t>(std::min(chunk, requests.size() - begin));
    for (auto& result : generator({first, first + count})) results.push_back(std::move(result));
  }
  return results;
}

template class trained<support::cpu_policy>;
#if TRANSFUSION_HAS_CUDA
template class trained<support::cuda_policy>;
#endif

}  // namespace folder
