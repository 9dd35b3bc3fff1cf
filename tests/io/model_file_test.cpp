// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE io_model_file
#include <boost/test/unit_test.hpp>

#include "support/policies.hpp"
#include "support/toy.hpp"
#include "transfusion/io/model_file.hpp"
#include "transfusion/train/checkpoint.hpp"

namespace tf = transfusion;
using namespace test_support;

namespace {

using exec = tf::cpu_exec<float>;
using model_type = tf::model<tf::paper, exec>;

struct fixture {
  folder at;
  std::string path = at / "model.safetensors";
  exec on;
  model_type model{on, toy_sizes, 1};
};

/// Every tensor of a file as floats, so that a test can write the file again with a fault in it.
struct contents {
  std::vector<tf::tensor_info> infos;
  std::map<std::string, std::vector<float>> values;
  std::map<std::string, std::string> metadata;

  explicit contents(const std::string& path) {
    const tf::safetensors_file file(path);
    infos = file.infos();
    metadata = file.metadata();
    for (const auto& info : infos) {
      values[info.name].resize(static_cast<std::size_t>(info.size()));
      file.read(info.name, values[info.name].data(), info.size());
    }
  }
  tf::tensor_info& at(const std::string& name) {
    for (auto& info : infos)
      if (info.name == name) return info;
    throw std::out_of_range(name);
  }
  void write(const std::string& path) {
    tf::safetensors_writer writer(path, infos, metadata);
    for (const auto& info : infos) {
      values[info.name].resize(static_cast<std::size_t>(info.size()));
      if (info.dtype == "F64")
        writer.write(info.name, std::vector<double>(static_cast<std::size_t>(info.size())).data(), info.size());
      else
        writer.write(info.name, values[info.name].data(), info.size());
    }
    writer.commit();
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(weights_come_back_bit_for_bit, Exec, policies) {
  const folder at;
  Exec on;
  tf::model<tf::paper, Exec> saved(on, toy_sizes, 1), loaded(on, toy_sizes, 2);
  BOOST_REQUIRE((weights_of(saved) != weights_of(loaded)));
  tf::save_model(at / "m.safetensors", saved, {{"words", "a b"}});
  const tf::safetensors_file file(at / "m.safetensors");
  tf::load_weights(file, loaded);
  BOOST_TEST((weights_of(saved) == weights_of(loaded)));
  BOOST_TEST(file.metadata().at("words") == "a b");
}

BOOST_AUTO_TEST_CASE(tensors_are_stored_under_the_names_and_shapes_of_the_parameters) {
  fixture f;
  tf::save_model(f.path, f.model);
  const tf::safetensors_file file(f.path);
  tf::index_t tensors = 0;
  f.model.parameters().each([&](auto p) {
    const tf::tensor_info* info = file.find(p.name());
    BOOST_REQUIRE(info);
    BOOST_TEST((info->shape == p.shape()));
    BOOST_TEST(info->dtype == "F32");
    std::vector<float> values(static_cast<std::size_t>(p.size()));
    file.read(p.name(), values.data(), p.size());
    BOOST_TEST((values == host_copy<float>(f.on, p.flat_value())));
    ++tensors;
  });
  BOOST_TEST(file.infos().size() == static_cast<std::size_t>(tensors));
  BOOST_TEST(file.find("blocks.1.attention.wq") != nullptr);
}

BOOST_AUTO_TEST_CASE(the_configuration_comes_back_field_by_field) {
  fixture f;
  tf::model_config<tf::paper> c{.layers = 3, .width = 24, .heads = 6, .vocabulary = 33};
  c.kv_heads = 2;
  c.feed_forward = 40;
  c.rope_theta = 12345.678901234567;
  c.norm_epsilon = 1.0 / 3e5;
  c.codec = {
      .channels = 3, .patch = 4, .patch_height = 2, .patch_depth = 3, .time = tf::codec::time_place::before_projection};
  c.markers = {.bos = tf::ignored, .eos = 30, .boi = 31, .eoi = 32};
  c.loss_weights = {0.1, 7};
  model_type model(f.on, c, 0);
  tf::save_model(f.path, model);
  const auto found = tf::read_config<tf::paper>(tf::safetensors_file(f.path));
  BOOST_TEST(found.layers == 3);
  BOOST_TEST(found.width == 24);
  BOOST_TEST(found.heads == 6);
  BOOST_TEST(found.vocabulary == 33);
  BOOST_TEST(found.kv_heads == 2);
  BOOST_TEST(found.feed_forward == 40);
  BOOST_TEST(found.rope_theta == c.rope_theta);
  BOOST_TEST(found.norm_epsilon == c.norm_epsilon);
  BOOST_TEST(found.codec.channels == 3);
  BOOST_TEST(found.codec.patch == 4);
  BOOST_TEST(found.codec.patch_height == 2);
  BOOST_TEST(found.codec.patch_depth == 3);
  BOOST_TEST((found.codec.time == tf::codec::time_place::before_projection));
  BOOST_TEST(found.markers.bos == tf::ignored);
  BOOST_TEST(found.markers.eos == 30);
  BOOST_TEST(found.markers.boi == 31);
  BOOST_TEST(found.markers.eoi == 32);
  BOOST_TEST((found.loss_weights == c.loss_weights));

  model_type rebuilt(f.on, found, 1);
  tf::load_weights(tf::safetensors_file(f.path), rebuilt);
  BOOST_TEST((weights_of(rebuilt) == weights_of(model)));
}

BOOST_AUTO_TEST_CASE(sizes_left_to_the_rules_are_stored_as_worked_out) {
  fixture f;
  tf::save_model(f.path, f.model);
  const auto found = tf::read_config<tf::paper>(tf::safetensors_file(f.path));
  BOOST_TEST(found.kv_heads == toy_sizes.heads);
  BOOST_TEST(found.feed_forward == f.model.config().feed_forward);
  BOOST_TEST(found.feed_forward > 0);
}

BOOST_AUTO_TEST_CASE(averaged_or_trained_weights_are_read_as_asked) {
  fixture f;
  tf::adamw<exec> optimiser(f.on, f.model.parameters(), {.ema_decay = 0.5});
  f.on.fill(f.model.parameters().gradients(), 0.01);
  optimiser.gradient_norm();
  optimiser.step(0, 0.1);
  tf::save_checkpoint(f.path, f.model, optimiser, {1, 0});
  const auto trained = weights_of(f.model);
  const auto average = host_copy<float>(f.on, optimiser.average());

  const tf::safetensors_file file(f.path);
  const auto loaded = [&](auto... which) {
    model_type other(f.on, toy_sizes, 2);
    tf::load_weights(file, other, which...);
    // Padding between parameters is in no file: look at the parameters alone.
    std::vector<float> values;
    other.parameters().each([&](auto p) {
      const auto part = host_copy<float>(f.on, p.flat_value());
      values.insert(values.end(), part.begin(), part.end());
    });
    return values;
  };
  const auto parts_of = [&](const std::vector<float>& block) {
    std::vector<float> values;
    f.model.parameters().each([&](auto p) {
      values.insert(values.end(), block.begin() + p.offset(), block.begin() + p.offset() + p.size());
    });
    return values;
  };
  BOOST_TEST((parts_of(average) != parts_of(trained)));
  BOOST_TEST((loaded(tf::weights::trained) == parts_of(trained)));
  BOOST_TEST((loaded(tf::weights::averaged) == parts_of(average)));
  BOOST_TEST((loaded() == parts_of(average)));
}

BOOST_AUTO_TEST_CASE(averaged_weights_of_a_file_without_an_average_are_the_trained_ones) {
  fixture f;
  tf::save_model(f.path, f.model);
  model_type other(f.on, toy_sizes, 2);
  tf::load_weights(tf::safetensors_file(f.path), other, tf::weights::averaged);
  BOOST_TEST((weights_of(other) == weights_of(f.model)));
}

BOOST_AUTO_TEST_CASE(a_file_that_does_not_fit_changes_nothing_and_says_what_it_found) {
  fixture f;
  tf::save_model(f.path, f.model);
  const std::string bad = f.at / "bad.safetensors";
  const auto refused = [&](auto spoil, const std::vector<std::string>& words) {
    contents c(f.path);
    spoil(c);
    c.write(bad);
    model_type other(f.on, toy_sizes, 2);
    const auto before = weights_of(other);
    const tf::safetensors_file file(bad);
    fails_saying<tf::format_error>([&] { tf::load_weights(file, other); }, words);
    BOOST_TEST((weights_of(other) == before));
  };
  refused([](contents& c) { c.at("head").name = "tail"; }, {"bad.safetensors", "'head'", "found none"});
  refused(
      [](contents& c) {
        c.at("blocks.1.attention.wo").shape = {4, 64};
      },
      {"'blocks.1.attention.wo'", "found shape [4, 64]", "expected [16, 16]"});
  refused([](contents& c) { c.at("final_norm").shape = {16, 1}; }, {"'final_norm'", "[16, 1]", "expected [16]"});
  refused([](contents& c) { c.at("head").shape = {9, 16}; }, {"'head'", "[9, 16]", "expected [10, 16]"});
  refused([](contents& c) { c.at("codec.out.weight").dtype = "F64"; },
          {"'codec.out.weight'", "found type F64", "expected F32"});
}

BOOST_AUTO_TEST_CASE(an_incomplete_average_is_refused_not_mixed) {
  fixture f;
  tf::adamw<exec> optimiser(f.on, f.model.parameters(), {.ema_decay = 0.5});
  tf::save_checkpoint(f.path, f.model, optimiser, {0, 0});
  contents c(f.path);
  c.at("average.head").name = "average.tail";
  c.write(f.path);
  const auto before = weights_of(f.model);
  fails_saying<tf::format_error>([&] { tf::load_weights(tf::safetensors_file(f.path), f.model); }, {"'average.head'"});
  BOOST_TEST((weights_of(f.model) == before));
  BOOST_CHECK_NO_THROW(tf::load_weights(tf::safetensors_file(f.path), f.model, tf::weights::trained));
}

BOOST_AUTO_TEST_CASE(a_truncated_file_is_refused_when_it_is_opened) {
  fixture f;
  tf::save_model(f.path, f.model);
  const std::string whole = bytes_of(f.path);
  for (std::size_t length : {whole.size() - 1, whole.size() / 2, std::size_t{20}, std::size_t{0}}) {
    std::ofstream(f.path, std::ios::binary) << whole.substr(0, length);
    fails_saying<tf::format_error>([&] { tf::safetensors_file{f.path}; }, {"model.safetensors"});
  }
}

BOOST_AUTO_TEST_CASE(a_configuration_that_is_missing_or_spoilt_is_refused_by_field) {
  fixture f;
  tf::save_model(f.path, f.model);
  const auto refused = [&](auto spoil, const std::vector<std::string>& words) {
    contents c(f.path);
    spoil(c.metadata);
    const std::string bad = f.at / "bad.safetensors";
    c.write(bad);
    const tf::safetensors_file file(bad);
    fails_saying<tf::format_error>([&] { tf::read_config<tf::paper>(file); }, words);
  };
  const std::string key = "transfusion.config";
  const auto with = [&](const char* field, nlohmann::json value) {
    return [=](std::map<std::string, std::string>& metadata) {
      auto json = nlohmann::json::parse(metadata.at(key));
      if (value.is_null())
        json.erase(field);
      else
        json[field] = value;
      metadata[key] = json.dump();
    };
  };
  refused([&](auto& m) { m.erase(key); }, {"bad.safetensors", "transfusion.config"});
  refused([&](auto& m) { m[key] = "not json"; }, {"bad.safetensors", "transfusion.config", "JSON"});
  refused([&](auto& m) { m[key] = "[1, 2]"; }, {"bad.safetensors", "transfusion.config", "JSON"});
  refused(with("heads", nullptr), {"bad.safetensors", ": heads"});
  refused(with("heads", "two"), {"bad.safetensors", ": heads"});
  refused(with("loss_weights", nlohmann::json::array({1.0})), {"bad.safetensors", ": loss_weights"});
  refused(with("loss_weights", {1.0, 5.0, 1.0}), {"bad.safetensors", ": loss_weights", "[1.0,5.0,1.0]"});
  refused(with("layers", 2.5), {"bad.safetensors", ": layers", "found 2.5", "the like of 2"});
  refused(with("layers", true), {"bad.safetensors", ": layers", "boolean"});
  refused(with("codec", nlohmann::json::object()), {"bad.safetensors", "codec.channels"});
  refused(with("codec", "linear"), {"bad.safetensors", "codec.channels"});
  refused(with("codec", {{"channels", 1}, {"patch", 2}, {"patch_height", 0}, {"patch_depth", 1}, {"time", "late"}}),
          {"bad.safetensors", "codec.time"});
}

BOOST_AUTO_TEST_CASE(a_configuration_that_contradicts_itself_is_refused) {
  fixture f;
  tf::save_model(f.path, f.model);
  contents c(f.path);
  auto json = nlohmann::json::parse(c.metadata.at("transfusion.config"));
  json["heads"] = 3;
  c.metadata["transfusion.config"] = json.dump();
  c.write(f.path);
  fails_saying<tf::format_error>([&] { tf::read_config<tf::paper>(tf::safetensors_file(f.path)); },
                                 {f.path, "heads", "found 3"});
}

// The tensors have the same shapes, and the models differ all the same.
BOOST_AUTO_TEST_CASE(weights_of_another_configuration_are_refused) {
  fixture f;
  tf::save_model(f.path, f.model);
  contents c(f.path);
  auto json = nlohmann::json::parse(c.metadata.at("transfusion.config"));
  const auto theta = json["rope_theta"];
  json["rope_theta"] = 500;
  c.metadata["transfusion.config"] = json.dump();
  c.write(f.path);
  fails_saying<tf::format_error>([&] { tf::load_weights(tf::safetensors_file(f.path), f.model); },
                                 {f.path, "rope_theta", "found 500", "expected " + theta.dump()});
}

namespace {

struct swin_normed : tf::paper {
  using norm_place = tf::norm_place::swin;
};
struct other_solver : tf::paper {
  using solver = tf::solver::ddim;
  using weighting = tf::weighting::min_snr<>;
  using time_sampling = tf::time_sampling::limited<>;
};

}  // namespace

// Names and shapes of the weights are the same: only the policies tell the models apart.
BOOST_AUTO_TEST_CASE(weights_of_a_variant_that_computes_otherwise_are_refused) {
  fixture f;
  tf::save_model(f.path, f.model);
  tf::model<swin_normed, exec> swin(f.on, {.layers = 2, .width = 16, .heads = 2, .vocabulary = 10}, 1);
  fails_saying<tf::format_error>([&] { tf::load_weights(tf::safetensors_file(f.path), swin); },
                                 {"policies.norm_place", "norm_place::pre", "norm_place::swin"});
  tf::model<other_solver, exec> drawn_otherwise(f.on, {.layers = 2, .width = 16, .heads = 2, .vocabulary = 10}, 2);
  tf::load_weights(tf::safetensors_file(f.path), drawn_otherwise);
  BOOST_TEST((weights_of(drawn_otherwise) == weights_of(f.model)));
}

BOOST_AUTO_TEST_CASE(a_file_of_more_than_the_model_has_is_refused) {
  fixture f;
  tf::save_model(f.path, f.model);
  contents c(f.path);
  std::string& config = c.metadata["transfusion.config"];
  config.insert(config.size() - 1, ",\"modality1\":{\"begin\":7}");
  c.write(f.path);
  fails_saying<tf::format_error>([&] { tf::load_weights(tf::safetensors_file(f.path), f.model); },
                                 {"modality1", "expected no such field"});
}
