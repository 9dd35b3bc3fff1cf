// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/program.hpp"

#include <cstdio>

#include "emoji/support/coder.hpp"
#include "emoji/support/drawer.hpp"
#include "emoji/support/measure.hpp"
#include "emoji/support/report.hpp"
#include "transfusion/metric/frechet.hpp"
#include "transfusion/metric/psnr.hpp"
#include "transfusion/metric/ranked.hpp"

namespace emoji {

namespace fs = std::filesystem;

namespace {

std::vector<tf::image> pictures_of(const data& d, const std::vector<index_t>& items) {
  std::vector<tf::image> pictures;
  for (index_t i : items) pictures.push_back(d.picture(i));
  return pictures;
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

  /// Of pictures of items.seen, then items.tones, against the font's.
  double frechet(const std::vector<tf::image>& pictures) const {
    const auto statistics = [&](const std::vector<tf::image>& some) {
      tf::frechet_statistics all(classifier_features);
      for (const auto& f : judge.look(some).features) all.add(tf::view<const double, 1>(f.data(), classifier_features));
      return all;
    };
    return tf::frechet_distance(statistics(pictures), statistics(pictures_of(d, joined(items.seen, items.tones))));
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
  if (!own.is_done()) drawer<Recipe, Exec>::train(e, b.c, b.s, own).save(own);
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

}  // namespace

void check_folder(const settings& s) {
  if (s.overwrite)
    for (const char* name : {"classifier", "vae", "latents", "linear", "unet"}) {
      const fs::path file = s.out / (std::string(name) + ".safetensors");
      std::error_code none;
      if (s.vae.empty() || !fs::equivalent(file, s.vae, none)) fs::remove(file);
    }
  s.classifier_stage().is_done();
  const bool has_vae = s.vae.empty() ? s.vae_stage().is_done() : true;
  if (!s.vae.empty()) require_fitting(s.vae, s.latent_channels);
  if (s.vae.empty() && has_vae) require_fitting(s.vae_stage().file, s.latent_channels);
  for (const char* codec : {"linear", "unet"}) {
    if (!s.uses(codec)) continue;
    const stage own = s.drawer_stage(codec);
    tf::require<tf::config_error>(!own.is_done() || has_vae, own.file.string(), ": found without its autoencoder ",
                                  s.vae_stage().file.string(), "; give another --out, or --overwrite to begin anew");
  }
}

template <class Exec>
void run(Exec& e, const settings& s, const std::string& command) {
  const data d;
  const test_items items(d, s.drawn);
  constexpr index_t some_words = 1000;  // how many there are does not matter to what is checked
  if (s.uses("linear")) tf::completed(drawer<linear_recipe, Exec>::sizes(some_words, s));
  if (s.uses("unet")) tf::completed(drawer<unet_recipe, Exec>::sizes(some_words, s));
  check_folder(s);
  fs::create_directories(s.out);
  findings f;
  f.command = command;

  classifier<Exec> judge(e, static_cast<index_t>(d.groups().size()), s.seed);
  const stage first = s.classifier_stage();
  if (!first.is_done()) {
    const auto done = judge.train(d, s.classifier, s.seed);
    judge.save(first);
    done.save(first);
  }
  judge.load(first.file);
  f.classifier = stage_summary::of(first);
  f.accuracy_seen = judge.accuracy(d, items.seen);
  f.accuracy_emoji = judge.accuracy(d, items.emoji);

  const stage second = s.vae_stage();
  if (s.vae.empty() && !second.is_done()) train_coder(e, d, judge, s).save(second);
  const coder<Exec> vae(e, s.vae.empty() ? second.file : s.vae);
  vae.require_channels(s.latent_channels);

  std::vector<index_t> all(d.items().size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<index_t>(i);
  const auto pictures = pictures_of(d, all);
  const auto latents = cached_latents(vae, std::span<const tf::image>(pictures), s.out / "latents.safetensors");
  const corpus c(d, latents);
  const bench<Exec> b{s, d, items, judge, vae, c};
  f.coder = examine_coder(b);
  if (s.uses("linear")) f.drawers.push_back(examine<linear_recipe>(e, b, "linear"));
  if (s.uses("unet")) f.drawers.push_back(examine<unet_recipe>(e, b, "unet"));
  save_report(s, d, items, f);
  std::printf("%s\nPictures and report: %s\n", summary(f).c_str(), s.out.c_str());
}

template void run(support::cpu_policy&, const settings&, const std::string&);
#if TRANSFUSION_HAS_CUDA
template void run(support::cuda_policy&, const settings&, const std::string&);
#endif

}  // namespace emoji
