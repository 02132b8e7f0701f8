// SPDX-License-Identifier: Apache-2.0
#include "api/content_type.h"

#include "base/error.h"
#include "base/strings.h"
#include "http/message.h"

namespace berth::api {

void check_content_type(std::string_view header, std::string_view wanted) {
    std::string_view type = trim(header.substr(0, header.find(';')));
    if (type.empty())
        throw make_error(ErrorKind::invalid_argument,
                         "malformed Content-Type header ({}): mime: no media type", header);
    if (type.find_first_of(" \t,\"()<>@:[]?={}") != std::string_view::npos)
        throw make_error(ErrorKind::invalid_argument,
                         "malformed Content-Type header ({}): mime: unexpected content after media subtype",
                         header);
    if (!http::same_name(type, wanted))
        throw make_error(ErrorKind::invalid_argument, "unsupported Content-Type header ({}): must be '{}'",
                         header, wanted);
}

}  // namespace berth::api
