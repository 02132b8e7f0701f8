// SPDX-License-Identifier: Apache-2.0
#include "cli/session.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <functional>
#include <utility>

#include "base/error.h"
#include "cli/output.h"

namespace berth::cli {

namespace {

using Kind = Flag::Kind;

// "~/.docker" becomes the user's in help.
constexpr std::array kGlobalFlags{
    Flag{.name = "config",
         .usage = "Location of client config files",
         .default_text = "~/.docker",
         .words = Words::directories},
    Flag{.name = "context",
         .shorthand = 'c',
         .usage = "Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and "
                  "default context set with \"docker context use\")",
         .words = Words::contexts},
    Flag{"debug", 'D', Kind::boolean, "Enable debug mode"},
    Flag{"host", 'H', Kind::list, "Daemon socket to connect to"},
    Flag{.name = "log-level",
         .shorthand = 'l',
         .usage = "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")",
         .default_text = "info",
         .choices = "debug info warn error fatal"},
    Flag{.name = "tls", .kind = Kind::boolean, .usage = "Use TLS; implied by --tlsverify"},
    Flag{.name = "tlscacert",
         .usage = "Trust certs signed only by this CA",
         .default_text = "~/.docker/ca.pem",
         .words = Words::files},
    Flag{.name = "tlscert",
         .usage = "Path to TLS certificate file",
         .default_text = "~/.docker/cert.pem",
         .words = Words::files},
    Flag{.name = "tlskey",
         .usage = "Path to TLS key file",
         .default_text = "~/.docker/key.pem",
         .words = Words::files},
    Flag{.name = "tlsverify", .kind = Kind::boolean, .usage = "Use TLS and verify the remote"},
    Flag{"version", 'v', Kind::boolean, "Print version information and quit"},
};

async::Task<void> wait_for_signal(std::shared_ptr<int> into) {
    std::vector<int> signals{SIGINT, SIGTERM};
    *into = co_await async::next_signal(std::move(signals));
}

}  // namespace

std::span<const Flag> global_flags() {
    return kGlobalFlags;
}

Session::Session(std::string program, const Flags& flags)
    : program_(std::move(program)),
      flags_(flags),
      stdin_terminal_(isatty(STDIN_FILENO)),
      stdout_terminal_(isatty(STDOUT_FILENO)),
      stderr_terminal_(isatty(STDERR_FILENO)) {}

Session::~Session() {
    // What the loop still holds may refer to the engine's connections.
    engine_.reset();
    loop_.reset();
}

async::Context& Session::loop() {
    if (!loop_) loop_ = std::make_unique<async::Context>();
    return *loop_;
}

std::string Session::config_folder() const {
    if (flags_.is_set("config")) return flags_.text("config");
    std::string path = client::ConfigFile::default_path();
    return path.substr(0, path.rfind('/'));
}

client::ConfigFile& Session::config() {
    if (config_) return *config_;
    std::string path = config_folder() + "/config.json";
    try {
        config_ = client::ConfigFile::load(path);
    } catch (const Error& error) {
        // Advice about an error has a session of its own: the warning comes once all the same.
        static bool was_told = false;
        if (!std::exchange(was_told, true)) print_error(fmt::format("WARNING: {}\n", error.what()));
        config_ = client::ConfigFile::empty(path);
    }
    return *config_;
}

client::EndpointOptions Session::endpoint_options() const {
    client::EndpointOptions options;
    std::vector<std::string> hosts = flags_.list("host");
    if (hosts.size() > 1)
        throw Error(ErrorKind::invalid_argument,
                    "Failed to initialize: unable to resolve docker endpoint: Specify only one -H");
    if (!hosts.empty()) options.host = hosts[0];
    if (flags_.is_set("context")) options.context = flags_.text("context");
    if (flags_.is_set("tls")) options.tls = flags_.boolean("tls");
    if (flags_.is_set("tlsverify")) options.tls_verify = flags_.boolean("tlsverify");
    if (flags_.is_set("tlscacert")) options.tls_ca = flags_.text("tlscacert");
    if (flags_.is_set("tlscert")) options.tls_cert = flags_.text("tlscert");
    if (flags_.is_set("tlskey")) options.tls_key = flags_.text("tlskey");
    return options;
}

const client::Endpoint& Session::endpoint() {
    if (!endpoint_) {
        client::EndpointOptions options = endpoint_options();
        endpoint_ = client::resolve_endpoint(options, config());
    }
    return *endpoint_;
}

client::Engine& Session::engine() {
    if (!engine_) {
        auto headers = config().http_headers();
        engine_ = std::make_unique<client::Engine>(
            loop(), endpoint(),
            std::vector<std::pair<std::string, std::string>>{headers.begin(), headers.end()});
    }
    return *engine_;
}

json::Value Session::call(client::Request request) {
    return run(engine().call(std::move(request)));
}

bool Session::is_debug() const {
    return flags_.boolean("debug");
}

bool Session::has_colours() const {
    const char* refused = getenv("NO_COLOR");
    const char* terminal = getenv("TERM");
    return stdout_terminal_ && !(refused && *refused) && terminal && *terminal &&
           std::string_view(terminal) != "dumb";
}

void Session::run_until_signal(async::Task<void> task) {
    struct Outcome {
        bool ended = false;
        std::exception_ptr failure;
    };
    auto outcome = std::make_shared<Outcome>();
    auto number = std::make_shared<int>(0);
    async::Context& context = loop();
    std::function<void()> cancel =
        context.spawn_cancellable(std::move(task), [&context, outcome](std::exception_ptr failure) {
            outcome->ended = true;
            outcome->failure = std::move(failure);
            context.stop();
        });
    std::function<void()> forget =
        context.spawn_cancellable(wait_for_signal(number), [number, outcome, cancel](std::exception_ptr) {
            if (*number != 0 && !outcome->ended) cancel();
        });
    context.run();
    forget();
    if (*number != 0) throw Interrupted{*number};
    if (outcome->failure) std::rethrow_exception(outcome->failure);
}

}  // namespace berth::cli
