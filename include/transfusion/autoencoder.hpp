// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autoencoder/autoencoder.hpp"
#include "transfusion/autoencoder/frozen.hpp"
#include "transfusion/autoencoder/latent_cache.hpp"
#include "transfusion/autoencoder/trainer.hpp"
#include "transfusion/autoencoder/vgg.hpp"
#include "transfusion/io/autoencoder_file.hpp"
