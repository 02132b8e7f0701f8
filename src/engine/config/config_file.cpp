// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "engine/config/load.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// As Go's "%v" prints what it read from JSON: a list is [a b], an object map[key:value] with sorted keys.
std::string go_text(const json::Value& value) {
    if (value.is_string()) return std::string(value.get_string());
    if (value.is_array()) {
        std::string text;
        for (const json::Value& element : value.get_array())
            text += (text.empty() ? "" : " ") + go_text(element);
        return '[' + text + ']';
    }
    if (value.is_object()) {
        std::vector<std::string> members;
        for (const auto& member : value.get_object())
            members.push_back(fmt::format("{}:{}", std::string_view(member.key()), go_text(member.value())));
        std::ranges::sort(members);
        return "map[" + join(members, " ") + ']';
    }
    return value.is_null() ? "<nil>" : json::print(value);
}

/// What a flag's value prints itself as.
std::string flag_text(const Option& option, const std::vector<std::string>& values) {
    switch (option.kind) {
        case Option::Kind::map: {
            std::vector<std::string> members;
            for (std::string pair : values) {
                if (size_t at = pair.find('='); at != std::string::npos) pair[at] = ':';
                members.push_back(std::move(pair));
            }
            std::ranges::sort(members);
            return "map[" + join(members, " ") + ']';
        }
        case Option::Kind::list:
        case Option::Kind::ulimits:
        case Option::Kind::runtimes:
        case Option::Kind::pools:
        case Option::Kind::features:
        case Option::Kind::nested: return '[' + join(values, " ") + ']';
        case Option::Kind::boolean:
        case Option::Kind::number:
        case Option::Kind::text:
        case Option::Kind::bytes:
        case Option::Kind::ignored: return values.empty() ? "" : values.back();
    }
    return {};
}

/// "scheme://user:password@host" without what is secret.
std::string masked(const std::string& url) {
    size_t start = url.find("://");
    size_t at = url.find('@');
    if (start == std::string::npos || at == std::string::npos || at < start) return url;
    return url.substr(0, start + 3) + "xxxxx:xxxxx" + url.substr(at);
}

bool is_flat(std::string_view key) {
    const Option* option = find_by_key(key);
    if (!option) return false;
    switch (option->kind) {
        case Option::Kind::map:
        case Option::Kind::ulimits:
        case Option::Kind::runtimes:
        case Option::Kind::features:
        case Option::Kind::nested:
        case Option::Kind::ignored: return true;
        case Option::Kind::boolean:
        case Option::Kind::number:
        case Option::Kind::text:
        case Option::Kind::list:
        case Option::Kind::bytes:
        case Option::Kind::pools: return false;
    }
    return false;
}

/// Groups of keys ("proxies": {"http-proxy": …}) count as if their members stood in the file themselves.
json::Object flattened(const json::Object& document) {
    json::Object values;
    for (const auto& member : document) {
        if (member.value().is_object() && !is_flat(member.key()))
            for (const auto& inner : member.value().get_object())
                values.insert_or_assign(inner.key(), inner.value());
        else
            values.insert_or_assign(member.key(), member.value());
    }
    return values;
}

void check_known(const json::Object& values) {
    std::vector<std::string> unknown;
    for (const auto& member : values)
        if (!find_by_key(member.key())) unknown.emplace_back(member.key());
    if (!unknown.empty())
        throw make_error(ErrorKind::invalid_argument,
                         "the following directives don't match any configuration option: {}",
                         join(unknown, ", "));
}

void check_conflicts(const json::Object& values, const FlagValues& flags) {
    std::vector<std::string> conflicts;
    for (const Option& option : kOptions) {
        std::string_view key = option.file_key();
        auto flag = flags.find(std::string(option.flag));
        const json::Value* in_file = values.if_contains({key.data(), key.size()});
        // Runtimes of both places are taken together.
        if (option.flag.empty() || flag == flags.end() || !in_file || key == "runtimes") continue;
        std::string from_flag = flag_text(option, flag->second), from_file = go_text(*in_file);
        if (key == "http-proxy" || key == "https-proxy")
            from_flag = masked(from_flag), from_file = masked(from_file);
        conflicts.push_back(fmt::format("{}: (from flag: {}, from file: {})", key, from_flag, from_file));
    }
    if (values.contains("host-gateway-ip") && values.contains("host-gateway-ips"))
        throw Error(ErrorKind::invalid_argument,
                    "host-gateway-ip and host-gateway-ips must not both be specified in the config file");
    if (!conflicts.empty())
        throw make_error(ErrorKind::invalid_argument,
                         "the following directives are specified both as a flag and in the configuration "
                         "file: {}",
                         join(conflicts, ", "));
}

}  // namespace

std::optional<FileConfig> read_config_file(const ConfigSources& sources) {
    if (sources.config_file.empty()) return std::nullopt;
    std::optional<std::string> text = sys::try_read_file(sources.config_file);
    if (!text && !sources.config_file_given) return std::nullopt;
    if (!text)
        throw make_error(ErrorKind::not_found, "open {}: no such file or directory", sources.config_file);
    std::string_view document = *text;
    if (document.starts_with("\xef\xbb\xbf")) document.remove_prefix(3);
    FileConfig file;
    if (trim(document).empty()) return file;
    json::Value value = json::parse(document);
    if (!value.is_object())
        throw Error(ErrorKind::invalid_argument,
                    "json: cannot unmarshal a value that is no object into Go value of type config.Config");
    file.values = flattened(value.get_object());
    check_known(file.values);
    check_conflicts(file.values, sources.flags);
    return file;
}

}  // namespace berth::engine
