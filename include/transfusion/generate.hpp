// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything that generates from a model: interleaved text and images, from many prompts at once.
#include "transfusion/generate/generator.hpp"
