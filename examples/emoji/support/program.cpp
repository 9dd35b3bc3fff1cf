// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/program.hpp"

#include <cstdio>
#include <numeric>
#include <optional>

#include "emoji/support/coder.hpp"
#include "emoji/support/drawer.hpp"
#include "emoji/support/measure.hpp"
#include "emoji/support/origin.hpp"
#include "transfusion/metric/frechet_bootstrap.hpp"
#include "transfusion/metric/psnr.hpp"
#include "transfusion/metric/ranked.hpp"

namespace emoji {

namespace fs = std::filesystem;

namespace {

constexpr const char* begin_anew = "; give another --out, or --overwrite to begin anew";

std::vector<tf::image> pictures_of(const data& d, const std::vector<index_t>& items) {
  std::vector<tf::image> pictures;
  for (index_t i : items) pictures.push_back(d.picture(i));
  return pictures;
}

std::vector<index_t> numbers_below(index_t count) {
  std::vector<index_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), index_t{0});
  return all;
}

template <class T>
std::vector<T> joined(std::vector<T> a, const std::vector<T>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

double mean_psnr(const std::vector<tf::image>& found, const std::vector<tf::image>& wanted) {
  double sum = 0;
  for (std::size_t i = 0; i < found.size(); ++i) sum += tf::psnr(found[i], wanted[i]);
  return sum / static_cast<double>(found.size());
}

/// What the stages share once the autoencoder is there.
template <class Exec>
struct bench {
  const settings& s;
  const data& d;
  const test_items& items;
  const classifier<Exec>& judge;
  const coder<Exec>& vae;
  const corpus& c;

  /// Of pictures of items.seen, then items.tones, against the font's. A picture's reference goes with it when names are
  /// drawn for the standard error.
  tf::frechet_result frechet(const std::vector<tf::image>& pictures) const {
    const auto ours = judge.look(pictures).features;
    const auto fonts = judge.look(pictures_of(d, joined(items.seen, items.tones))).features;
    const auto distance = [&](const std::vector<index_t>& chosen) {
      return tf::frechet_distance(tf::frechet_statistics_of(fonts, chosen), tf::frechet_statistics_of(ours, chosen));
    };
    const auto found = tf::bootstrap(static_cast<index_t>(ours.size()), distance, {.resamples = 200});
    return {found.value, found.standard_error};
  }

  std::vector<tf::image> rebuilt(const std::vector<index_t>& numbers) const {
    std::vector<tf::image> latents;
    for (index_t i : numbers) latents.push_back(c.latent(i));
    return decoded(vae, latents);
  }

  template <class Drawer>
  tf::bootstrap_result ranked(const Drawer& m, const std::vector<index_t>& shown) const {
    std::vector<tf::ranked_item> questions;
    std::vector<index_t> pictures, names;
    for (index_t i : shown)
      for (index_t name : ten_names(d, i, s.seed)) {
        pictures.push_back(i);
        names.push_back(name);
      }
    const auto likelihoods = m.log_likelihoods(pictures, names);
    for (std::size_t n = 0; n < names.size(); ++n) {
      if (n == 0 || pictures[n] != pictures[n - 1]) questions.push_back({{}, 0});
      questions.back().options.push_back({likelihoods[n], static_cast<index_t>(c.name(names[n]).tokens.size())});
    }
    return tf::bootstrap_mean(tf::ranked_accuracy(questions).right);
  }

  /// A document for the eye.
  std::vector<support::document_part> parts_of(const tf::document& document) const {
    std::vector<support::document_part> parts;
    for (const tf::segment& segment : document.segments)
      if (const auto* t = std::get_if<tf::text>(&segment))
        parts.emplace_back(c.words().decode(t->tokens));
      else {
        const tf::image picture = vae.decode(std::get<tf::image>(segment));
        parts.emplace_back(support::grid_cell{picture.values, picture.shape});
      }
    return parts;
  }
};

/// The training item of this name, or the first.
index_t named(const data& d, const std::string& name) {
  for (index_t i : d.training())
    if (d.at(i).name == name) return i;
  return d.training().front();
}

template <class Recipe, class Exec>
drawer_findings examine(Exec& e, const bench<Exec>& b, const std::string& codec) {
  const stage own = b.s.drawer_stage(codec);
  if (!own.is_done()) drawer<Recipe, Exec>::train(e, b.c, origin::of(b.vae, b.c.words()), b.s, own);
  const drawer<Recipe, Exec> m(e, b.c, own, b.s.draws);
  drawer_findings f;
  f.codec = codec;
  f.training = stage_summary::of(own);
  f.ranked_seen = b.ranked(m, b.items.seen);
  f.ranked_tones = b.ranked(m, b.items.tones);
  f.ranked_emoji = b.ranked(m, b.items.emoji);
  f.seen = decoded(b.vae, m.draw(b.items.seen));
  f.tones = decoded(b.vae, m.draw(b.items.tones));
  f.frechet = b.frechet(joined(f.seen, f.tones));
  f.tone = tf::bootstrap_mean(tones_right(b.d, b.items.tones, f.tones));
  for (std::size_t n = 0; n < 6; ++n) f.named.push_back(b.items.seen[n * b.items.seen.size() / 6]);
  for (std::size_t n = 0; n < 4; ++n) f.named.push_back(b.items.tones[n * b.items.tones.size() / 4]);
  f.names = m.names(f.named);

  const tf::document given = b.c.sentence(named(b.d, "pizza"), named(b.d, "red apple"), false);
  for (const auto& ended : m.go_on({given}, 0, 0)) f.read = b.parts_of(ended);
  std::vector<tf::document> begun;
  for (const char* words : {"i ate", "i saw", "i bought"}) begun.push_back({b.c.text(words)});
  for (const auto& ended : m.go_on(begun, 2, 0.7)) f.told = joined(f.told, b.parts_of(ended));
  return f;
}

template <class Exec>
coder_findings examine_coder(const bench<Exec>& b) {
  coder_findings f;
  if (b.s.vae.empty()) f.training = stage_summary::of(b.s.vae_stage());
  f.scale = *b.vae.scale();
  const auto seen = b.rebuilt(b.items.seen);
  f.emoji = b.rebuilt(b.items.emoji);
  f.tones = b.rebuilt(b.items.tones);
  f.psnr_seen = mean_psnr(seen, pictures_of(b.d, b.items.seen));
  f.psnr_emoji = mean_psnr(f.emoji, pictures_of(b.d, b.items.emoji));
  f.psnr_tones = mean_psnr(f.tones, pictures_of(b.d, b.items.tones));
  f.frechet = b.frechet(joined(seen, f.tones));
  f.tone = tf::bootstrap_mean(tones_right(b.d, b.items.tones, f.tones));
  std::printf("autoencoder: PSNR %.1f dB on held-out emoji, %.1f dB on held-out combinations\n", f.psnr_emoji,
              f.psnr_tones);
  return f;
}

/// The stage's file, or what its training has left where it was broken off; empty where there is neither.
fs::path found_of(const stage& s) {
  if (s.is_done()) return s.file;
  return s.is_begun() ? s.part() : fs::path();
}

}  // namespace

