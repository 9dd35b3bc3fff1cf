// SPDX-License-Identifier: Apache-2.0
#include "transfusion/model.hpp"

int main() {}
