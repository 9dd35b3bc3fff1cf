// SPDX-License-Identifier: Apache-2.0
// Whole training steps of the paper's models: loss, backward, clip and AdamW on 4096 rows.
#include "measure.hpp"
#include "transfusion/metric/flops.hpp"
#include "transfusion/model.hpp"
#include "transfusion/train/adamw.hpp"

using namespace transfusion;

namespace {

using model_type = model<paper, bench::exec_type>;

/// Documents of 1024 rows: words, an image, words, an image, words. bench/twin/model.py lays out the same rows.
std::vector<document> documents(index_t count, const index_t (&words)[3], image_shape shape, index_t vocabulary) {
  std::vector<document> all;
  std::uint32_t number = 0;
  const auto make_text = [&](index_t length) {
    text t;
    const random_key key{7, number++, stream::test};
    for (index_t i = 0; i < length; ++i)
      t.tokens.push_back(static_cast<token_t>(4 + key.below(static_cast<std::uint64_t>(i), vocabulary - 4)));
    return t;
  };
  const auto make_image = [&] {
    image im{shape, std::vector<float>(static_cast<std::size_t>(shape.size()))};
    const random_key key{8, number++, stream::test};
    double four[4] = {};
    for (std::size_t i = 0; i < im.values.size(); ++i) {
      if (i % 4 == 0) normal_block(key, i / 4, four);
      im.values[i] = static_cast<float>(four[i % 4]);
    }
    return im;
  };
  for (index_t i = 0; i < count; ++i) {
    document d;
    d.segments.push_back(make_text(words[0]));
    for (int part = 1; part < 3; ++part) {
      d.segments.push_back(make_image());
      d.segments.push_back(make_text(words[part]));
    }
    all.push_back(std::move(d));
  }
  return all;
}

void train(const bench::settings& s, const std::string& size) {
  bench::exec_type exec;
  model_config<paper> config = paper_config(size);
  if (s.small) config.layers = 2, config.width = 64, config.heads = 2, config.vocabulary = 100;
  model_type m(exec, config, 1);
  adamw<bench::exec_type> optimiser(exec, m.parameters(), {});
  tape<bench::exec_type> tape(exec);
  const packed_batch batch = s.small ? m.pack(documents(2, {3, 4, 5}, {8, 4, 4}, config.vocabulary))
                                     : m.pack(documents(4, {170, 168, 168}, {8, 32, 32}, config.vocabulary));
  noise_plan plan;
  index_t step = 0;
  const auto once = [&](index_t) {
    tape.reset();
    plan = m.plan_noise(batch, {1, static_cast<std::uint32_t>(step), stream::noise}, {}, std::move(plan));
    m.loss(tape, batch, plan);
    tape.backward();
    optimiser.step(step++, 1e-4);
  };
  const auto t = bench::measure(exec, s, once);
  const index_t allocations = exec.allocations();
  once(0);
  exec.synchronize();
  const double rows = static_cast<double>(batch.rows()), flops = training_flops(m, batch);
  const std::string where = "train." + size;
  bench::result(where + ".rows", rows, "rows");
  bench::result(where + ".targets", static_cast<double>(batch.text_targets()), "rows");
  bench::result(where + ".flops", flops * 1e-12, "TFLOP");
  bench::result(where + ".seconds", t.median, "s", t);
  bench::result(where + ".rate", rows / t.median, "tokens/s", t);
  bench::result(where + ".model_flops", flops / t.median * 1e-12, "TFLOP/s", t);
  bench::result(where + ".peak", static_cast<double>(exec.peak_bytes()) * 1e-9, "GB");
  bench::result(where + ".allocations_warm", static_cast<double>(exec.allocations() - allocations), "blocks");
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, [](const bench::settings& s) {
    train(s, "0.16B");
    train(s, "0.76B");
  });
}
