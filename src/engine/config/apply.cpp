// SPDX-License-Identifier: Apache-2.0
// One option's value, from a flag's words or from JSON, into its member.
#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "engine/config/fields.h"
#include "engine/config/load.h"
#include "engine/config/values.h"

namespace berth::engine {

namespace {

template <typename... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};

using Values = std::vector<std::string>;

// --- flags -------------------------------------------------------------------------------------------------

int64_t checked_number(const std::string& text) {
    if (auto number = parse_number<int64_t>(text)) return *number;
    throw make_error(ErrorKind::invalid_argument, "strconv.ParseInt: parsing {}: invalid syntax",
                     quote(text));
}

void add_pair(TextMap& map, const std::string& text) {
    size_t at = text.find('=');
    map[text.substr(0, at)] = at == std::string::npos ? "" : text.substr(at + 1);
}

/// "bridge=com.docker.network.driver.mtu=9001"
void add_nested(std::map<std::string, TextMap>& map, const std::string& text) {
    size_t at = text.find('=');
    if (at == std::string::npos || text.find('=', at + 1) == std::string::npos)
        throw make_error(ErrorKind::invalid_argument, "invalid value {}, must be of the form name=key=value",
                         quote(text));
    add_pair(map[text.substr(0, at)], text.substr(at + 1));
}

void set_from_flag(Target target, const Values& values) {
    std::visit(Overloaded{
                   [](std::monostate) {},
                   [&](bool* into) { *into = values.back() == "true"; },
                   [&](int* into) { *into = static_cast<int>(checked_number(values.back())); },
                   [&](int64_t* into) { *into = parse_bytes(values.back()); },
                   [&](std::string* into) { *into = values.back(); },
                   [&](Texts* into) { *into = values; },
                   [&](TextMap* into) {
                       for (const std::string& value : values) add_pair(*into, value);
                   },
                   [&](std::map<std::string, UlimitSetting>* into) {
                       for (const std::string& value : values) {
                           UlimitSetting setting = parse_ulimit(value);
                           std::string name = setting.name;
                           (*into)[std::move(name)] = std::move(setting);
                       }
                   },
                   [&](std::map<std::string, RuntimeSetting>* into) {
                       for (const std::string& value : values) {
                           auto [name, setting] = parse_runtime(value);
                           if (into->contains(name))
                               throw make_error(ErrorKind::invalid_argument,
                                                "runtime '{}' was already defined", name);
                           into->emplace(std::move(name), std::move(setting));
                       }
                   },
                   [&](std::vector<AddressPoolSetting>* into) {
                       for (const std::string& value : values) into->push_back(parse_address_pool(value));
                   },
                   [&](std::map<std::string, bool>* into) {
                       for (const std::string& value : values)
                           into->insert_or_assign(parse_feature(value).first, parse_feature(value).second);
                   },
                   [&](std::map<std::string, TextMap>* into) {
                       for (const std::string& value : values) add_nested(*into, value);
                   },
               },
               target);
}

// --- the file ----------------------------------------------------------------------------------------------

std::string_view go_kind(const json::Value& value) {
    if (value.is_string()) return "string";
    if (value.is_bool()) return "bool";
    if (value.is_number()) return "number";
    return value.is_array() ? "array" : "object";
}

[[noreturn]] void wrong_type(std::string_view key, const json::Value& value, std::string_view wanted) {
    throw make_error(ErrorKind::invalid_argument,
                     "json: cannot unmarshal {} into Go struct field Config.{} of type {}", go_kind(value),
                     key, wanted);
}

bool json_bool(std::string_view key, const json::Value& value) {
    if (!value.is_bool()) wrong_type(key, value, "bool");
    return value.get_bool();
}

int64_t json_number(std::string_view key, const json::Value& value) {
    if (value.is_int64()) return value.get_int64();
    wrong_type(key, value, "int");
}

std::string json_text(std::string_view key, const json::Value& value) {
    if (!value.is_string()) wrong_type(key, value, "string");
    return std::string(value.get_string());
}

const json::Object& json_object(std::string_view key, const json::Value& value, std::string_view wanted) {
    if (!value.is_object()) wrong_type(key, value, wanted);
    return value.get_object();
}

Texts json_texts(std::string_view key, const json::Value& value) {
    if (!value.is_array()) wrong_type(key, value, "[]string");
    Texts texts;
    for (const json::Value& element : value.get_array()) texts.push_back(json_text(key, element));
    return texts;
}

TextMap json_text_map(std::string_view key, const json::Value& value) {
    TextMap map;
    for (const auto& member : json_object(key, value, "map[string]string"))
        map[std::string(member.key())] = json_text(key, member.value());
    return map;
}

/// A member whose name is compared without case, as Go does.
const json::Value* member_of(const json::Object& object, std::string_view name) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
    for (const auto& member : object)
        if (std::ranges::equal(std::string_view(member.key()), name, {}, lower, lower))
            return &member.value();
    return nullptr;
}

