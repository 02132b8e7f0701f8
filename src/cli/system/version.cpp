// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ctime>

#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/format/inspect.h"
#include "cli/format/typed.h"
#include "cli/output.h"
#include "cli/system/client_version.h"
#include "client/json_path.h"

namespace berth::cli {
namespace {

/// Lines of a label and a value, set in two columns.
class Block {
  public:
    void add(std::string label, std::string value) {
        lines_.emplace_back(std::move(label), std::move(value));
    }
    std::string text() const {
        size_t width = 20;
        for (const auto& line : lines_) width = std::max(width, line.first.size() + 1);
        std::string text;
        for (const auto& [label, value] : lines_) text += fmt::format("\n{:<{}}{}", label, width, value);
        return text;
    }

  private:
    std::vector<std::pair<std::string, std::string>> lines_;
};

std::string client_text(const json::Value& client) {
    auto of = [&](std::string_view key) { return client::text_at(client, key); };
    std::string api = of("ApiVersion"), newest = of("DefaultAPIVersion");
    Block block;
    block.add(" Version:", of("Version"));
    block.add(" API version:", api == newest ? api : fmt::format("{} (downgraded from {})", api, newest));
    block.add(" Go version:", of("GoVersion"));
    block.add(" Git commit:", of("GitCommit"));
    block.add(" Built:", of("BuildTime"));
    block.add(" OS/Arch:", of("Os") + '/' + of("Arch"));
    block.add(" Context:", of("Context"));
    return "Client:" + block.text();
}

/// What daemons before 18.06 say of themselves, as a component.
json::Value engine_of(const json::Value& server) {
    json::Object details;
    for (const char* key :
         {"ApiVersion", "MinAPIVersion", "GitCommit", "GoVersion", "Os", "Arch", "BuildTime"})
        details[key] = client::text_at(server, key);
    details["Experimental"] = client::flag_at(server, "Experimental") ? "true" : "false";
    json::Object engine;
    engine["Name"] = "Engine";
    engine["Version"] = client::text_at(server, "Version");
    engine["Details"] = std::move(details);
    return engine;
}

std::string engine_text(const json::Value& component) {
    auto of = [&](std::string_view key) { return client::text_at(component, "Details." + std::string(key)); };
    Block block;
    block.add("  Version:", client::text_at(component, "Version"));
    block.add("  API version:",
              fmt::format("{} (minimum version {})", of("ApiVersion"), of("MinAPIVersion")));
    block.add("  Go version:", of("GoVersion"));
    block.add("  Git commit:", of("GitCommit"));
    block.add("  Built:", of("BuildTime"));
    block.add("  OS/Arch:", of("Os") + '/' + of("Arch"));
    block.add("  Experimental:", of("Experimental"));
    return block.text();
}

std::string component_text(const json::Value& component) {
    std::string name = client::text_at(component, "Name");
    std::string text = fmt::format("\n {}:", name);
    if (name == "Engine") return text + engine_text(component);
    Block block;
    block.add("  Version:", client::text_at(component, "Version"));
    const json::Value* details = client::find_at(component, "Details");
    std::vector<std::string> keys;
    if (details != nullptr && details->is_object())
        for (const auto& member : details->get_object()) keys.emplace_back(member.key());
    std::ranges::sort(keys);
    for (const std::string& key : keys)
        block.add(fmt::format("  {}:", key), std::string(details->get_object().at(key).as_string()));
    return text + block.text();
}

std::string server_text(const json::Value& server) {
    std::string name = client::text_at(server, "Platform.Name");
    std::string text = name.empty() ? "\n\nServer:" : "\n\nServer: " + name;
    for (const json::Value& component : server.at("Components").get_array())
        text += component_text(component);
    return text;
}

/// "2026-05-07T21:09:36.000000000+00:00" as "Thu May  7 21:09:36 2026"; other texts as they are.
std::string build_time(const std::string& text) {
    struct tm parts{};
    const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (end == nullptr || *end == '\0') return text;
    char shown[64];
    size_t length = ::strftime(shown, sizeof shown, "%a %b %e %H:%M:%S %Y", &parts);
    return std::string(shown, length);
}

void show_build_times(json::Value& components) {
    for (json::Value& component : components.get_array()) {
        if (client::text_at(component, "Name") != "Engine") continue;
        std::string time = client::text_at(component, "Details.BuildTime");
        if (!time.empty()) component.at("Details").get_object()["BuildTime"] = build_time(time);
    }
}

/// The answer, or the failure for want of a daemon, which is told after what is known without one.
json::Value ask(Session& session, std::exception_ptr& failure) {
    try {
        json::Value server = session.call({.path = "/version"});
        if (!server.is_object()) throw Error(ErrorKind::unavailable, "the daemon gave no version");
        if (client::list_at(server, "Components").empty())
            server.get_object()["Components"] = json::Array{engine_of(server)};
        show_build_times(server.get_object()["Components"]);
        return server;
    } catch (const Error&) {
        failure = std::current_exception();
        return nullptr;
    }
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    std::string format = invocation.flags.text("format");
    std::optional<tmpl::Template> form;
    if (!format.empty()) form = parse_format(format, "version");
    client::Engine& engine = session.engine();
    std::exception_ptr failure;
    json::Object whole;
    json::Value server = ask(session, failure);
    whole["Client"] = client_version(session, engine.api_version());
    whole["Server"] = server;
    json::Value value(std::move(whole));
    std::string text;
    if (form) {
        try {
            text = form->run(typed(value, "system.versionInfo"));
        } catch (const Error&) {
            if (!failure) failure = std::current_exception();
        }
    } else {
        text = client_text(value.at("Client"));
        if (!server.is_null()) text += server_text(server);
    }
    print_out(text + '\n');
    if (failure) std::rethrow_exception(failure);
    return 0;
}

constexpr Flag kFlags[] = {kInspectFormatFlag};

}  // namespace

constinit const Command kVersionCommand = {
    .name = "version",
    .summary = "Show the Docker version information",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
    .section = "Common Commands",
};

}  // namespace berth::cli
