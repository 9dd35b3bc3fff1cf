// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_folder
#include <boost/test/unit_test.hpp>

#include "encoded_images.hpp"
#include "files.hpp"
#include "folder/support/trained.hpp"
#include "folder/support/training.hpp"
#include "support/device.hpp"
#include "support/file.hpp"

namespace tf = transfusion;
using files::check_throws;
using tf::config_error;
using tf::format_error;
using tf::index_t;
using tf::io_error;

namespace {

struct tint {
  const char* name;
  std::vector<std::uint8_t> rgb;
};
const tint tints[] = {{"red", {220, 30, 30}}, {"green", {30, 180, 60}}, {"blue", {30, 60, 220}}};

std::string plain_png(int height, int width, const std::vector<std::uint8_t>& pixel) {
  std::vector<std::uint8_t> packed;
  for (int i = 0; i < height * width; ++i) packed.insert(packed.end(), pixel.begin(), pixel.end());
  return encoded::png(height, width, static_cast<int>(pixel.size()), packed);
}

std::string line_of(const std::string& file, const std::string& caption) {
  return R"({"file": ")" + file + R"(", "caption": ")" + caption + "\"}\n";
}

/// A folder of six plain pictures in three colours, and a run of a few steps over it.
struct toy_folder {
  files::temporary_folder folder;
  support::cpu_policy exec{1};
  folder::settings small;
  folder::run_files files;
  std::string lines;

  toy_folder() {
    for (int i = 0; i < 6; ++i) {
      const tint& t = tints[i % 3];
      const std::string name = std::to_string(i) + ".png";
      files::put(folder / name, plain_png(8 + i, 12 - i, t.rgb));
      lines += line_of(name, std::string("a ") + t.name + " sheet");
    }
    write(lines);
    small.size = 8;
    small.layers = 1;
    small.width = 32;
    small.heads = 2;
    small.pairs = 8;
    small.steps = 6;
    files.folder = folder.path();
    files.checkpoint = folder / "model.safetensors";
    files.quiet = true;
  }

  void write(const std::string& text) const { files::put(folder / "captions.jsonl", text); }
  folder::training_run run(const std::set<std::string>& given = {}) const { return {files, small, given}; }
  std::string bytes(const std::string& name) const { return support::read_file(folder / name); }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_run_trains_and_keeps_what_it_was_told, toy_folder) {
  files.log = folder / "log.csv";
  auto training = run();
  BOOST_TEST(training.data().size() == 6);
  BOOST_TEST(training.data().longest_caption() == 3);
  BOOST_TEST(training.words().size() == support::vocabulary::specials + 5);  // a, sheet and three colours
  const auto done = training(exec);
  BOOST_TEST(done.steps == 6);
  BOOST_TEST(done.pictures == 48);
  const std::string log = bytes("log.csv");
  BOOST_TEST(std::count(log.begin(), log.end(), '\n') == 7);  // the names of the columns, and a line a step

  const tf::safetensors_file file(files.checkpoint);
  BOOST_TEST(file.metadata().at("folder.settings") == small.to_json());
  BOOST_TEST(file.metadata().at("folder.pictures") == "6");
  BOOST_TEST(file.metadata().at("vocabulary") == training.words().to_json());
}

BOOST_FIXTURE_TEST_CASE(a_resumed_run_repeats_the_uninterrupted_one_bit_for_bit, toy_folder) {
  run()(exec);
  const std::string whole = bytes("model.safetensors");

  // The same run, cut off after three of its six steps.
  files.checkpoint = folder / "cut.safetensors";
  {
    auto cut = run();
    const tf::model_config<folder::recipe> sizes =
        tf::read_config<folder::recipe>(tf::safetensors_file(folder / "model.safetensors"));
    folder::model<support::cpu_policy> m(exec, sizes, small.seed);
    auto options = support::short_run(small.steps, small.rate, small.seed);
    options.caption_dropout = small.caption_dropout;
    options.checkpoint_path = files.checkpoint.string();
    tf::trainer<folder::model<support::cpu_policy>> trainer(m, options);
    trainer.set_metadata(tf::safetensors_file(folder / "model.safetensors").metadata());
    for (index_t step = 0; step < 3; ++step) trainer.step(cut.data().documents(step, small));
    trainer.save();
  }
  files.resume = true;
  small = {};  // everything comes from the checkpoint
  auto resumed = run();
  BOOST_TEST(resumed.steps_done() == 3);
  BOOST_TEST(resumed.used().width == 32);
  BOOST_TEST(resumed(exec).steps == 6);
  BOOST_TEST((bytes("cut.safetensors") == whole), "the checkpoints differ");
}

