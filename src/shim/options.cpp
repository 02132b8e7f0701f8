// SPDX-License-Identifier: Apache-2.0
#include "shim/options.h"

namespace berth::shim {

ShimOptions decode_options(std::string_view json_text) {
    return with_context("shim.json", [&] {
        auto options = json::decode_text<ShimOptions>(json_text);
        if (options.id.empty()) throw Error(ErrorKind::invalid_argument, "id: missing");
        const LogSettings& log = options.log;
        if (log.driver != "json-file" && log.driver != "local" && log.driver != "none")
            throw make_error(ErrorKind::invalid_argument, "log.driver: unknown value \"{}\"", log.driver);
        if (log.max_file == 0) throw Error(ErrorKind::invalid_argument, "log.max_file: must be at least 1");
        if (!log.attrs.is_null() && !log.attrs.is_object())
            throw Error(ErrorKind::invalid_argument, "log.attrs: expected an object");
        return options;
    });
}

std::string encode_options(const ShimOptions& options) {
    return json::print(json::encode(options));
}

LogOptions log_options(const LogSettings& settings, int directory) {
    LogOptions options;
    options.format = settings.driver == "none"    ? LogFormat::none
                     : settings.driver == "local" ? LogFormat::local
                                                  : LogFormat::json_file;
    options.path = settings.path;
    options.directory = directory;
    options.max_size = settings.max_size;
    options.max_file = settings.max_file;
    options.compress = settings.compress;
    if (settings.attrs.is_object() && !settings.attrs.get_object().empty())
        options.attrs = json::print(settings.attrs);
    return options;
}

}  // namespace berth::shim
