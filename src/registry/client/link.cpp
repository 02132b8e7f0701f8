// SPDX-License-Identifier: Apache-2.0
#include "registry/client/link.h"

#include "base/strings.h"

namespace berth::registry {

namespace {

bool is_next(std::string_view parameters) {
    for (std::string_view part : split(parameters, ';')) {
        size_t equals = part.find('=');
        if (equals == std::string_view::npos || trim(part.substr(0, equals)) != "rel") continue;
        std::string_view value = trim(part.substr(equals + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
            value = value.substr(1, value.size() - 2);
        for (std::string_view relation : split_fields(value))
            if (relation == "next") return true;
    }
    return false;
}

}  // namespace

std::optional<std::string> next_link(const http::Headers& headers) {
    for (std::string_view field : headers.all("Link")) {
        // A target may hold commas and semicolons, so each link begins at its '<'.
        while (true) {
            size_t open = field.find('<');
            size_t close = open == std::string_view::npos ? open : field.find('>', open);
            if (close == std::string_view::npos) break;
            std::string_view target = field.substr(open + 1, close - open - 1);
            std::string_view rest = field.substr(close + 1);
            std::string_view parameters = rest.substr(0, rest.find('<'));
            while (parameters.ends_with(',') || parameters.ends_with(' ')) parameters.remove_suffix(1);
            if (is_next(parameters)) return std::string(target);
            field = rest;
        }
    }
    return std::nullopt;
}

}  // namespace berth::registry