BOOST_FIXTURE_TEST_CASE(a_finished_run_goes_on_only_with_more_steps, toy_folder) {
  run()(exec);
  files.resume = true;
  check_throws<config_error>([&] { run()(exec); }, {"model.safetensors", "found all 6 steps done"});
  small.steps = 8;
  BOOST_TEST(run({"steps"})(exec).steps == 8);
  small.width = 64;
  check_throws<config_error>([&] { run({"width"}); }, {"--width: found 64, expected 32"});
}

BOOST_FIXTURE_TEST_CASE(minutes_become_steps, toy_folder) {
  small.steps = 0;
  small.minutes = 1e-9;
  BOOST_TEST(run()(exec).steps == 1);
  files.resume = true;
  BOOST_TEST(run({"minutes"})(exec).steps == 2);
}

BOOST_FIXTURE_TEST_CASE(a_checkpoint_is_not_overwritten_unasked, toy_folder) {
  run()(exec);
  check_throws<config_error>([&] { run(); }, {"model.safetensors", "exists already", "--resume", "--overwrite"});
  files.overwrite = true;
  BOOST_TEST(run()(exec).steps == 6);
  files.resume = true;
  check_throws<config_error>([&] { run(); }, {"--resume and --overwrite"});
}

BOOST_FIXTURE_TEST_CASE(a_trained_model_draws_and_captions_colours, toy_folder) {
  small.steps = 400;
  small.rate = 3e-3;
  run()(exec);
  const folder::trained model(exec, files.checkpoint);
  BOOST_TEST((model.shape() == tf::image_shape{3, 8, 8}));

  std::vector<std::string> captions;
  for (const tint& t : tints) captions.push_back(std::string("a ") + t.name + " sheet");
  const auto drawn = model.draw(captions, 2, {.image_steps = 50});
  BOOST_REQUIRE(drawn.size() == 6U);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    std::array<double, 3> sums{};
    for (std::size_t n = 0; n < drawn[i].values.size(); ++n) sums[n / 64] += static_cast<double>(drawn[i].values[n]);
    BOOST_TEST(std::max_element(sums.begin(), sums.end()) - sums.begin() == static_cast<std::ptrdiff_t>(i / 2),
               "picture " << i << " of " << captions[i / 2] << ": " << sums[0] << ' ' << sums[1] << ' ' << sums[2]);
  }

  std::vector<tf::image> shown;
  for (int i = 0; i < 3; ++i)
    shown.push_back(
        {model.shape(), support::load_image(folder / (std::to_string(i) + ".png"), model.shape()).values()});
  const auto said = model.describe(shown, 1, {});
  BOOST_TEST(said == captions, boost::test_tools::per_element());
  BOOST_TEST(model.describe(shown, 2, {.text = {.temperature = 1, .top_k = 3, .top_p = 0.9}}).size() == 6U);

  const auto documents = model.write(4, {.text = {.temperature = 1}}, {.image_steps = 10});
  BOOST_REQUIRE(documents.size() == 4U);
  for (const auto& d : documents) {
    BOOST_TEST(d.pictures.size() == 1U);
    BOOST_TEST(!d.caption.empty());
  }
  check_throws<config_error>([&] { model.draw({"a purple sheet"}, 1, {}); }, {"unknown word \"purple\""});
}

BOOST_FIXTURE_TEST_CASE(bytes_write_any_text_and_grey_is_one_channel, toy_folder) {
  small.vocabulary = "byte";
  small.channels = 1;
  small.steps = 2;
  files.convert = true;
  run()(exec);
  const folder::trained model(exec, files.checkpoint);
  BOOST_TEST((model.shape() == tf::image_shape{1, 8, 8}));
  BOOST_TEST(model.words().size() == support::vocabulary::specials + 256);
  BOOST_TEST(model.draw({"Größe?"}, 1, {.image_steps = 2})[0].values.size() == 64U);
  small.vocabulary = "letters";
  files.overwrite = true;
  check_throws<config_error>([&] { run(); }, {"found \"letters\", expected word or byte"});
}

