// SPDX-License-Identifier: Apache-2.0
#include "cli/format/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/engine.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    kInspectFormatFlag,
    {"size", 's', Flag::Kind::boolean, "Display total file sizes if the type is container"},
    {.name = "type",
     .usage = "Only inspect objects of the given type",
     .choices = "config container image network node plugin secret service task volume"},
};

constexpr std::string_view kTypes =
    R"("config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume")";

/// A kind of objects, where the daemon has them (/NAMEs/… SUFFIX), and their structure.
struct ObjectKind {
    std::string_view name, suffix, type;
    bool is_of_swarm;
};

/// In the order in which a name is looked for.
constexpr ObjectKind kKinds[] = {
    {"container", "/json", "container.InspectResponse", false},
    {"image", "/json", "image.InspectResponse", false},
    {"network", "", "network.Inspect", false},
    {"volume", "", "volume.Volume", false},
    {"service", "", "swarm.Service", true},
    {"task", "", "swarm.Task", true},
    {"node", "", "swarm.Node", true},
    {"plugin", "/json", "types.Plugin", false},
    {"secret", "", "swarm.Secret", true},
    {"config", "", "swarm.Config", true},
};

client::Request request_for(const ObjectKind& kind, const std::string& name, bool has_size) {
    client::Request request;
    bool is_image = kind.name == "image";
    if (is_image && name.empty()) throw Error(ErrorKind::not_found, "Error: No such image: ");
    request.path = is_image ? fmt::format("/images/{}{}", client::path_name(name), kind.suffix)
                            : object_path(kind.name, name, kind.suffix);
    if (has_size && kind.name == "container") request.query.emplace_back("size", "1");
    if (kind.name == "service") request.query.emplace_back("insertDefaults", "true");
    return request;
}

/// A name that is none of the kind, so that the next kind is asked.
bool is_absence(const Error& error) {
    std::string_view text = error.what();
    return error.kind() == ErrorKind::not_found || text.find("not supported") != std::string_view::npos ||
           text.find("invalid reference format") != std::string_view::npos;
}

class Finder {
  public:
    Finder(Session& session, std::string type, bool has_size)
        : session_(session), type_(std::move(type)), has_size_(has_size) {}

    Inspected find(const std::string& name) {
        for (const ObjectKind& kind : kKinds) {
            if (type_.empty() ? kind.is_of_swarm && !is_swarm_manager() : kind.name != type_) continue;
            try {
                json::Value found = session_.call(request_for(kind, name, has_size_));
                if (has_size_ && kind.name != "container")
                    print_error(fmt::format("WARNING: --size ignored for {}\n", kind.name));
                return {std::move(found), kind.type};
            } catch (const Error& error) {
                if (!type_.empty() || !is_absence(error)) throw;
            }
        }
        throw Error(ErrorKind::not_found, "Error: No such object: " + name);
    }

  private:
    bool is_swarm_manager() {
        if (!is_swarm_manager_) {
            try {
                is_swarm_manager_ =
                    client::flag_at(session_.call({.path = "/info"}), "Swarm.ControlAvailable");
            } catch (const Error& error) {
                print_error(error_line(error) + '\n');
                is_swarm_manager_ = false;
            }
        }
        return *is_swarm_manager_;
    }

    Session& session_;
    const std::string type_;
    const bool has_size_;
    std::optional<bool> is_swarm_manager_;
};

int run(Invocation& invocation) {
    const Flags& flags = invocation.flags;
    std::string type = flags.text("type");
    bool is_known = std::any_of(std::begin(kKinds), std::end(kKinds),
                                [&](const ObjectKind& kind) { return kind.name == type; });
    if (type.empty() && flags.is_set("type"))
        throw make_error(ErrorKind::invalid_argument, "type is empty: must be one of {}", kTypes);
    if (!type.empty() && !is_known)
        throw make_error(ErrorKind::invalid_argument, "unknown type: {}: must be one of {}", quote(type),
                         kTypes);
    Finder finder(invocation.session, std::move(type), flags.boolean("size"));
    std::function<Inspected(const std::string&)> find = [&](const std::string& name) {
        return finder.find(name);
    };
    return inspect(flags.text("format"), invocation.args, find);
}

}  // namespace

constinit const Command kInspectCommand = {
    .name = "inspect",
    .summary = "Return low-level information on Docker objects",
    .arguments = "[OPTIONS] NAME|ID [NAME|ID...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .words = Words::containers,
};

}  // namespace berth::cli