UlimitSetting json_ulimit(std::string_view key, std::string_view name, const json::Value& value) {
    const json::Object& object = json_object(key, value, "units.Ulimit");
    UlimitSetting setting{.name = std::string(name)};
    if (const json::Value* soft = member_of(object, "Soft")) setting.soft = json_number(key, *soft);
    if (const json::Value* hard = member_of(object, "Hard")) setting.hard = json_number(key, *hard);
    return parse_ulimit(fmt::format("{}={}:{}", setting.name, setting.soft, setting.hard));
}

RuntimeSetting json_runtime(std::string_view key, const json::Value& value) {
    const json::Object& object = json_object(key, value, "types.Runtime");
    RuntimeSetting setting;
    if (const json::Value* path = member_of(object, "path")) setting.path = json_text(key, *path);
    if (const json::Value* args = member_of(object, "runtimeArgs")) setting.args = json_texts(key, *args);
    if (const json::Value* type = member_of(object, "runtimeType")) setting.type = json_text(key, *type);
    return setting;
}

AddressPoolSetting json_pool(std::string_view key, const json::Value& value) {
    const json::Object& object = json_object(key, value, "ipamutils.NetworkToSplit");
    AddressPoolSetting pool;
    if (const json::Value* base = member_of(object, "base")) pool.base = json_text(key, *base);
    if (const json::Value* size = member_of(object, "size"))
        pool.size = static_cast<int>(json_number(key, *size));
    return pool;
}

void set_from_json(Target target, std::string_view key, const json::Value& value) {
    std::visit(
        Overloaded{
            [](std::monostate) {},
            [&](bool* into) { *into = json_bool(key, value); },
            [&](int* into) { *into = static_cast<int>(json_number(key, value)); },
            [&](int64_t* into) {
                *into = value.is_string() ? parse_bytes(json_text(key, value)) : json_number(key, value);
            },
            [&](std::string* into) { *into = json_text(key, value); },
            [&](Texts* into) { *into = json_texts(key, value); },
            [&](TextMap* into) { *into = json_text_map(key, value); },
            [&](std::map<std::string, UlimitSetting>* into) {
                for (const auto& member : json_object(key, value, "map[string]*units.Ulimit"))
                    (*into)[std::string(member.key())] = json_ulimit(key, member.key(), member.value());
            },
            [&](std::map<std::string, RuntimeSetting>* into) {
                for (const auto& member : json_object(key, value, "map[string]types.Runtime"))
                    (*into)[std::string(member.key())] = json_runtime(key, member.value());
            },
            [&](std::vector<AddressPoolSetting>* into) {
                if (!value.is_array()) wrong_type(key, value, "[]*ipamutils.NetworkToSplit");
                for (const json::Value& element : value.get_array()) into->push_back(json_pool(key, element));
            },
            [&](std::map<std::string, bool>* into) {
                for (const auto& member : json_object(key, value, "map[string]bool"))
                    (*into)[std::string(member.key())] = json_bool(key, member.value());
            },
            [&](std::map<std::string, TextMap>* into) {
                for (const auto& member : json_object(key, value, "map[string]map[string]string"))
                    (*into)[std::string(member.key())] = json_text_map(key, member.value());
            },
        },
        target);
}

/// What a flag's words are checked for at once, as dockerd's own flags do.
void check_flag_value(const Option& option, const std::string& value) {
    if (option.flag == "label") check_label(value);
    if (option.flag == "dns" || option.flag == "host-gateway-ip" || option.flag == "default-publish-ip")
        check_ip(value);
    if (option.flag == "dns-search") check_dns_search(value);
    if (option.flag == "registry-mirror") checked_mirror(value);
}

}  // namespace

void apply_flags(DaemonConfig& config, const FlagValues& flags) {
    for (const Option& option : kOptions) {
        auto given = flags.find(std::string(option.flag));
        if (option.flag.empty() || given == flags.end() || given->second.empty()) continue;
        try {
            for (const std::string& value : given->second) check_flag_value(option, value);
            set_from_flag(target_of(config, option.file_key()), given->second);
        } catch (const Error& error) {
            std::string shown = option.shorthand ? fmt::format("-{}, --{}", option.shorthand, option.flag)
                                                 : fmt::format("--{}", option.flag);
            throw make_error(ErrorKind::invalid_argument, "invalid argument {} for \"{}\" flag: {}",
                             quote(given->second.back()), shown, error.what());
        }
    }
}

void apply_file(DaemonConfig& config, const FileConfig& file) {
    for (const auto& member : file.values) {
        std::string_view key = member.key();
        if (member.value().is_null()) continue;
        if (key == "host-gateway-ip")
            config.network.host_gateway_ips = {json_text(key, member.value())};
        else
            set_from_json(target_of(config, key), key, member.value());
    }
}

}  // namespace berth::engine