// Every fault names captions.jsonl and the line, and the picture where it is one's.
BOOST_FIXTURE_TEST_CASE(faults_of_the_folder_name_file_and_line, toy_folder) {
  files::put(folder / "corrupt.png", plain_png(8, 8, tints[0].rgb).substr(0, 60));
  files::put(folder / "grey.png", plain_png(8, 8, {90}));
  files::put(folder / "text.png", "no picture");
  struct fault {
    std::string line;
    std::vector<std::string_view> parts;
  };
  const fault format_faults[] = {{line_of("corrupt.png", "x"), {"corrupt.png"}},
                                 {line_of("text.png", "x"), {"text.png", "neither a PNG nor a JPEG"}},
                                 {line_of("0.png", "  "), {"\"caption\"", "empty"}},
                                 {line_of("grey.png", "x"), {"grey.png", "1 channel (grey)", "3 channels (RGB)"}},
                                 {"{\"file\": \"0.png\"\n", {"not JSON"}},
                                 {"{\"file\": \"0.png\"}\n", {"\"caption\"", "found none"}}};
  std::string all = lines;
  for (const fault& f : format_faults) {
    write(lines + f.line);
    for (const std::string_view part : f.parts)
      check_throws<format_error>([&] { run(); }, {"captions.jsonl:7: ", part});
    all += f.line;
  }
  write(lines + line_of("none.png", "x"));
  check_throws<io_error>([&] { run(); }, {"captions.jsonl:7: ", "none.png", "no such file"});

  write(all + line_of("none.png", "x"));
  files.skip_bad = true;
  const auto training = run();
  BOOST_TEST(training.data().size() == 6);
  BOOST_REQUIRE(training.skipped().size() == std::size(format_faults) + 1);
  for (std::size_t i = 0; i < training.skipped().size(); ++i) {
    BOOST_TEST(training.skipped()[i].line == static_cast<index_t>(7 + i));
    BOOST_TEST(!training.skipped()[i].reason.empty());
  }
}

BOOST_FIXTURE_TEST_CASE(a_folder_with_nothing_in_it_is_an_error, toy_folder) {
  const files::temporary_folder empty;
  files.folder = empty.path();
  check_throws<io_error>([&] { run(); }, {"captions.jsonl", "no such file"});
  files::put(empty / "captions.jsonl", "\n");
  check_throws<format_error>([&] { run(); }, {"captions.jsonl", "no usable line"});
}

BOOST_FIXTURE_TEST_CASE(sizes_that_cannot_be_are_refused_before_reading, toy_folder) {
  files.folder = folder / "none";
  small.patch = 3;
  check_throws<tf::shape_error>([&] { run(); }, {"image of 8 x 8", "patch size 3"});
  small.patch = 4;
  small.heads = 5;
  check_throws<config_error>([&] { run(); }, {"heads: found 5"});
}

BOOST_FIXTURE_TEST_CASE(new_words_do_not_fit_a_resumed_run, toy_folder) {
  run()(exec);
  write(lines + line_of("0.png", "a purple sheet"));
  files.resume = true;
  check_throws<config_error>([&] { run(); }, {"captions.jsonl:7: ", "unknown word \"purple\""});
}

BOOST_FIXTURE_TEST_CASE(files_that_are_no_checkpoint_of_this_program_are_named, toy_folder) {
  check_throws<io_error>([&] { folder::trained(exec, folder / "none.safetensors"); }, {"none.safetensors"});
  check_throws<format_error>([&] { folder::trained(exec, folder / "0.png"); }, {"0.png"});
  tf::model_config<folder::recipe> sizes{.layers = 1, .width = 16, .heads = 1, .vocabulary = 10};
  folder::model<support::cpu_policy> foreign(exec, sizes, 1);
  tf::save_model(folder / "foreign.safetensors", foreign);
  check_throws<format_error>([&] { folder::trained(exec, folder / "foreign.safetensors"); },
                             {"foreign.safetensors", "\"vocabulary\"", "folder_train"});
  files.checkpoint = folder / "foreign.safetensors";
  files.resume = true;
  check_throws<format_error>([&] { run(); }, {"foreign.safetensors", "\"folder.settings\""});
}
