// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything that trains a model: the trainer with its optimiser, checkpoints, log and progress bar; the order and
// the mixture of data.
#include "transfusion/sequence/pair.hpp"
#include "transfusion/train/data_order.hpp"
#include "transfusion/train/token_mixture.hpp"
#include "transfusion/train/trainer.hpp"
