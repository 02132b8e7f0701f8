// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/log_options.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/byte_size.h"
#include "base/decimal.h"
#include "base/strings.h"
#include "engine/logs/log_address.h"

namespace berth::engine {

namespace {

Error wrong(std::string text) {
    return Error(ErrorKind::invalid_argument, std::move(text));
}

std::string get(const LogOptionMap& options, const std::string& key) {
    auto found = options.find(key);
    return found == options.end() ? std::string() : found->second;
}

using Names = std::set<std::string, std::less<>>;

const Names kAttributes = {"labels", "labels-regex", "env", "env-regex", "tag"};
const Names kFiles = {"max-size", "max-file", "compress"};
const Names kBuiltIn = {"mode",           "max-buffer-size", "cache-disabled",
                        "cache-max-size", "cache-max-file",  "cache-compress"};
const Names kSyslog = {"syslog-address", "syslog-facility", "syslog-tls-ca-cert",    "syslog-tls-cert",
                       "syslog-tls-key", "syslog-format",   "syslog-tls-skip-verify"};
const Names kFluentd = {"fluentd-address",
                        "fluentd-async",
                        "fluentd-async-connect",
                        "fluentd-async-reconnect-interval",
                        "fluentd-buffer-limit",
                        "fluentd-max-retries",
                        "fluentd-request-ack",
                        "fluentd-retry-wait",
                        "fluentd-read-timeout",
                        "fluentd-write-timeout",
                        "fluentd-sub-second-precision"};

void check_names(const LogOptionMap& options, const std::string& driver, const Names& own) {
    for (const auto& [key, value] : options) {
        if (kBuiltIn.contains(key) || kAttributes.contains(key) || own.contains(key)) continue;
        if (driver == "local") throw wrong("unknown log opt '" + key + "' for log driver local");
        throw wrong("unknown log opt '" + key + "' for " + driver + " log driver");
    }
}

void check_mode(const LogOptionMap& options) {
    std::string mode = get(options, "mode");
    if (!mode.empty() && mode != "blocking" && mode != "non-blocking")
        throw wrong("logger: logging mode not supported: " + mode);
    auto size = options.find("max-buffer-size");
    if (size == options.end()) return;
    if (mode != "non-blocking")
        throw wrong("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    if (!parse_byte_size(size->second))
        throw wrong("error parsing option max-buffer-size: invalid size: '" + size->second + "'");
}

void check_syslog(const LogOptionMap& options) {
    parse_syslog_address(get(options, "syslog-address"));
    parse_syslog_facility(get(options, "syslog-facility"));
    std::string format = get(options, "syslog-format");
    if (!format.empty() && format != "rfc3164" && format != "rfc5424" && format != "rfc5424micro")
        throw wrong("Invalid syslog format");
}

void check_fluentd(const LogOptionMap& options) {
    parse_fluentd_address(get(options, "fluentd-address"));
    if (std::string limit = get(options, "fluentd-buffer-limit"); !limit.empty() && !parse_byte_size(limit))
        throw wrong("invalid size: '" + limit + "'");
    if (std::string retries = get(options, "fluentd-max-retries");
        !retries.empty() && !parse_number<uint32_t>(retries))
        throw wrong("strconv.ParseUint: parsing " + quote(retries) + ": invalid syntax");
    if (!get(options, "fluentd-async").empty() && !get(options, "fluentd-async-connect").empty())
        throw wrong("conflicting options: cannot specify both 'fluentd-async' and 'fluentd-async-connect'");
    for (const char* key :
         {"fluentd-async", "fluentd-async-connect", "fluentd-sub-second-precision", "fluentd-request-ack"})
        if (std::string value = get(options, key); !value.empty()) parse_bool_option(value);
    if (std::string wait = get(options, "fluentd-retry-wait"); !wait.empty()) parse_duration_option(wait);
    for (std::string key : {"fluentd-read-timeout", "fluentd-write-timeout"}) {
        std::string value = get(options, key);
        if (value.empty()) continue;
        int64_t limit =
            with_context("invalid value for " + key, [&] { return parse_duration_option(value); });
        if (limit < 0) throw wrong("invalid value for " + key + ": must be positive");
    }
    if (std::string interval = get(options, "fluentd-async-reconnect-interval"); !interval.empty()) {
        int64_t time = with_context("invalid value for fluentd-async-reconnect-interval",
                                    [&] { return parse_duration_option(interval); });
        if (time != 0 && (time < 100'000'000 || time > 10'000'000'000))
            throw wrong("invalid value for fluentd-async-reconnect-interval: value (" + interval +
                        ") must be between 100ms and 10s");
    }
}

void check_gelf_value(const LogAddress& address, const std::string& key, const std::string& value) {
    auto unknown_value = [&] {
        return wrong("unknown value " + quote(value) + " for log opt " + quote(key) + " for gelf log driver");
    };
    if (key == "gelf-compression-level" || key == "gelf-compression-type") {
        if (address.scheme != "udp") throw wrong("compression is only supported on UDP");
        if (key == "gelf-compression-level") {
            auto level = parse_number<int>(value);
            if (!level || *level < -1 || *level > 9) throw unknown_value();
        } else if (value != "gzip" && value != "zlib" && value != "none") {
            throw unknown_value();
        }
    } else if (key == "gelf-tcp-max-reconnect" || key == "gelf-tcp-reconnect-delay") {
        if (address.scheme != "tcp") throw wrong(quote(key) + " is only valid for TCP");
        auto number = parse_number<int>(value);
        if (!number || *number < 0) throw wrong(quote(key) + " must be a positive integer");
    } else if (key != "gelf-address" && !kAttributes.contains(key) && !kBuiltIn.contains(key)) {
        throw wrong("unknown log opt " + quote(key) + " for gelf log driver");
    }
}

void check_gelf(const LogOptionMap& options) {
    LogAddress address = parse_gelf_address(get(options, "gelf-address"));
    for (const auto& [key, value] : options) check_gelf_value(address, key, value);
}

/// A size with units of 1000, as go-units' FromHumanSize. `text` "-1" is no size.
int64_t decimal_size(const std::string& text) {
    std::string_view unit = text;
    std::optional<double> amount = take_decimal(unit);
    auto bad = [&] { return wrong("invalid size: '" + text + "'"); };
    if (!amount) throw bad();
    if (unit.starts_with(' ')) unit.remove_prefix(1);
    double factor = 1;
    if (!unit.empty()) {
        constexpr std::string_view kUnits = "bkmgtp";
        char letter = unit[0] >= 'A' && unit[0] <= 'Z' ? static_cast<char>(unit[0] + 32) : unit[0];
        size_t power = kUnits.find(letter);
        if (power == std::string_view::npos) throw bad();
        for (size_t i = 0; i < power; ++i) factor *= 1000;
        unit.remove_prefix(1);
        if (power > 0 && (unit == "b" || unit == "B")) unit.remove_prefix(1);
        if (!unit.empty()) throw bad();
    }
    if (*amount * factor >= 9.2e18) throw bad();
    return static_cast<int64_t>(*amount * factor);
}

int go_number(const std::string& text) {
    if (auto number = parse_number<int>(text)) return *number;
    throw wrong("strconv.Atoi: parsing " + quote(text) + ": invalid syntax");
}

constexpr uint64_t kDefaultSize = 20'000'000;
constexpr uint32_t kDefaultFiles = 5;

void plan_json_file(const LogOptionMap& options, shim::LogSettings& settings) {
    auto size = options.find("max-size");
    auto files = options.find("max-file");
    auto compress = options.find("compress");
    settings.max_size = kDefaultSize;
    settings.max_file = size == options.end() ? kDefaultFiles : 1;
    settings.compress = size == options.end() && files == options.end();
    if (size != options.end() && size->second == "-1") {
        settings.max_size = 0;
    } else if (size != options.end()) {
        int64_t bytes = decimal_size(size->second);
        if (bytes <= 0) throw wrong("max-size must be a positive number");
        settings.max_size = static_cast<uint64_t>(bytes);
    }
    if (files != options.end()) {
        int count = go_number(files->second);
        if (count < 1) throw wrong("max-file cannot be less than 1");
        settings.max_file = static_cast<uint32_t>(count);
    }
    if (compress != options.end()) settings.compress = parse_bool_option(compress->second);
    if (settings.compress && (settings.max_file == 1 || settings.max_size == 0))
        throw wrong("compress cannot be true when max-file is less than 2 or max-size is not set");
}

/// `prefix`: "cache-" for a forwarded log's.
void plan_local(const LogOptionMap& options, const std::string& prefix, shim::LogSettings& settings) {
    settings.max_size = kDefaultSize;
    settings.max_file = kDefaultFiles;
    settings.compress = true;
    if (auto size = options.find(prefix + "max-size"); size != options.end() && size->second == "-1") {
        settings.max_size = 0;
    } else if (size != options.end()) {
        settings.max_size = static_cast<uint64_t>(with_context("invalid value for max-size: " + size->second,
                                                               [&] { return decimal_size(size->second); }));
    }
    if (auto files = options.find(prefix + "max-file"); files != options.end()) {
        int count = with_context("invalid value for max-file: " + files->second,
                                 [&] { return go_number(files->second); });
        if (count < 0) throw wrong("max-file must not be negative");
        settings.max_file = static_cast<uint32_t>(std::max(count, 1));
    }
    if (auto compress = options.find(prefix + "compress"); compress != options.end())
        settings.compress = with_context("invalid boolean value for compress",
                                         [&] { return parse_bool_option(compress->second); });
    if (settings.compress && settings.max_file <= 1)
        throw wrong("compression cannot be enabled when max file count is 1");
}

}  // namespace

const std::vector<std::string>& log_drivers() {
    static const std::vector<std::string> kDrivers = {"fluentd",   "gelf",  "journald",
                                                      "json-file", "local", "syslog"};
    return kDrivers;
}

void validate_log_options(const std::string& driver, const LogOptionMap& options) {
    if (driver == "none") return;
    check_mode(options);
    if (std::find(log_drivers().begin(), log_drivers().end(), driver) == log_drivers().end())
        throw wrong(fmt::format("error looking up logging plugin {0}: plugin \"{0}\" not found", driver));
    if (std::string disabled = get(options, "cache-disabled"); !disabled.empty()) {
        try {
            parse_bool_option(disabled);
        } catch (const Error&) {
            throw wrong("invalid value for option cache-disabled: " + disabled);
        }
    }
    if (driver == "gelf") {
        check_gelf(options);
        return;
    }
    check_names(options, driver,
                driver == "syslog"     ? kSyslog
                : driver == "fluentd"  ? kFluentd
                : driver == "journald" ? Names()
                                       : kFiles);
    if (driver == "syslog") check_syslog(options);
    if (driver == "fluentd") check_fluentd(options);
}

bool is_forwarded(const std::string& driver) {
    return driver != "none" && driver != "json-file" && driver != "local";
}

bool is_readable(const std::string& driver, const LogOptionMap& options) {
    if (driver == "none") return false;
    std::string disabled = get(options, "cache-disabled");
    return !is_forwarded(driver) || disabled.empty() || !parse_bool_option(disabled);
}

LogPlan plan_log(const std::string& driver, const LogOptionMap& options, const LogContainer& container,
                 const std::string& folder) {
    LogPlan plan;
    shim::LogSettings& settings = plan.settings;
    settings.driver = driver == "none" || driver == "json-file" ? driver : "local";
    plan.location.format = driver == "none"        ? shim::LogFormat::none
                           : driver == "json-file" ? shim::LogFormat::json_file
                                                   : shim::LogFormat::local;
    if (driver == "none") return plan;
    std::map<std::string, std::string> attributes = log_attributes(options, container);
    if (std::string tag = log_tag(options, container, ""); !tag.empty()) attributes["tag"] = tag;
    json::Value attrs = attributes.empty() ? json::Value() : json::encode(attributes);
    if (driver == "json-file") {
        plan_json_file(options, settings);
        plan.location.path = folder + "/" + container.id + "-json.log";
        plan.inspect_path = plan.location.path;
        settings.attrs = attrs;
    } else {
        plan_local(options, driver == "local" ? "" : "cache-", settings);
        plan.location.path = folder + (driver == "local" ? "/container.log" : "/container-cached.log");
        if (!attrs.is_null()) plan.location.attrs = json::print(attrs);
    }
    settings.path = plan.location.path;
    return plan;
}

}  // namespace berth::engine
