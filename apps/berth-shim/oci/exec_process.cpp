// SPDX-License-Identifier: Apache-2.0
#include "exec_process.h"

#include "base/error.h"
#include "base/strings.h"

namespace berth::oci {

namespace {

uint32_t parse_id(std::string_view text, std::string_view kind) {
    if (auto id = parse_number<uint32_t>(text)) return *id;
    throw make_error(ErrorKind::invalid_argument, "parsing {} as int for {} failed", quote(text), kind);
}

void add_capability(spec::Process& process, const std::string& name) {
    spec::Capabilities& sets = process.capabilities ? *process.capabilities : process.capabilities.emplace();
    sets.bounding.push_back(name);
    sets.effective.push_back(name);
    sets.permitted.push_back(name);
    // Who has inheritable ones in config.json wants them to survive the change to an unprivileged user.
    if (!sets.inheritable.empty()) {
        sets.inheritable.push_back(name);
        sets.ambient.push_back(name);
    }
}

}  // namespace

UserIds parse_user(std::string_view text) {
    UserIds ids;
    size_t colon = text.find(':');
    if (colon != std::string_view::npos) ids.gid = parse_id(text.substr(colon + 1), "gid");
    ids.uid = parse_id(text.substr(0, colon), "uid");
    return ids;
}

std::map<std::string, std::string> parse_cgroups(const std::vector<std::string>& values) {
    std::map<std::string, std::string> cgroups;
    auto fail = [](const std::string& value, std::string_view why) {
        throw make_error(ErrorKind::invalid_argument, "invalid --cgroup argument: {} ({})", value, why);
    };
    for (const std::string& value : values) {
        size_t colon = value.find(':');
        if (colon == std::string::npos) {
            if (values.size() != 1) fail(value, "missing <controller>: prefix");
            cgroups[""] = value;
            continue;
        }
        std::string path = value.substr(colon + 1);
        if (path.contains(':')) fail(value, "more than one ':'");
        if (colon == 0) fail(value, "empty <controller> prefix");
        for (std::string_view controller : split(std::string_view(value).substr(0, colon), ',')) {
            if (controller.empty()) fail(value, "empty <controller> prefix");
            if (!cgroups.emplace(controller, path).second)
                fail(value, fmt::format("controller {} specified multiple times", controller));
        }
    }
    return cgroups;
}

void check_process(const spec::Process& process) {
    if (process.cwd.empty()) throw Error(ErrorKind::invalid_argument, "Cwd property must not be empty");
    if (process.cwd[0] != '/') throw Error(ErrorKind::invalid_argument, "Cwd must be an absolute path");
    if (process.args.empty()) throw Error(ErrorKind::invalid_argument, "args must not be empty");
}

spec::Process exec_process(const spec::Process& base, const Flags& flags, std::vector<std::string> args) {
    spec::Process process = base;
    process.args = std::move(args);
    process.terminal = flags.boolean("tty");
    process.consoleSize.reset();
    if (std::string cwd = flags.text("cwd"); !cwd.empty()) process.cwd = cwd;
    if (std::string profile = flags.text("apparmor"); !profile.empty()) process.apparmorProfile = profile;
    if (std::string label = flags.text("process-label"); !label.empty()) process.selinuxLabel = label;
    for (const std::string& name : flags.texts("cap")) add_capability(process, name);
    for (const std::string& variable : flags.texts("env")) process.env.push_back(variable);
    if (flags.is_set("no-new-privs")) process.noNewPrivileges = flags.boolean("no-new-privs");
    if (std::string user = flags.text("user"); !user.empty()) {
        UserIds ids = parse_user(user);
        process.user.uid = ids.uid;
        if (ids.gid) process.user.gid = *ids.gid;
    }
    for (int64_t gid : flags.numbers("additional-gids")) {
        if (gid < 0 || gid > UINT32_MAX)
            throw make_error(ErrorKind::invalid_argument, "additional-gids must be a positive number, not {}",
                             gid);
        process.user.additionalGids.push_back(static_cast<uint32_t>(gid));
    }
    return process;
}

}  // namespace berth::oci
