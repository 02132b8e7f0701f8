// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "registry/client/transport.h"
#include "spec/credentials.h"

namespace berth::registry {

/// See Client::login.
async::Task<std::string> login_to(Transport& transport, std::string host, spec::Credentials credentials);

}  // namespace berth::registry
