// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything that trains a model: the trainer with its optimiser, checkpoints, log and progress bar.
#include "transfusion/sequence/pair.hpp"
#include "transfusion/train/data_order.hpp"
#include "transfusion/train/trainer.hpp"
