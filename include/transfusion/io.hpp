// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading and writing models and safetensors files.
#include "transfusion/io/model_file.hpp"
#include "transfusion/io/safetensors.hpp"
