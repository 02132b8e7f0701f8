// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/format/inspect.h"
#include "cli/format/typed.h"
#include "cli/output.h"
#include "cli/system/client_version.h"
#include "cli/system/info_text.h"
#include "client/json_path.h"

namespace berth::cli {
namespace {

json::Object client_info(Session& session) {
    json::Object client = client_version(session, "");
    client["Debug"] = session.is_debug();
    client["Plugins"] = json::Array();
    client["Warnings"] = nullptr;
    return client;
}

/// Whether the template asks for anything that the daemon must be asked for.
bool needs_daemon(const tmpl::Template& form, const json::Object& client) {
    try {
        form.run(tmpl::Value::object({{"ClientInfo", typed(client, "*system.clientInfo")},
                                      {"ClientErrors", tmpl::Value::nil("[]string")}}));
        return false;
    } catch (const Error&) {
        return true;
    }
}

bool has_field(std::string_view format) {
    for (size_t i = 0; i + 1 < format.size(); ++i)
        if (format[i] == '.' && ((format[i + 1] | 32) >= 'a' && (format[i + 1] | 32) <= 'z')) return true;
    return false;
}

json::Value ask(Session& session, std::exception_ptr& failure) {
    try {
        json::Value info = session.call({.path = "/info"});
        return info.is_object() ? info : json::Value(json::Object());
    } catch (const Error&) {
        failure = std::current_exception();
        return json::Object();
    }
}

/// Of the hub, where it stands in config.json itself.
std::string user_name(Session& session) {
    constexpr std::string_view kHub = "docker.io";
    client::ConfigFile& config = session.config();
    if (config.helper_for(kHub)) return {};
    auto credentials = config.credentials_for(kHub);
    return credentials ? credentials->username : std::string();
}

std::string message_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error_line(error);
    }
}

int print_formatted(Session& session, std::string_view format) {
    tmpl::Template form = parse_format(format, "");
    json::Object client = client_info(session);
    std::exception_ptr failure;
    json::Value info = json::Object();
    if (!has_field(format) || needs_daemon(form, client)) info = ask(session, failure);
    info.get_object()["ClientInfo"] = std::move(client);
    // Told at once: the template need not tell it.
    if (failure) print_error(message_of(failure) + '\n');
    std::string text;
    std::exception_ptr refused;
    try {
        text = form.run(typed(info, "system.dockerInfo"));
    } catch (const Error&) {
        refused = std::current_exception();
    }
    print_out(text + '\n');
    if (refused) std::rethrow_exception(refused);
    if (failure) throw ExitStatus{1, ""};
    return 0;
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    std::string format = invocation.flags.text("format");
    if (!format.empty()) return print_formatted(session, format);
    session.engine();
    std::exception_ptr failure;
    json::Value info = ask(session, failure);
    std::string text = "Client:\n" + client_info_text(client_info(session)) + "\nServer:\n";
    if (!failure) text += server_info_text(info, user_name(session), session.is_debug());
    print_out(text);
    if (failure) std::rethrow_exception(failure);
    for (const std::string& warning : client::texts_at(info, "Warnings")) print_error(warning + '\n');
    return 0;
}

constexpr Flag kFlags[] = {kInspectFormatFlag};
constexpr std::string_view kAliases[] = {"system info", "info"};

}  // namespace

constinit const Command kInfoCommand = {
    .name = "info",
    .summary = "Display system-wide information",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
    .aliases = kAliases,
    .section = "Common Commands",
};

}  // namespace berth::cli
