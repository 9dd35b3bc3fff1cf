// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_modalities
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "model/small_model.hpp"
#include "support/policies.hpp"
#include "support/temporary_folder.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/io/model_file.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"

using namespace small_model;
using transfusion::testing::directional_check;
using transfusion::testing::poisoned;

namespace {

/// Counts noisy items more.
struct by_noise {
  double operator()(noise_level level, coefficients) const { return 1 + level.noise; }
};
/// A signal whose policies are all its own, and maps that are noised like the paper's images.
struct sound : paper {
  using schedule = transfusion::schedule::rectified_flow;
  using target = transfusion::target::velocity;
  using time_sampling = transfusion::time_sampling::shifted<>;
  using weighting = by_noise;
};
struct depth_map : paper {
  using target = transfusion::target::v;
};
struct three : paper {
  using other_modalities = modality_list<sound, depth_map>;
};
using exec_type = reference_exec<double>;

model_config<three> three_config() {
  auto c = config<three>();
  c.vocabulary = 20;
  c.modality<1>() = {
      .codec = {.channels = 3, .patch = 2, .patch_height = 1}, .begin = 13, .end = 14, .loss_weight = 0.5};
  c.modality<2>() = {.codec = {.channels = 1, .patch = 1}, .begin = 15, .end = 16, .loss_weight = 2};
  return c;
}

image drawn_item(index_t modality, image_shape shape, std::uint64_t seed) {
  return {shape, drawn(shape.size(), seed), modality};
}

/// Text with all three kinds; two kinds and no text; text and one kind.
std::vector<document> mixed() {
  return {{text{{5, 6}}, drawn_item(1, {3, 1, 6}, 21), text{{7}}, drawn_image(4, 2, 22), drawn_item(2, {1, 1, 3}, 23)},
          {drawn_item(2, {1, 2, 2}, 24), drawn_item(1, {3, 1, 2}, 25), text{{8, 9}}, drawn_item(1, {3, 1, 4}, 26)},
          {text{{10, 11, 12}}, drawn_image(2, 2, 27)}};
}

/// The image term of one batch, worked out from its items' losses and the definition of the mean.
double image_term(const std::vector<double>& each, const std::vector<double>& shares) {
  double sum = 0;
  for (std::size_t i = 0; i < each.size(); ++i) sum += each[i] * shares[i];
  return sum;
}

/// All weights by name from a model to another that has them too.
template <class From, class To>
void copy_by_name(From& from, To& to) {
  to.parameters().each([&](auto t) {
    from.parameters().each([&](auto f) {
      if (f.name() != t.name()) return;
      const auto host = on_host(from.exec(), f.master());
      to.exec().upload(t.master().data, host.data(), host.size() * sizeof(host[0]));
    });
  });
  to.parameters().refresh();
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(gradients_of_three_modalities, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  model<three, poisoned<Exec>> m(exec, three_config(), 1);
  shake(m);
  const auto batch = m.pack(mixed());
  const auto plan = m.plan_noise(batch, step_key);
  const auto report = directional_check(m,
                                        [&](auto& tape) {
                                          const auto losses = m.loss(tape, batch, plan);
                                          double images = 0;
                                          const auto each = on_host(exec, losses.terms[1].each);
                                          for (const span& s : batch.table.spans()) {
                                            const auto i = static_cast<std::size_t>(s.image);
                                            const double weight = s.modality == 1 ? 1 + plan.levels[i].noise : 1;
                                            images += weight * losses.terms[1].shares[i] * each[i];
                                          }
                                          return losses.mean(exec, 0) + 5 * images;
                                        },
                                        {5, 0, stream::test});
  BOOST_CHECK_MESSAGE(report.within(1e-8), report.text());
  BOOST_TEST(report.checked == m.parameters().size());
}

BOOST_AUTO_TEST_CASE(each_modality_has_its_own_levels_targets_and_weights) {
  exec_type exec;
  model<three, exec_type> m(exec, three_config(), 1);
  shake(m);
  const auto batch = m.pack(mixed());
  BOOST_REQUIRE_EQUAL(batch.image_count(), 7);
  BOOST_TEST(batch.modalities[0].image_count() == 2);
  BOOST_TEST(batch.modalities[1].image_count() == 3);
  BOOST_TEST(batch.modalities[2].image_count() == 2);
  const auto plan = m.plan_noise(batch, step_key);
  for (const span& s : batch.table.spans()) {
    const noise_level& level = plan.levels[static_cast<std::size_t>(s.image)];
    const double variance = level.signal * level.signal + level.noise * level.noise;
    if (s.modality == 1)
      BOOST_TEST(level.signal + level.noise == 1, boost::test_tools::tolerance(1e-12));  // rectified flow
    else
      BOOST_TEST(variance == 1, boost::test_tools::tolerance(1e-12));
  }
  tape<exec_type> t(exec);
  const auto losses = m.loss(t, batch, plan);
  const auto each = on_host(exec, losses.terms[1].each);
  const double expected = image_term(
      each, {0.5 / 3, 1.0 / 2, 2.0 / 2, 2.0 / 2, 0.5 / 3, 0.5 / 3, 1.0 / 2});  // in the order of the documents
  BOOST_TEST(losses.mean(exec, 1) == expected, boost::test_tools::tolerance(1e-12));
}

// A new model predicts 0, so an item's first loss is the mean square of what its own target asks for.
BOOST_AUTO_TEST_CASE(first_losses_are_those_of_each_modalitys_target) {
  exec_type exec;
  model<three, exec_type> m(exec, three_config(), 1);
  const auto batch = m.pack(mixed());
  const auto plan = m.plan_noise(batch, step_key);
  buffer<exec_type, double> noise(exec, static_cast<index_t>(batch.values.size()));
  exec.normal(noise.all(), plan.key, 1.0, plan.first_value);
  tape<exec_type> t(exec);
  const auto each = on_host(exec, m.loss(t, batch, plan).terms[1].each);
  for (const span& s : batch.table.spans()) {
    const auto number = static_cast<std::size_t>(s.image);
    const noise_level& level = plan.levels[number];
    const coefficients wanted = s.modality == 0   ? coefficients{0, 1}
                                : s.modality == 1 ? coefficients{-1, 1}
                                                  : coefficients{-level.noise, level.signal};
    const image_place& place = batch.images[number];
    double sum = 0;
    for (index_t i = place.first_value; i < place.first_value + place.shape.size(); ++i) {
      const double y =
          wanted.data * static_cast<double>(batch.values[static_cast<std::size_t>(i)]) + wanted.noise * noise.all()[i];
      sum += y * y;
    }
    BOOST_TEST(each[number] == sum / static_cast<double>(place.shape.size()), boost::test_tools::tolerance(1e-12));
  }
}

// Times and weights come from each modality's own sampler and weighting.
BOOST_AUTO_TEST_CASE(times_and_weights_are_each_modalitys) {
  exec_type exec;
  model<three, exec_type> m(exec, three_config(), 1);
  const auto batch = m.pack(mixed());
  const auto plan = m.plan_noise(batch, step_key);
  for (const span& s : batch.table.spans()) {
    const double u =
        random_key{step_key.seed, step_key.step, stream::timestep}.uniform(static_cast<std::uint64_t>(s.image));
    const double uniform = transfusion::time_sampling::uniform{}(u, s.leads);
    const double expected = s.modality == 1 ? 3 * uniform / (1 + 2 * uniform) : uniform;
    BOOST_TEST(plan.levels[static_cast<std::size_t>(s.image)].time == expected, boost::test_tools::tolerance(1e-12));
  }
  // The gradient of an item's prediction tells its weight: that of a sound is 1 + noise times the plain one.
  const std::vector<document> alone{{drawn_item(1, {3, 1, 4}, 30)}};
  struct plain_sound : sound {
    using weighting = transfusion::weighting::unit;
  };
  struct with_plain : paper {
    using other_modalities = modality_list<plain_sound, depth_map>;
  };
  model_config<with_plain> plain_sizes{};
  const auto sizes = three_config();
  plain_sizes.layers = sizes.layers;
  plain_sizes.width = sizes.width;
  plain_sizes.heads = sizes.heads;
  plain_sizes.kv_heads = sizes.kv_heads;
  plain_sizes.vocabulary = sizes.vocabulary;
  plain_sizes.feed_forward = sizes.feed_forward;
  plain_sizes.codec = sizes.codec;
  plain_sizes.loss_weights = {0, 5};
  plain_sizes.modality<1>() = {sizes.modality<1>().codec, 13, 14, 0.5};
  plain_sizes.modality<2>() = {sizes.modality<2>().codec, 15, 16, 2};
  auto weighted_sizes = sizes;
  weighted_sizes.loss_weights = {0, 5};
  model<three, exec_type> weighted(exec, weighted_sizes, 1);
  model<with_plain, exec_type> plain(exec, plain_sizes, 1);
  shake(weighted);
  copy_by_name(weighted, plain);
  const auto packed = weighted.pack(alone);
  const auto levels = weighted.plan_noise(packed, step_key);
  const auto a = gradients(weighted, packed, levels), b = gradients(plain, packed, levels);
  const double factor = 1 + levels.levels[0].noise;
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST(std::abs(a[i] - factor * b[i]) <= 1e-12 * (1 + std::abs(a[i])));
}

// What a document of one modality alone gives does not depend on what else the variant could hold.
BOOST_AUTO_TEST_CASE(unused_modalities_change_nothing) {
  exec_type exec;
  auto sizes = config<paper>();
  sizes.vocabulary = 20;
  model<paper, exec_type> one(exec, sizes, 1);
  shake(one);
  model<three, exec_type> all(exec, three_config(), 2);
  copy_by_name(one, all);
  const std::vector<document> docs = documents();
  tape<exec_type> t(exec), u(exec);
  const auto a = one.loss(t, one.pack(docs), one.plan_noise(one.pack(docs), step_key));
  const auto b = all.loss(u, all.pack(docs), all.plan_noise(all.pack(docs), step_key));
  for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(a.mean(exec, i) == b.mean(exec, i));
}

BOOST_AUTO_TEST_CASE(small_batches_add_up_to_the_large_one) {
  exec_type exec;
  model<three, exec_type> m(exec, three_config(), 1);
  shake(m);
  for (const mean_over over : {mean_over::items, mean_over::patches, mean_over::documents}) {
    auto sizes = three_config();
    sizes.image_mean = over;
    sizes.text_mean = over == mean_over::patches ? mean_over::items : over;
    model<three, exec_type> other(exec, sizes, 1);
    copy_by_name(m, other);
    const auto docs = mixed();
    const auto whole = means_of_step(other, {docs}), parts = means_of_step(other, {{docs[0]}, {docs[1], docs[2]}});
    for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(whole[i] == parts[i], boost::test_tools::tolerance(1e-12));
  }
}

BOOST_AUTO_TEST_CASE(means_over_items_patches_and_documents) {
  exec_type exec;
  const auto run = [&](mean_over text, mean_over images) {
    auto sizes = three_config();
    sizes.text_mean = text;
    sizes.image_mean = images;
    model<three, exec_type> m(exec, sizes, 1);
    shake(m);
    const auto batch = m.pack(mixed());
    tape<exec_type> t(exec);
    const auto losses = m.loss(t, batch, m.plan_noise(batch, step_key));
    const auto shares = [&](std::size_t i) {
      return std::vector<double>(losses.terms[i].shares.begin(), losses.terms[i].shares.end());
    };
    return std::pair{shares(0), shares(1)};
  };
  const auto equal = boost::test_tools::tolerance(1e-14);
  {
    const auto [text, images] = run(mean_over::documents, mean_over::patches);
    // Patches: sound 3, 1 and 2; images 2 and 1; depth maps 3 and 4.
    const std::vector<double> expected{0.5 * 3 / 6, 1.0 * 2 / 3, 2.0 * 3 / 7, 2.0 * 4 / 7,
                                       0.5 / 6,     0.5 * 2 / 6, 1.0 / 3};
    BOOST_TEST(images == expected, equal << boost::test_tools::per_element());
    // Rows with a target: 5 6 BOI | 7 BOI | BOI EOS, then ...; every document weighs a third.
    double sum = 0;
    for (double share : text) sum += share;
    BOOST_TEST(sum == 1, equal);
    BOOST_TEST(text.front() != text.back());
  }
  {
    const auto [text, images] = run(mean_over::items, mean_over::documents);
    const std::vector<double> expected{0.5 / 2, 1.0 / 2, 2.0 / 2, 2.0 / 2, 0.5 / 4, 0.5 / 4, 1.0 / 2};
    BOOST_TEST(images == expected, equal << boost::test_tools::per_element());
    for (double share : text) BOOST_TEST(share == 1.0 / static_cast<double>(text.size()), equal);
  }
}

BOOST_AUTO_TEST_CASE(context_images_are_read_clean_and_not_learnt) {
  exec_type exec;
  model<paper, exec_type> m(exec, config(), 1);
  shake(m);
  auto shown = drawn_image(4, 4, 31), learnt = drawn_image(2, 4, 32);
  shown.context = true;
  const auto batch = m.pack({{shown, text{{5, 6}}, learnt}});
  BOOST_TEST(batch.noised_images() == 1);
  const auto plan = m.plan_noise(batch, step_key);
  BOOST_TEST((plan.levels[0] == m.clean_level));
  BOOST_TEST((plan.levels[1] != m.clean_level));
  tape<exec_type> t(exec);
  const auto losses = m.loss(t, batch, plan);
  BOOST_TEST(losses.terms[1].shares[0] == 0);
  BOOST_TEST(losses.terms[1].shares[1] == 1);

  // Images of context alone teach the codec's way out nothing.
  const auto only = m.pack({{shown, text{{5, 6}}}});
  m.parameters().allocate_gradients();
  m.parameters().zero_gradients();
  tape<exec_type> u(exec);
  const auto none = m.loss(u, only, m.plan_noise(only, step_key));
  BOOST_TEST(none.mean(exec, 1) == 0);
  u.backward();
  m.parameters().each([&](auto p) {
    double largest = 0;
    for (double g : on_host(exec, p.flat_gradient())) largest = std::max(largest, std::abs(g));
    if (p.name().starts_with("codec.out"))
      BOOST_TEST(largest == 0);
    else
      BOOST_TEST(largest > 0, p.name());
  });
}

BOOST_AUTO_TEST_CASE(configurations_are_stored_and_compared) {
  const test_support::folder folder;
  const auto path = folder / "model.safetensors";
  exec_type exec;
  model<three, exec_type> m(exec, three_config(), 1);
  save_model(path, m);
  const safetensors_file file(path);
  const auto found = read_config<three>(file);
  BOOST_TEST(found.modality<1>().codec.channels == 3);
  BOOST_TEST(found.modality<1>().end == 14);
  BOOST_TEST(found.modality<2>().loss_weight == 2);
  load_weights(file, m);
  auto other = three_config();
  other.modality<2>().begin = 17;
  model<three, exec_type> differs(exec, other, 1);
  BOOST_CHECK_EXCEPTION(load_weights(file, differs), format_error, [](const format_error& e) {
    return std::string(e.what()).find("modality2.begin: found") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(wrong_markers_and_modalities_are_refused) {
  exec_type exec;
  const auto refuses = [&](auto change, const std::string& says) {
    auto c = three_config();
    change(c);
    BOOST_CHECK_EXCEPTION((model<three, exec_type>(exec, c, 1)), config_error,
                          [&](const config_error& e) { return std::string(e.what()).find(says) != std::string::npos; });
  };
  refuses([](auto& c) { c.template modality<1>().begin = 99; }, "modality 1: begin: found 99");
  refuses([](auto& c) { c.template modality<2>().end = 13; }, "modality 2: found begin 15, end 13");
  refuses([](auto& c) { c.template modality<2>().codec.patch = 0; }, "codec.patch: found 0");
  refuses([](auto& c) { c.text_mean = mean_over::patches; }, "text_mean: found patches");
  model<three, exec_type> m(exec, three_config(), 1);
  BOOST_CHECK_EXCEPTION(m.pack({{text{{5}}}, {drawn_item(3, {1, 2, 2}, 1)}}), shape_error, [](const shape_error& e) {
    return std::string(e.what()) == "document 1: image: modality 3, expected 0 to 2";
  });
}