void check_folder(const settings& s, const data& d) {
  if (s.overwrite)
    for (const char* name : {"classifier", "vae", "latents", "linear", "unet"}) {
      const fs::path file = s.out / (std::string(name) + ".safetensors");
      fs::remove(fs::path(file).replace_extension("part"));
      std::error_code none;
      if (s.vae.empty() || !fs::equivalent(file, s.vae, none)) fs::remove(file);
    }
  found_of(s.classifier_stage());
  const bool trains_vae = s.vae.empty();
  const fs::path vae_file = trains_vae ? s.vae_stage().file : s.vae;
  if (trains_vae && found_of(s.vae_stage()) == s.vae_stage().part())
    tf::require<tf::config_error>(s.classifier_stage().is_done(), s.vae_stage().part().string(),
                                  ": found without its classifier ", s.classifier_stage().file.string(), begin_anew);
  const bool has_vae = fs::exists(vae_file);
  if (has_vae) require_fitting(vae_file, s.latent_channels);
  std::optional<origin> expected;
  for (const char* codec : {"linear", "unet"}) {
    if (!s.uses(codec)) continue;
    const stage own = s.drawer_stage(codec);
    const fs::path model = found_of(own);
    if (model.empty()) continue;
    tf::require<tf::config_error>(has_vae, model.string(), ": found without its autoencoder ", vae_file.string(),
                                  begin_anew);
    if (!expected) {
      support::cpu_policy e(1);
      expected = origin::of(coder<support::cpu_policy>(e, vae_file), vocabulary_of(d));
    }
    expected->require_of(model, vae_file);
  }
}

template <class Exec>
findings run(Exec& e, const data& d, const settings& s, const std::string& command) {
  const test_items items(d, s.drawn);
  constexpr index_t some_words = 1000;  // how many there are does not matter to what is checked
  if (s.uses("linear")) tf::completed(drawer<linear_recipe, Exec>::sizes(some_words, s));
  if (s.uses("unet")) tf::completed(drawer<unet_recipe, Exec>::sizes(some_words, s));
  check_folder(s, d);
  fs::create_directories(s.out);
  findings f;
  f.command = command;

  classifier<Exec> judge(e, static_cast<index_t>(d.groups().size()), s.seed);
  const stage first = s.classifier_stage();
  if (!first.is_done()) judge.train(d, s);
  judge.load(first.file);
  fs::remove(first.part());
  f.classifier = stage_summary::of(first);
  f.accuracy_seen = judge.accuracy(d, items.seen);
  f.accuracy_emoji = judge.accuracy(d, items.emoji);

  const stage second = s.vae_stage();
  if (s.vae.empty() && !second.is_done()) train_coder(e, d, judge, s);
  const coder<Exec> vae(e, s.vae.empty() ? second.file : s.vae);
  vae.require_channels(s.latent_channels);
  if (s.vae.empty()) fs::remove(second.part());

  const auto pictures = pictures_of(d, numbers_below(static_cast<index_t>(d.items().size())));
  const auto latents = cached_latents(vae, std::span<const tf::image>(pictures), s.out / "latents.safetensors");
  const corpus c(d, latents);
  const bench<Exec> b{s, d, items, judge, vae, c};
  f.coder = examine_coder(b);
  if (s.uses("linear")) f.drawers.push_back(examine<linear_recipe>(e, b, "linear"));
  if (s.uses("unet")) f.drawers.push_back(examine<unet_recipe>(e, b, "unet"));
  save_report(s, d, items, f);
  std::printf("%s\nPictures and report: %s\n", summary(f).c_str(), s.out.c_str());
  return f;
}

template findings run(support::cpu_policy&, const data&, const settings&, const std::string&);
#if TRANSFUSION_HAS_CUDA
template findings run(support::cuda_policy&, const data&, const settings&, const std::string&);
#endif

}  // namespace emoji
