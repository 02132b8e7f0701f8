// SPDX-License-Identifier: Apache-2.0
#include "cli/format/object_name.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/strings.h"
#include "client/engine.h"

namespace berth::cli {

std::string object_segment(std::string_view kind, std::string_view name) {
    std::string_view trimmed = trim(name);
    if (trimmed.empty())
        throw make_error(ErrorKind::invalid_argument, "invalid {} name or ID: value is empty", kind);
    return client::path_segment(trimmed);
}

std::string object_path(std::string_view kind, std::string_view name, std::string_view rest) {
    return fmt::format("/{}s/{}{}", kind, object_segment(kind, name), rest);
}

}  // namespace berth::cli
