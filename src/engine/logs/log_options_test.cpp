// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/log_options.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "engine/logs/log_address.h"

namespace berth::engine {
namespace {

template <typename Body>
std::string error_of(Body body) {
    try {
        body();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "";
}
std::string check(const std::string& driver, const LogOptionMap& options) {
    return error_of([&] { validate_log_options(driver, options); });
}

LogContainer container() {
    LogContainer result;
    result.id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    result.name = "/web";
    result.image_id = "sha256:aabbccddeeff00112233";
    result.image_name = "nginx:latest";
    result.entrypoint = "sh";
    result.args = {"-c", "true"};
    result.env = {"A=1", "AB=x=y", "NONE"};
    result.labels = {{"com.x", "l1"}, {"com.y", "l2"}, {"z", "l3"}};
    return result;
}

TEST(LogOptionsTest, DockersErrors) {
    EXPECT_EQ(check("json-file", {{"x", "1"}}), "unknown log opt 'x' for json-file log driver");
    EXPECT_EQ(check("local", {{"x", "1"}}), "unknown log opt 'x' for log driver local");
    EXPECT_EQ(check("journald", {{"max-size", "1"}}), "unknown log opt 'max-size' for journald log driver");
    EXPECT_EQ(check("splunk", {}), "error looking up logging plugin splunk: plugin \"splunk\" not found");
    EXPECT_EQ(check("none", {{"x", "1"}}), "");
    EXPECT_EQ(check("json-file", {{"mode", "fast"}}), "logger: logging mode not supported: fast");
    EXPECT_EQ(check("json-file", {{"max-buffer-size", "1m"}}),
              "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    EXPECT_EQ(check("json-file", {{"max-buffer-size", "x"}, {"mode", "non-blocking"}}),
              "error parsing option max-buffer-size: invalid size: 'x'");
    EXPECT_EQ(check("gelf", {{"gelf-address", "udp://h:1"}, {"x", "1"}}),
              R"(unknown log opt "x" for gelf log driver)");
    EXPECT_EQ(check("gelf", {}), "gelf-address is a required parameter");
    EXPECT_EQ(check("gelf", {{"gelf-address", "tcp://h:1"}, {"gelf-compression-type", "gzip"}}),
              "compression is only supported on UDP");
    EXPECT_EQ(check("syslog", {{"syslog-facility", "x"}}), "invalid syslog facility");
    EXPECT_EQ(check("syslog", {{"syslog-format", "x"}}), "Invalid syslog format");
    EXPECT_EQ(check("syslog", {{"syslog-address", "h:1"}}),
              "syslog-address should be in form proto://address, got h:1");
    EXPECT_EQ(check("fluentd", {{"fluentd-async", "x"}}),
              R"(strconv.ParseBool: parsing "x": invalid syntax)");
    EXPECT_EQ(check("fluentd", {{"fluentd-address", "udp://x"}}).substr(0, 31),
              "invalid fluentd-address udp://x");
    EXPECT_EQ(check("json-file", {{"max-size", "1m"},
                                  {"max-file", "2"},
                                  {"compress", "true"},
                                  {"labels", "a"},
                                  {"labels-regex", "a"},
                                  {"env", "a"},
                                  {"env-regex", "b"},
                                  {"tag", "t"},
                                  {"mode", "non-blocking"},
                                  {"max-buffer-size", "4m"}}),
              "");
}

TEST(LogOptionsTest, Addresses) {
    EXPECT_EQ(parse_syslog_address("tcp+tls://h"), (LogAddress{"tcp+tls", "h", 514, ""}));
    EXPECT_EQ(parse_syslog_address("udp://[::1]:99"), (LogAddress{"udp", "::1", 99, ""}));
    EXPECT_EQ(parse_fluentd_address(""), (LogAddress{"tcp", "127.0.0.1", 24224, ""}));
    EXPECT_EQ(parse_fluentd_address("host:1"), (LogAddress{"tcp", "host", 1, ""}));
    EXPECT_EQ(parse_fluentd_address("unix:///run/f.sock"), (LogAddress{"unix", "", 0, "/run/f.sock"}));
    EXPECT_EQ(parse_syslog_facility("local3"), 19);
    EXPECT_EQ(parse_syslog_facility(""), 3);
}

TEST(LogOptionsTest, Tags) {
    auto tag = [&](const std::string& text) { return log_tag({{"tag", text}}, container(), ""); };
    EXPECT_EQ(tag("{{.ID}}"), "0123456789ab");
    EXPECT_EQ(tag("{{.ImageName}}/{{ .Name }}/{{.ImageID}}"), "nginx:latest/web/sha256:aabbc");
    EXPECT_EQ(tag("{{.DaemonName}} {{upper .Name}} {{.Name | title | json}}"), "docker WEB \"Web\"");
    EXPECT_EQ(tag("{{truncate .FullID 4}}{{pad \"x\" 1 2}}"), "0123 x  ");
    EXPECT_EQ(tag("{{.Command}}"), "sh -c true");
    EXPECT_EQ(log_tag({{"tag", "{{(.ExtraAttributes nil).A}}"}, {"env", "A"}}, container(), ""), "1");
    EXPECT_EQ(log_tag({}, container(), "{{.ID}}"), "0123456789ab");
    EXPECT_NE(error_of([&] { tag("{{.Foo}}"); }).find("can't evaluate field Foo"), std::string::npos);
    EXPECT_NE(error_of([&] { tag("{{.ID"); }), "");
}

TEST(LogOptionsTest, Attributes) {
    using Map = std::map<std::string, std::string>;
    EXPECT_EQ(log_attributes({{"labels", "z,absent"}, {"env", "A"}}, container()),
              (Map{{"z", "l3"}, {"A", "1"}}));
    EXPECT_EQ(log_attributes({{"labels-regex", "^com\\."}, {"env-regex", "B$"}}, container()),
              (Map{{"com.x", "l1"}, {"com.y", "l2"}, {"AB", "x=y"}}));
    EXPECT_NE(error_of([] { log_attributes({{"env-regex", "("}}, container()); }), "");
}

TEST(LogOptionsTest, Plans) {
    auto plan = [](const std::string& driver, const LogOptionMap& options) {
        return plan_log(driver, options, container(), "/c");
    };
    LogPlan standard = plan("json-file", {});
    EXPECT_EQ(standard.settings.max_size, 20'000'000U);
    EXPECT_EQ(standard.settings.max_file, 5U);
    EXPECT_TRUE(standard.settings.compress);
    EXPECT_TRUE(standard.settings.attrs.is_null());
    EXPECT_EQ(standard.inspect_path, "/c/" + container().id + "-json.log");
    LogPlan sized = plan("json-file", {{"max-size", "10k"}, {"tag", "t"}, {"env", "A"}});
    EXPECT_EQ(sized.settings.max_size, 10'000U);
    EXPECT_EQ(sized.settings.max_file, 1U);
    EXPECT_FALSE(sized.settings.compress);
    EXPECT_EQ(json::print(sized.settings.attrs), R"({"A":"1","tag":"t"})");
    EXPECT_EQ(plan("json-file", {{"max-size", "-1"}}).settings.max_size, 0U);
    EXPECT_EQ(plan("json-file", {{"max-file", "3"}}).settings.max_size, 20'000'000U);
    EXPECT_EQ(error_of([&] { plan("json-file", {{"max-size", "0"}}); }),
              "max-size must be a positive number");
    EXPECT_EQ(error_of([&] { plan("json-file", {{"max-size", "x"}}); }), "invalid size: 'x'");
    EXPECT_EQ(error_of([&] { plan("json-file", {{"max-file", "0"}}); }), "max-file cannot be less than 1");
    EXPECT_EQ(error_of([&] { plan("json-file", {{"max-size", "1m"}, {"compress", "true"}}); }),
              "compress cannot be true when max-file is less than 2 or max-size is not set");
    LogPlan local = plan("local", {{"max-size", "1m"}, {"tag", "t"}});
    EXPECT_EQ(local.settings.max_size, 1'000'000U);
    EXPECT_EQ(local.settings.max_file, 5U);
    EXPECT_EQ(local.settings.driver, "local");
    EXPECT_EQ(local.location.attrs, R"({"tag":"t"})");
    EXPECT_EQ(local.inspect_path, "");
    LogPlan cached = plan("gelf", {{"cache-max-file", "2"}, {"gelf-address", "udp://h:1"}});
    EXPECT_EQ(cached.settings.max_file, 2U);
    EXPECT_EQ(cached.location.format, shim::LogFormat::local);
    EXPECT_EQ(plan("none", {}).settings.driver, "none");
    EXPECT_FALSE(is_readable("none", {}));
    EXPECT_FALSE(is_readable("gelf", {{"cache-disabled", "true"}}));
    EXPECT_TRUE(is_readable("gelf", {}));
}

}  // namespace
}  // namespace berth::engine
