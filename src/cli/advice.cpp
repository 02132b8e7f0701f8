// SPDX-License-Identifier: Apache-2.0
#include "cli/advice.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/daemon_names.h"
#include "cli/reach.h"
#include "cli/session.h"
#include "cli/suggest.h"

namespace berth::cli {

namespace {

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// What stands between the first `begin` and the `end` after it; "" where one is absent. An empty `end` is
/// the end of the text.
std::string_view between(std::string_view text, std::string_view begin, std::string_view end) {
    size_t from = text.find(begin);
    if (from == std::string_view::npos) return {};
    text.remove_prefix(from + begin.size());
    if (end.empty()) return text;
    size_t to = text.find(end);
    return to == std::string_view::npos ? std::string_view{} : text.substr(0, to);
}

std::string_view after_colon(std::string_view text) {
    return text.substr(text.rfind(':') + 1);
}

/// One line of a message.
class Adviser {
  public:
    Adviser(std::string_view line, std::string_view program, const KnownNames& known)
        : line_(line), program_(program), known_(known) {}

    std::string advise() const {
        for (auto about :
             {&Adviser::about_ports, &Adviser::about_container_names, &Adviser::about_absent_containers,
              &Adviser::about_absent_images, &Adviser::about_absent_networks, &Adviser::about_absent_volumes,
              &Adviser::about_absent_objects, &Adviser::about_running, &Adviser::about_stopped,
              &Adviser::about_images_in_use, &Adviser::about_volumes_in_use, &Adviser::about_networks_in_use,
              &Adviser::about_pulls, &Adviser::about_space})
            if (std::string text = (this->*about)(); !text.empty()) return text;
        return {};
    }

  private:
    bool has(std::string_view part) const { return cli::has(line_, part); }
    std::string_view between(std::string_view begin, std::string_view end) const {
        return cli::between(line_, begin, end);
    }

    /// The name that is there and looks like `name`.
    std::string near(Words kind, std::string_view name) const {
        std::vector<std::string> names = known_(kind);
        std::vector<std::string_view> views(names.begin(), names.end());
        return std::string(nearest(name, views));
    }

    std::string absent(Words kind, std::string_view name, std::string_view listing) const {
        if (name.empty()) return {};
        std::string found = near(kind, name);
        if (!found.empty()) return fmt::format("Did you mean '{}'?\n", found);
        return fmt::format("See what there is: {} {}\n", program_, listing);
    }

    std::string about_ports() const {
        std::string_view address = between("Bind for ", " failed: port is already allocated");
        std::string_view owner = between("port is already allocated (by container ", ",");
        std::string text;
        if (!address.empty()) {
            std::string_view port = after_colon(address);
            text =
                owner.empty()
                    ? fmt::format("Port {0} is published by another container: {1} ps --filter publish={0}\n",
                                  port, program_)
                    : fmt::format("Port {} belongs to container {}. Free it with: {} stop {}\n", port, owner,
                                  program_, owner);
        } else if (address = between("failed to bind host port ", ": address already in use");
                   !address.empty()) {
            std::string_view port = after_colon(address.substr(0, address.find('/')));
            text =
                fmt::format("A program of this host has port {0}. See which: {1}ss -ltunp 'sport = :{0}'\n",
                            port, sudo());
        } else {
            return {};
        }
        text += "Or publish another port of the host: -p PORT:…\n";
        // The container was created before its ports were found to be taken.
        std::string_view made = between("on endpoint ", " (");
        std::vector<std::string> names =
            made.empty() ? std::vector<std::string>{} : known_(Words::containers);
        if (std::ranges::find(names, made) != names.end())
            text += fmt::format("Container {0} is there, but not running: {1} start {0}, or {1} rm {0}\n",
                                made, program_);
        return text;
    }

    std::string about_container_names() const {
        std::string_view name = between("Conflict. The container name \"/", "\" is already in use");
        if (name.empty()) return {};
        std::vector<std::string> running = known_(Words::running_containers);
        bool is_running = std::ranges::find(running, name) != running.end();
        std::string use = is_running
                              ? fmt::format("Use that one:    {} exec -it {} COMMAND\n", program_, name)
                              : fmt::format("Start that one:  {} start {}\n", program_, name);
        return use +
               fmt::format("Remove it:       {} rm -f {}\nOr take another: --name NAME\n", program_, name);
    }

    std::string about_absent_containers() const {
        return absent(Words::containers, between("No such container: ", ""), "ps -a");
    }

    std::string about_absent_images() const {
        std::string_view name = between("No such image: ", "");
        std::string found = name.empty() ? std::string() : near(Words::images, name);
        if (name.empty()) return {};
        if (!found.empty()) return fmt::format("Did you mean '{}'?\n", found);
        return fmt::format("See what there is: {0} images. Get it: {0} pull {1}\n", program_, name);
    }

