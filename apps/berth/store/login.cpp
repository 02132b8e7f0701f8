// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/system/login.h"
#include "client/config_file.h"
#include "commands.h"
#include "registry_client.h"
#include "sys/file.h"

namespace berth::app {

namespace {

constexpr std::string_view kHub = "docker.io";

constexpr std::array kFlags{
    Flag{.name = kMirrorFlag.name, .kind = Flag::Kind::list, .hidden = true},
    cli::kPasswordFlag,
    cli::kPasswordStdinFlag,
    cli::kUsernameFlag,
    kInsecureFlag,
    kCertsDirFlag,
};

std::string ask(std::string_view what, bool is_secret) {
    if (!isatty(STDIN_FILENO))
        throw Error(ErrorKind::invalid_argument, "cannot perform an interactive login from a non TTY device");
    std::string answer = cli::ask_person(fmt::format("{}: ", what), is_secret);
    if (answer.empty()) throw make_error(ErrorKind::invalid_argument, "{} is required", what);
    return answer;
}

spec::Credentials credentials_from(const Flags& flags) {
    spec::Credentials credentials;
    credentials.username = flags.text("username");
    if (flags.is_set("password")) {
        print_error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
        if (flags.boolean("password-stdin"))
            throw Error(ErrorKind::invalid_argument,
                        "--password and --password-stdin are mutually exclusive");
        credentials.password = flags.text("password");
    }
    if (flags.boolean("password-stdin")) {
        if (credentials.username.empty())
            throw Error(ErrorKind::invalid_argument, "Must provide --username with --password-stdin");
        credentials.password = sys::read_all(STDIN_FILENO, "standard input");
        while (credentials.password.ends_with('\n') || credentials.password.ends_with('\r'))
            credentials.password.pop_back();
    }
    if (credentials.username.empty()) credentials.username = ask("Username", false);
    if (credentials.password.empty()) credentials.password = ask("Password", true);
    return credentials;
}

int run_login(Invocation& call) {
    std::string host = call.args.empty() ? std::string(kHub) : call.args[0];
    spec::Credentials credentials = credentials_from(call.flags);
    client::ConfigFile file = client::ConfigFile::load();
    registry::Client client(call.session.loop(), client_config(call.flags));
    std::string token = call.session.run(client.login(host, credentials));
    if (!token.empty()) {
        credentials.password.clear();
        credentials.identity_token = token;
    }
    file.store(host, credentials);
    if (!file.helper_for(host)) cli::warn_of_plain_credentials(file);
    print_out("Login Succeeded\n");
    return 0;
}

int run_logout(Invocation& call) {
    std::string host = call.args.empty() ? std::string(kHub) : call.args[0];
    client::ConfigFile file = client::ConfigFile::load();
    if (file.erase(host))
        print_out(fmt::format("Removing login credentials for {}\n", host));
    else
        print_out(fmt::format("Not logged in to {}\n", host));
    return 0;
}

}  // namespace

constexpr Command kStoreLoginCommand{
    .name = "login",
    .summary = "Authenticate to a registry",
    .arguments = "[OPTIONS] [SERVER]",
    .description = "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
    .flags = kFlags,
    .max_args = 1,
    .run = run_login,
};

constexpr Command kStoreLogoutCommand{
    .name = "logout",
    .summary = "Log out from a registry",
    .arguments = "[SERVER]",
    .description = "Log out from a registry.\nIf no server is specified, Docker Hub is meant.",
    .max_args = 1,
    .run = run_logout,
};

}  // namespace berth::app
