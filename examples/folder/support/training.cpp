// SPDX-License-Identifier: Apache-2.0
#include "folder/support/training.hpp"

#include "folder/support/stored.hpp"
#include "support/device.hpp"

namespace folder {

namespace fs = std::filesystem;
using tf::config_error;
using tf::require;

training_run::training_run(const run_files& files, const settings& s, const std::set<std::string>& given)
    : files_(files), settings_(s) {
  require<config_error>(!files.resume || !files.overwrite, "--resume and --overwrite: found both, expected one");
  const bool exists = fs::exists(files.checkpoint);
  require<config_error>(!exists || files.resume || files.overwrite, files.checkpoint.string(),
                        ": exists already; give --resume to go on from it or --overwrite to begin anew");
  if (files.resume) read_checkpoint(given);
  by_the_clock_ = settings_.steps == 0 || (files.resume && given.contains("minutes") && !given.contains("steps"));

  const auto config = sizes();
  const tf::image_shape shape{settings_.channels, settings_.size, settings_.size};
  (void)recipe::codec::grid(shape, config.codec);  // said now, not after a long read
  auto read = support::read_captions(
      files.folder,
      {shape, files.convert ? support::channel_rule::convert : support::channel_rule::exact, files.skip_bad});
  skipped_ = std::move(read.skipped);
  if (!words_) words_ = make_vocabulary(settings_.vocabulary, read.captions());
  data_ = std::make_unique<collection>(files.folder, std::move(read), *words_);
}

void training_run::read_checkpoint(const std::set<std::string>& given) {
  const tf::safetensors_file file(files_.checkpoint);
  take_over(settings_, stored_text(file, metadata::settings), given);
  words_ = stored_vocabulary(file);
  steps_done_ = tf::stored_training_state(file).next_step;
  pictures_before_ = stored_number(file, metadata::pictures);
}

tf::model_config<recipe> training_run::sizes() const {
  tf::model_config<recipe> c{.layers = settings_.layers,
                             .width = settings_.width,
                             .heads = settings_.heads,
                             .vocabulary = words_ ? words_->size() : support::vocabulary::specials};
  c.codec.channels = settings_.channels;
  c.codec.patch = settings_.patch;
  return tf::completed(c);
}

/// How many steps the run has in all, those before a resume included.
template <class Exec>
void training_run::plan_steps(Exec& e) {
  if (by_the_clock_)
    settings_.steps = steps_done_ + support::steps_that_fit<model<Exec>>(
                                        settings_.minutes, e, sizes(), settings_.rate,
                                        [&](index_t step) { return data_->documents(step, settings_); });
  require<config_error>(settings_.steps > steps_done_, files_.checkpoint.string(), ": found all ", steps_done_,
                        " steps done, expected some left; give more --steps, or --minutes");
}

template <class Exec>
support::training_summary training_run::operator()(Exec& e) {
  plan_steps(e);
  tf::train_options options = support::short_run(settings_.steps, settings_.rate, settings_.seed);
  options.caption_dropout = settings_.caption_dropout;
  options.log_path = files_.log.string();
  options.checkpoint_path = files_.checkpoint.string();
  options.checkpoint_every =
      files_.checkpoint_every > 0 ? files_.checkpoint_every : std::max<index_t>(1, settings_.steps / 10);
  options.quiet = files_.quiet;
  for (const fs::path& file : {files_.checkpoint, files_.log})
    if (file.has_parent_path()) fs::create_directories(file.parent_path());

  model<Exec> m(e, sizes(), settings_.seed);
  tf::trainer<model<Exec>> trainer(m, options);
  trainer.set_metadata({{metadata::vocabulary, words_->to_json()},
                        {metadata::settings, settings_.to_json()},
                        {metadata::pictures, std::to_string(data_->size())},
                        {metadata::longest_caption, std::to_string(data_->longest_caption())}});
  if (files_.resume)
    trainer.resume(files_.checkpoint.string());
  else
    trainer.save();  // a file that cannot be written is said before the training
  return support::run_counted(trainer, m, [&](index_t step) { return data_->documents(step, settings_); });
}

template support::training_summary training_run::operator()(support::cpu_policy&);
#if TRANSFUSION_HAS_CUDA
template support::training_summary training_run::operator()(support::cuda_policy&);
#endif

}  // namespace folder
