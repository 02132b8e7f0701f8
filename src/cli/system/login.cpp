// SPDX-License-Identifier: Apache-2.0
#include "cli/system/login.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/session.h"
#include "sys/file.h"

namespace berth::cli {
namespace {

constexpr std::string_view kNoTerminal = "Error: Cannot perform an interactive login from a non TTY device";

/// Turns the echo off while a password is typed. Signals come by a descriptor meanwhile, so that none ends
/// the program with the terminal left so.
class NoEcho {
  public:
    NoEcho() : is_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        sigset_t set;
        ::sigemptyset(&set);
        for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&set, number);
        ::pthread_sigmask(SIG_BLOCK, &set, &mask_before_);
        signals_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;
    ~NoEcho() {
        if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
        ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    }
    /// Until there is something to read. Throws Interrupted.
    void wait() const {
        pollfd waited[2] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
        sys::check(sys::retry([&] { return ::poll(waited, 2, -1); }), "poll");
        signalfd_siginfo info{};
        if (::read(signals_.get(), &info, sizeof info) > 0)
            throw Interrupted{static_cast<int>(info.ssi_signo)};
    }

  private:
    termios before_{};
    bool is_terminal_;
    sigset_t mask_before_{};
    UniqueFd signals_;
};

/// Byte by byte: what follows is not ours.
std::string read_line(const std::optional<NoEcho>& quiet) {
    std::string line;
    char c = 0;
    while (true) {
        if (quiet) quiet->wait();
        if (sys::retry([&] { return ::read(STDIN_FILENO, &c, 1); }) != 1 || c == '\n') break;
        line += c;
    }
    return std::string(trim(line));
}

/// Where credentials are for, and what is known of them.
struct Login {
    std::string server;  ///< the key in config.json: the hub's address or a host
    bool is_hub = false;
    std::string username, password;
};

Login parse_flags(const Invocation& invocation) {
    const Flags& flags = invocation.flags;
    Login login;
    login.username = flags.text("username");
    login.password = flags.text("password");
    bool is_given = flags.is_set("password"), is_piped = flags.boolean("password-stdin");
    if (is_given && is_piped)
        throw Error(ErrorKind::invalid_argument,
                    "conflicting options: cannot specify both --password and --password-stdin");
    if (is_given && login.password.empty()) throw Error(ErrorKind::invalid_argument, "password is empty");
    if (is_given) print_error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    if (is_piped) {
        if (login.username.empty())
            throw Error(ErrorKind::invalid_argument,
                        "the --password-stdin option requires --username to be set");
        login.password = sys::read_all(STDIN_FILENO, "stdin");
        while (login.password.ends_with('\n') || login.password.ends_with('\r')) login.password.pop_back();
    }
    std::string_view server = invocation.args.empty() ? std::string_view() : invocation.args[0];
    if (server.empty() || server == client::kHubKey || server == "docker.io" || server == "index.docker.io") {
        login.is_hub = true;
        login.server = client::kHubKey;
        return login;
    }
    for (std::string_view scheme : {"https://", "http://"})
        if (server.starts_with(scheme)) {
            server.remove_prefix(scheme.size());
            break;
        }
    login.server = server.substr(0, server.find('/'));
    return login;
}

void ask_username(Login& login, const std::string& known) {
    login.username = ask_person(known.empty() ? "Username: " : fmt::format("Username ({}): ", known), false);
    if (login.username.empty()) login.username = known;
    if (login.username.empty()) throw Error(ErrorKind::invalid_argument, "Error: Non-null Username Required");
}

void ask_password(Login& login) {
    if (login.is_hub)
        print_out(
            "\n i Info → A Personal Access Token (PAT) can be used instead.\n"
            "          To create a PAT, visit https://app.docker.com/settings\n\n\n");
    login.password = ask_person("Password: ", true);
    if (login.password.empty()) throw Error(ErrorKind::invalid_argument, "Error: Password Required");
}

/// Has the daemon try them; its words for the success. They are kept then.
std::string authenticate(Session& session, const Login& login) {
    json::Object body;
    body["username"] = login.username;
    body["password"] = login.password;
    body["serveraddress"] = login.server;
    json::Value answer = session.call({.method = "POST", .path = "/auth", .body = std::move(body)});
    spec::Credentials credentials{.username = login.username, .password = login.password};
    if (std::string token = client::text_at(answer, "IdentityToken"); !token.empty()) {
        credentials.password.clear();
        credentials.identity_token = token;
    }
    client::ConfigFile& config = session.config();
    with_context("Error saving credentials", [&] { config.store(login.server, credentials); });
    if (!config.helper_for(login.server) && !credentials.password.empty()) warn_of_plain_credentials(config);
    return client::text_at(answer, "Status");
}

/// With what was kept before. Nothing where there is none, or the daemon refuses it.
std::optional<std::string> try_kept(Session& session, const Login& asked, std::string& username) {
    auto kept = session.config().credentials_for(asked.server);
    if (!kept) return std::nullopt;
    username = kept->username;
    if (kept->username.empty() || kept->password.empty()) return std::nullopt;
    print_error(
        fmt::format("Authenticating with existing credentials... [Username: {}]\n\n"
                    " Info -> To login with a different account, run 'docker logout' followed by 'docker "
                    "login'\n\n\n",
                    kept->username));
    Login login = asked;
    login.username = kept->username;
    login.password = kept->password;
    try {
        return authenticate(session, login);
    } catch (const client::ApiError& error) {
        print_error(fmt::format("Login did not succeed, error: {}\n", error.what()));
        return std::nullopt;
    }
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    Login login = parse_flags(invocation);
    session.engine();
    std::optional<std::string> status;
    std::string known;
    if (login.username.empty() && login.password.empty()) status = try_kept(session, login, known);
    if (!status) {
        bool asks = login.username.empty() || login.password.empty();
        if (asks && !session.is_stdin_terminal())
            throw Error(ErrorKind::invalid_argument, std::string(kNoTerminal));
        if (login.is_hub && login.username.empty() && login.password.empty() && known.empty())
            throw make_error(ErrorKind::not_implemented,
                             "login to Docker Hub with a web browser is not yet available: "
                             "run '{} login --username NAME' with a personal access token as the password",
                             session.program());
        if (login.username.empty()) ask_username(login, known);
        if (login.password.empty()) ask_password(login);
        status = authenticate(session, login);
    }
    if (!status->empty()) print_out(*status + '\n');
    return 0;
}

constexpr Flag kFlags[] = {
    kPasswordFlag,
    kPasswordStdinFlag,
    kUsernameFlag,
};

}  // namespace

std::string ask_person(std::string_view prompt, bool is_secret) {
    std::optional<NoEcho> quiet;
    if (is_secret) quiet.emplace();
    print_out(prompt);
    std::string line = read_line(quiet);
    quiet.reset();
    if (is_secret) print_out("\n");
    return line;
}

void warn_of_plain_credentials(const client::ConfigFile& file) {
    print_error(
        fmt::format("\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a "
                    "credential helper to remove this warning. See\n"
                    "https://docs.docker.com/go/credential-store/\n\n",
                    file.path()));
}

constinit const Command kLoginCommand = {
    .name = "login",
    .summary = "Authenticate to a registry",
    .arguments = "[OPTIONS] [SERVER]",
    .description = "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
    .flags = kFlags,
    .max_args = 1,
    .run = run,
    .section = "Common Commands",
};

}  // namespace berth::cli
