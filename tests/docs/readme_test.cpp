// SPDX-License-Identifier: Apache-2.0
// The programs of README.md, compiled and run. tests/docs/snippets_test.cpp compares the text.
#define BOOST_TEST_MODULE docs_readme
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#define main readme_main  // the snippet is a whole program
// snippet: readme program
#include <cstdio>
#include <numeric>
#include <transfusion/generate.hpp>
#include <transfusion/train.hpp>

namespace tf = transfusion;

constexpr tf::token_t bright = 4, dark = 5;  // 0 to 3 are the markers BOS, EOS, BOI, EOI
constexpr tf::image_shape size{.channels = 1, .height = 8, .width = 8};

/// A word, and a picture of 8 × 8 values from -1 to 1 that it describes.
tf::document pair(tf::token_t word) {
  return {tf::text{{word}}, tf::image{size, std::vector<float>(64, word == bright ? 0.6f : -0.6f)}};
}

int main() {
  tf::cpu_exec<float> exec;  // all cores
  tf::model<tf::paper, tf::cpu_exec<float>> model(exec, {.layers = 2, .width = 64, .heads = 2, .vocabulary = 6},
                                                  /*seed=*/1);
  tf::trainer trainer(model, {.steps = 300, .peak_rate = 2e-3, .warmup = 30});
  trainer.run([](tf::index_t) {
    return std::vector<tf::document>{pair(bright), pair(dark), pair(bright), pair(dark)};
  });

  tf::generator generate(model, {.max_tokens = 0, .image = size, .image_steps = 50});
  for (const tf::token_t word : {bright, dark}) {
    const auto drawn = generate({{.prompt = {tf::text{{word}}}, .begin_image = true}});
    const auto& picture = std::get<tf::image>(drawn[0].content.segments.back()).values;
    std::printf("%d: mean %.2f\n", word, std::accumulate(picture.begin(), picture.end(), 0.0) / 64);
  }
  return 0;
}
// end of snippet
#undef main

// snippet: readme ablation
struct causal_only : tf::paper {
  using mask = tf::mask::causal;
};
// end of snippet

namespace {

/// What f prints to standard output.
template <class F>
std::string printed(F f) {
  std::fflush(stdout);
  std::FILE* file = std::tmpfile();
  const int terminal = dup(STDOUT_FILENO);
  dup2(fileno(file), STDOUT_FILENO);
  f();
  std::fflush(stdout);
  dup2(terminal, STDOUT_FILENO);
  close(terminal);
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_program_learns_what_it_draws) {
  const std::string text = printed([] { readme_main(); });
  int words[2] = {};
  double means[2] = {};
  BOOST_REQUIRE(std::sscanf(text.c_str(), "%d: mean %lf %d: mean %lf", &words[0], &means[0], &words[1], &means[1]) ==
                4);
  BOOST_TEST(words[0] == bright);
  BOOST_TEST(words[1] == dark);
  BOOST_TEST(means[0] > 0.3);
  BOOST_TEST(means[1] < -0.3);
}

BOOST_AUTO_TEST_CASE(an_ablation_is_a_model) {
  tf::cpu_exec<float> exec;
  tf::model<causal_only, tf::cpu_exec<float>> model(exec, {.layers = 1, .width = 16, .heads = 2, .vocabulary = 6}, 1);
  const auto batch = model.pack({pair(bright)});
  for (const tf::span& s : batch.table.spans())
    BOOST_TEST(model.mask_policy().keys(s.begin, batch.table).end == s.begin + 1);
}
