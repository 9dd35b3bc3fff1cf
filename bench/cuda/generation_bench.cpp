// SPDX-License-Identifier: Apache-2.0
// Text for one prompt token by token, and one guided image.
#include "measure.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/model.hpp"

using namespace transfusion;

namespace {

using model_type = model<paper, bench::exec_type>;

model_config<paper> sizes(const bench::settings& s, const std::string& size) {
  model_config<paper> c = paper_config(size);
  c.markers.eos = ignored;  // a model that has learnt nothing must not stop
  if (s.small) c.layers = 2, c.width = 64, c.heads = 2, c.vocabulary = 100;
  return c;
}

text words(index_t count, index_t vocabulary) {
  text t;
  const random_key key{7, 0, stream::test};
  for (index_t i = 0; i < count; ++i)
    t.tokens.push_back(static_cast<token_t>(4 + key.below(static_cast<std::uint64_t>(i), vocabulary - 4)));
  return t;
}

/// Median seconds of one call of `f` that ends with its results on the host.
template <class F>
bench::timing call(const bench::settings& s, int repeats, const F& f) {
  std::vector<double> seconds;
  if (!s.small) f();
  for (int i = 0; i < (s.small ? 1 : repeats); ++i) {
    const double start = bench::now();
    f();
    seconds.push_back(bench::now() - start);
  }
  return bench::summary(seconds);
}

/// Seconds a token: a long text less a short one, so that the prompt's own pass is left out. A token reads every weight
/// but the embedding, and the cache so far.
void decode(const bench::settings& s, const std::string& size) {
  bench::exec_type exec;
  const auto config = sizes(s, size);
  model_type m(exec, config, 1);
  const index_t prompt = 64, few = s.extent(16, 1), many = s.extent(16 + 256, 3);
  const auto text_of = [&](index_t tokens) {
    generator<model_type> generate(m, {.max_tokens = tokens, .max_images = 0});
    const std::vector<generation_request> request{{{words(prompt, config.vocabulary)}, false, 1}};
    return call(s, 20, [&] { generate(request); });
  };
  const auto short_text = text_of(few), long_text = text_of(many);
  const double seconds = (long_text.median - short_text.median) / static_cast<double>(many - few);
  const double weights = static_cast<double>(m.parameters().count() - m.parameters().count("embedding"));
  const double rows = static_cast<double>(prompt) + 0.5 * static_cast<double>(few + many);
  const double bytes = 2 * (weights + 2 * static_cast<double>(config.layers * config.width) * rows);
  bench::result("decode." + size + ".rate", 1 / seconds, "tokens/s", long_text);
  bench::result("decode." + size + ".bytes", bytes / seconds * 1e-9, "GB/s");
}

/// One image of 256 patches after 1024 words, 250 steps, guided; the prefix's own pass is part of it.
void guided_image(const bench::settings& s, const std::string& size) {
  bench::exec_type exec;
  const auto config = sizes(s, size);
  model_type m(exec, config, 1);
  const image_shape shape = s.small ? image_shape{8, 4, 4} : image_shape{8, 32, 32};
  generator<model_type> generate(
      m, {.max_tokens = 0, .image = shape, .image_steps = static_cast<int>(s.extent(250, 3)), .guidance = 3});
  const std::vector<generation_request> request{{{words(s.extent(1024, 12), config.vocabulary)}, true, 1}};
  const auto t = call(s, 20, [&] { generate(request); });
  bench::result("image." + size + ".seconds", t.median, "s", t);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, [](const bench::settings& s) {
    decode(s, "0.76B");
    decode(s, "0.16B");
    guided_image(s, "0.16B");
  });
}
