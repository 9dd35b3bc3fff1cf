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

/// A signal of its own schedule and target, and one that is noised like the paper's images.
struct sound : paper {
  using schedule = transfusion::schedule::rectified_flow;
  using target = transfusion::target::velocity;
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
  c.modality<1>() = {.codec = {.channels = 3, .patch = 2}, .begin = 13, .end = 14, .loss_weight = 0.5};
  c.modality<2>() = {.codec = {.channels = 1, .patch = 1}, .begin = 15, .end = 16, .loss_weight = 2};
  return c;
}

image drawn_item(index_t modality, image_shape shape, std::uint64_t seed) {
  return {shape, drawn(shape.size(), seed), modality};
}

/// Text with all three kinds; two kinds and no text; text and one kind.
std::vector<document> mixed() {
  return {{text{{5, 6}}, drawn_item(1, {3, 2, 6}, 21), text{{7}}, drawn_image(4, 2, 22), drawn_item(2, {1, 1, 3}, 23)},
          {drawn_item(2, {1, 2, 2}, 24), drawn_item(1, {3, 2, 2}, 25), text{{8, 9}}, drawn_item(1, {3, 4, 2}, 26)},
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
                                          return losses.mean(exec, 0) + 5 * losses.mean(exec, 1);
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

  // A perfect prediction in the space of each modality's own target gives its items no loss: what the term compares
  // with.
  BOOST_TEST((three::target::of(0.8, 0.6) == coefficients{0, 1}));
  BOOST_TEST((sound::target::of(0.8, 0.2) == coefficients{-1, 1}));
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
    const auto run = [&](const std::vector<std::vector<document>>& groups) {
      std::vector<packed_batch> batches;
      step_share share;
      for (const auto& g : groups) {
        batches.push_back(other.pack(g));
        share.all.add(batches.back());
      }
      std::vector<double> sums(2);
      for (const auto& b : batches) {
        tape<exec_type> t(exec);
        const auto losses = other.loss(t, b, other.plan_noise(b, step_key, share), share);
        for (std::size_t i = 0; i < 2; ++i) sums[i] += losses.mean(exec, i);
        share.pass(b);
      }
      return sums;
    };
    const auto docs = mixed();
    const auto whole = run({docs}), parts = run({{docs[0]}, {docs[1], docs[2]}});
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
    return std::string(e.what()).find("modality2: found") != std::string::npos;
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
