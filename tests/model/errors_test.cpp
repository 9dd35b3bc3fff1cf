// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_errors
#include <boost/test/unit_test.hpp>
#include <string>

#include "model/small_model.hpp"
#include "transfusion/exec/reference.hpp"

using namespace small_model;

namespace {

using exec_type = reference_exec<double>;
using model_type = model<paper, exec_type>;
using config_type = model_config<paper>;

/// The model refuses this change of a good configuration with exactly this message, and takes no memory.
void refuses(void (*change)(config_type&), const std::string& expected) {
  exec_type exec;
  config_type c = config();
  change(c);
  BOOST_CHECK_EXCEPTION(model_type(exec, c, 1), config_error, [&](const config_error& e) {
    BOOST_CHECK_EQUAL(std::string(e.what()), expected);
    return true;
  });
  BOOST_TEST(exec.allocations() == 0);
}

/// The model refuses to pack these documents with exactly this message.
void refuses(const std::vector<document>& docs, const std::string& expected) {
  exec_type exec;
  const model_type m(exec, config(), 1);
  BOOST_CHECK_EXCEPTION(m.pack(docs), shape_error, [&](const shape_error& e) {
    BOOST_CHECK_EQUAL(std::string(e.what()), expected);
    return true;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(sizes) {
  refuses([](config_type& c) { c.layers = 0; }, "layers: found 0, expected > 0");
  refuses([](config_type& c) { c.width = -4; }, "width: found -4, expected > 0");
  refuses([](config_type& c) { c.heads = 0; }, "heads: found 0, expected > 0");
  refuses([](config_type& c) { c.vocabulary = 0; }, "vocabulary: found 0, expected > 0");
  refuses([](config_type& c) { c.feed_forward = -1; }, "feed_forward: found -1, expected > 0");
}

BOOST_AUTO_TEST_CASE(heads) {
  refuses([](config_type& c) { c.heads = 5; },
          "heads: found 5, expected a divisor of the width 12 that leaves an even head width");
  refuses([](config_type& c) { c.heads = 4; },
          "heads: found 4, expected a divisor of the width 12 that leaves an even head width");
  refuses([](config_type& c) { c.kv_heads = 3; }, "kv_heads: found 3, expected a divisor of heads = 2");
  refuses([](config_type& c) { c.kv_heads = -1; }, "kv_heads: found -1, expected a divisor of heads = 2");
}

BOOST_AUTO_TEST_CASE(numbers) {
  refuses([](config_type& c) { c.rope_theta = 0; }, "rope_theta: found 0, expected > 0");
  refuses([](config_type& c) { c.norm_epsilon = -0.5; }, "norm_epsilon: found -0.5, expected > 0");
}

BOOST_AUTO_TEST_CASE(markers) {
  refuses([](config_type& c) { c.markers.bos = 13; },
          "markers.bos: found 13, expected a token of the vocabulary of 13");
  refuses([](config_type& c) { c.markers.eos = -2; },
          "markers.eos: found -2, expected a token of the vocabulary of 13");
  refuses([](config_type& c) { c.markers.boi = ignored; },
          "markers.boi: found -1, expected a token of the vocabulary of 13");
  refuses([](config_type& c) { c.markers.eoi = 99; },
          "markers.eoi: found 99, expected a token of the vocabulary of 13");
}

BOOST_AUTO_TEST_CASE(codec_options) {
  refuses([](config_type& c) { c.codec.channels = 0; }, "codec.channels: found 0, expected > 0");
  refuses([](config_type& c) { c.codec.patch = -2; }, "codec.patch: found -2, expected > 0");
}

BOOST_AUTO_TEST_CASE(names_of_sizes) {
  BOOST_CHECK_EXCEPTION(paper_config("2B"), config_error, [](const config_error& e) {
    return e.what() == std::string("model size: found \"2B\", expected 0.16B, 0.37B, 0.76B, 1.4B or 7B");
  });
}

BOOST_AUTO_TEST_CASE(tokens_of_documents) {
  refuses({{text{{5}}}, {text{{6, 13}}}}, "document 1: token 13, expected 0 to 12");
  refuses({{text{{-1}}}}, "document 0: token -1, expected 0 to 12");
}

BOOST_AUTO_TEST_CASE(images_of_documents) {
  const document good{text{{5}}};
  image short_of_values = drawn_image(4, 4, 1);
  short_of_values.values.pop_back();
  refuses({good, {short_of_values}}, "document 1: image: number of values against its shape: found 31, expected 32");
  refuses({good, {drawn_image(4, 6, 1, 3)}}, "document 1: image channels: found 3, expected 2");
  refuses({good, {drawn_image(4, 5, 1)}}, "document 1: image of 4 x 5: expected multiples of the patch size 2");
  refuses({good, {drawn_image(3, 4, 1)}}, "document 1: image of 3 x 4: expected multiples of the patch size 2");
  refuses({good, {drawn_image(0, 4, 1)}}, "document 1: image of 0 x 4: expected multiples of the patch size 2");
}
