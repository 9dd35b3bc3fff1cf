// SPDX-License-Identifier: Apache-2.0
// A mask, a noise schedule and a codec that a user wrote, put together to a variant and trained beside the paper's.
// No file of the library was touched, and no backward pass was written.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <transfusion/model.hpp>

#include "own_policy/support/toy.hpp"

namespace mine {

namespace tf = transfusion;
using tf::index_t;

/// A word sees itself and the four rows before it, an image itself and the four rows before its first patch. An image
/// that is seen in part is seen whole.
struct few_words {
  static constexpr index_t window = 4;

  tf::key_interval keys(index_t q, const tf::span_table& table) const {
    const index_t first = std::max(table.document_begin(q), table.span_begin(q) - window);
    return tf::key_interval::of(table.span_begin(first), table.span_end(q));
  }
};

/// The noise grows evenly, b = t, and the signal is what it leaves, a = √(1 − t²). Where nothing but noise is left (t =
/// 1) a prediction of ε would say nothing about the picture: this schedule wants the target v, data or velocity.
struct even_noise {
  double noise(double t) const { return t; }
  double signal(double t) const { return std::sqrt(1 - t * t); }
};

/// Patches go through a hidden layer on the way in and on the way out: linear → SiLU → linear.
struct deep_patch {
  struct options {
    index_t channels = 1;
    index_t patch = 4;
    index_t hidden = 64;

    /// How the options get into checkpoints and back.
    template <class Self, class Visit>
    static void visit_fields(Self& o, Visit visit) {
      visit("channels", o.channels);
      visit("patch", o.patch);
      visit("hidden", o.hidden);
    }
  };

  static tf::patch_grid grid(tf::image_shape shape, const options& o) {
    tf::require_extent("image channels", shape.channels, o.channels);
    tf::require<tf::shape_error>(shape.height % o.patch == 0 && shape.width % o.patch == 0, "image of ", shape.height,
                                 " x ", shape.width, ": expected multiples of the patch size ", o.patch);
    return {shape.height / o.patch, shape.width / o.patch};
  }

  template <class Exec>
  struct layer {
    options sizes;
    tf::layer::linear<Exec> in_hidden, in, out_hidden, out;
    tf::layer::timestep_mlp<Exec> time;

    layer(tf::parameter_set<Exec>& set, const std::string& name, const options& o, index_t width)
        : sizes(o),
          in_hidden(set, name + ".in_hidden", values(), o.hidden, tf::bias::on,
                    tf::initial_value::keeping_size(values())),
          in(set, name + ".in", o.hidden, width, tf::bias::on, tf::initial_value::keeping_size(o.hidden)),
          out_hidden(set, name + ".out_hidden", width, o.hidden, tf::bias::on, tf::initial_value::keeping_size(width)),
          out(set, name + ".out", o.hidden, values(), tf::bias::on, tf::initial_value::zeros()),
          time(set, name + ".time", width, width) {}

    tf::encoded_images<Exec, tf::no_skip> encode(tf::tape<Exec>& tape, const tf::image_batch<Exec>& x) const {
      auto patches = patchify(tape, x.values, x.places, x.patches(), window(), sizes.channels);
      auto rows = in(tape, silu(tape, in_hidden(tape, patches)));
      return {add(tape, rows, gather_rows(tape, time(tape, x.times), x.image_of_patch)), {}};
    }
    tf::var<Exec> decode(tf::tape<Exec>& tape, tf::var<Exec> rows, tf::no_skip, const tf::image_batch<Exec>& x) const {
      return unpatchify(tape, out(tape, silu(tape, out_hidden(tape, rows))), x.places, window(), x.values.size());
    }

   private:
    tf::patch_shape window() const { return {sizes.patch, sizes.patch}; }
    index_t values() const { return sizes.channels * sizes.patch * sizes.patch; }
  };
};

/// The paper's recipe with the target v: drawing from ε alone takes longer to learn than these seconds.
struct papers : tf::paper {
  using target = tf::target::v;
};

/// The same with the three policies above.
struct recipe : papers {
  using mask = few_words;
  using schedule = even_noise;
  using codec = deep_patch;
};

/// An ablation is one line.
struct recipe_with_papers_mask : recipe {
  using mask = tf::mask::intra_image;
};

// The library checks what it asks of a policy; a wrong signature is one line of error instead of pages.
static_assert(tf::attention_mask<few_words> && tf::noise_schedule<even_noise>);
static_assert(tf::modality_codec<deep_patch, tf::cpu_exec<float>> && tf::variant<recipe>);

/// One variant's model in training.
template <tf::variant Variant>
struct contestant {
  using model_type = tf::model<Variant, tf::cpu_exec<float>>;
  static constexpr index_t steps = 1200;

  std::string name;
  model_type model;
  tf::trainer<model_type> trainer;

  contestant(tf::cpu_exec<float>& exec, std::string its_name)
      : name(std::move(its_name)),
        model(exec, sizes(), 1),
        trainer(model, {.steps = steps, .peak_rate = 3e-3, .last_rate = 1e-4, .warmup = 20}) {}

  static tf::model_config<Variant> sizes() {
    tf::model_config<Variant> c{.layers = 2, .width = 64, .heads = 2, .vocabulary = toy::vocabulary};
    c.codec.patch = 4;
    return c;
  }
};

/// Trains all contestants on the same documents, `stride` steps at a time, and prints their losses side by side.
/// Whether every one has learnt: half of the pictures and captions right, where a guess is a quarter.
template <class... Contestant>
bool race(Contestant&... c) {
  constexpr index_t stride = 100, steps = contestant<papers>::steps;
  std::printf("%6s", "");
  (std::printf("   %-20s", c.name.c_str()), ...);
  std::printf("\n%6s", "step");
  for (std::size_t i = 0; i < sizeof...(c); ++i) std::printf("   %-9s %-10s", "text", "image");
  std::printf("\n");
  const auto advance = [](auto& one, index_t until) {
    double text = 0, image = 0;
    while (one.trainer.next_step() < until) {
      const auto report = one.trainer.step(toy::documents(one.trainer.next_step()));
      text += report.losses[0] / stride;
      image += report.losses[1] / stride;
    }
    std::printf("   %-9.4f %-10.4f", text, image);
  };
  for (index_t until = stride; until <= steps; until += stride) {
    std::printf("%6lld", static_cast<long long>(until));
    (advance(c, until), ...);
    std::printf("\n");
  }
  std::printf("\nImage losses of different schedules answer different questions; what the models can do does not:\n");
  const auto learnt = [](auto& one) {
    const int drawn = toy::drawn_rightly(one.model, 16), captioned = toy::captioned_rightly(one.model);
    std::printf("  %-20s %2d of 16 pictures drawn as asked, %d of 8 captioned rightly\n", one.name.c_str(), drawn,
                captioned);
    return drawn >= 8 && captioned >= 4;
  };
  const std::array all{learnt(c)...};
  return std::find(all.begin(), all.end(), false) == all.end();
}

}  // namespace mine

int main() {
  try {
    mine::tf::cpu_exec<float> exec(1);  // one thread: so small a model gains nothing from more
    mine::contestant<mine::papers> paper(exec, "tf::paper with v");
    mine::contestant<mine::recipe> own(exec, "own");
    mine::contestant<mine::recipe_with_papers_mask> ablated(exec, "own, paper's mask");
    return mine::race(paper, own, ablated) ? 0 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "own_policy: %s\n", fault.what());
    return 1;
  }
}