    std::string about_absent_networks() const {
        std::string_view name = between(" network ", " not found");
        return cli::has(name, " ") ? "" : absent(Words::networks, name, "network ls");
    }

    std::string about_absent_volumes() const {
        return absent(Words::volumes, between("get ", ": no such volume"), "volume ls");
    }

    /// `berth inspect` looks for all kinds.
    std::string about_absent_objects() const {
        std::string_view name = between("No such object: ", "");
        if (name.empty()) return {};
        for (Words kind : {Words::containers, Words::images, Words::networks, Words::volumes})
            if (std::string found = near(kind, name); !found.empty())
                return fmt::format("Did you mean '{}'?\n", found);
        return {};
    }

    std::string about_running() const {
        std::string_view name = between("cannot remove container \"/", "\"");
        if (name.empty() || !has("stop the container before removing")) return {};
        return fmt::format("Stop it first: {0} stop {1}\nOr kill it:    {0} rm -f {1}\n", program_, name);
    }

    std::string about_stopped() const {
        std::string_view name = between(" container ", " is not running");
        if (name.empty() || cli::has(name, " ") || has("cannot kill")) return {};
        constexpr size_t kShortId = 12;
        return fmt::format("Start it: {} start {}\n", program_, name.substr(0, kShortId));
    }

    std::string about_images_in_use() const {
        std::string_view container = between("container ", " is using");
        if (!has("conflict: unable to ") || container.empty()) return {};
        return fmt::format("Remove the container first: {} rm -f {}\n", program_, container);
    }

    std::string about_volumes_in_use() const {
        std::string_view name = between("remove ", ": volume is in use");
        if (name.empty()) return {};
        return fmt::format("See who uses it: {} ps -a --filter volume={}\n", program_, name);
    }

    std::string about_networks_in_use() const {
        std::string_view name = between("error while removing network: network ", " has active endpoints");
        if (name.empty()) return {};
        return fmt::format(
            "See who uses it: {0} ps --filter network={1}. Take one out: {0} network disconnect {1} "
            "CONTAINER\n",
            program_, name);
    }

    std::string about_pulls() const {
        std::string_view host = between("dial tcp: lookup ", ":");
        if (!host.empty()) {
            host = host.substr(0, host.find(' '));
            std::string found = near(Words::images, between("pulling ", ": "));
            return (found.empty() ? "" : fmt::format("Did you mean '{}', which is here?\n", found)) +
                   fmt::format("This host can't find the registry {0}. Try: getent hosts {0}\n", host);
        }
        std::string_view name = between("pull access denied for ", ",");
        if (name.empty()) return {};
        std::string found = near(Words::images, name);
        if (!found.empty()) return fmt::format("Did you mean '{}', which is here?\n", found);
        return fmt::format("Is the name right? Try: {0} search {1}. Is it private? Then first: {0} login\n",
                           program_, name);
    }

    std::string about_space() const {
        if (!has("no space left on device") && !has("No space left on device")) return {};
        return fmt::format(
            "See what takes the space: {0} system df. Free what nothing uses: {0} system prune\n", program_);
    }

    std::string_view line_, program_;
    const KnownNames& known_;
};

}  // namespace

std::string advice_for(std::string_view message, std::string_view program, const KnownNames& known) {
    constexpr size_t kLines = 3;  // more of them is no help
    std::vector<std::string> found;
    for (std::string_view line : split(message, '\n')) {
        std::string text = Adviser(line, program, known).advise();
        if (!text.empty() && found.size() < kLines && std::ranges::find(found, text) == found.end())
            found.push_back(std::move(text));
    }
    return join(found, "");
}

std::string advice_for(std::string_view message, Session& session) {
    bool is_refused = has(message, "permission denied while trying to connect to the Docker daemon socket");
    if (is_refused || has(message, "Cannot connect to the Docker daemon at ")) {
        const client::Endpoint& endpoint = session.endpoint();
        std::string mend = is_refused ? access_mend(endpoint) : std::string();
        std::string_view verb = mend.empty() ? "Start it" : "Get access";
        if (mend.empty()) mend = start_mend(endpoint);
        // What is told of a daemon elsewhere is a sentence and no command.
        if (endpoint.kind != client::Endpoint::Kind::unix_socket) return fmt::format("Next: {}\n", mend);
        return fmt::format("{}: {}\nIs something wrong with this host? Ask: berth doctor\n", verb, mend);
    }
    return advice_for(message, session.program(),
                      [&session](Words kind) { return daemon_names(session, kind); });
}

}  // namespace berth::cli
