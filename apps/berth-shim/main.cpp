// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <string_view>

#include "base/error.h"
#include "oci/command.h"
#include "self_protect.h"
#include "shim/init.h"
#include "shim/ports/ports.h"
#include "shim/proxy.h"
#include "shim/run.h"

// One static program under several names: what it is follows from the name it is called by.
namespace {

constexpr std::string_view kUsage =
    "usage: berth-shim run …     the shim of one container\n"
    "       berth-shim proxy …   passes connections on from inherited sockets\n"
    "       berth-shim ports …   holds the published ports of one daemon\n"
    "       berth-shim init …    PID 1 of a container (also as berth-init)\n"
    "       berth-shim oci …     an OCI runtime (also as berth-oci)\n"
    "       berth-shim --version\n";

void print(int fd, std::string_view text) {
    [[maybe_unused]] ssize_t written = write(fd, text.data(), text.size());
}

int shim_main(int argc, char** argv) {
    std::string_view mode = argc > 1 ? argv[1] : "";
    if (mode == "run") {
        berth::protect_own_executable(argv);
        return berth::shim::run_main(argc - 1, argv + 1);
    }
    if (mode == "proxy") return berth::shim::proxy_main(argc - 1, argv + 1);
    if (mode == "ports") return berth::shim::ports_main(argc - 1, argv + 1);
    if (mode == "init") return berth::shim::init_main(argc - 1, argv + 1);
    if (mode == "oci") return berth::oci::oci_main(argv, {argv + 2, argv + argc});
    if (mode == "--version") {
        print(STDOUT_FILENO, "berth-shim version " BERTH_VERSION "\n");
        return 0;
    }
    bool help = mode == "--help" || mode == "-h";
    print(help ? STDOUT_FILENO : STDERR_FILENO, kUsage);
    return help ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
    // What our caller left us with must not confuse us: ignored children could not be waited for, and a
    // descriptor of ours in the place of a closed stdio would be taken for it.
    signal(SIGCHLD, SIG_DFL);
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO) {
    }
    if (fd >= 0) close(fd);
    std::string_view name = argc > 0 ? argv[0] : "berth-shim";
    name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
    try {
        if (name == "berth-oci" || name == "runc") return berth::oci::oci_main(argv, {argv + 1, argv + argc});
        if (name == "docker-init" || name == "berth-init") return berth::shim::init_main(argc, argv);
        return shim_main(argc, argv);
    } catch (...) {
        print(STDERR_FILENO, fmt::format("{}: {}\n", name, berth::current_exception_message()));
        return 1;
    }
}
