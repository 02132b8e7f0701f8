// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "spec/credentials.h"

namespace berth::client {

/// A program docker-credential-NAME in $PATH that keeps credentials (docker-credential-helpers). It is
/// started once for each call, with the action as its argument; stdin and stdout are its input and output,
/// stderr is ours, so that it can ask for a passphrase. Blocking, at most for `timeout`.
///
///   get    stdin: the server            stdout: {"ServerURL","Username","Secret"}
///   store  stdin: {"ServerURL","Username","Secret"}
///   erase  stdin: the server
///
/// A failure is an exit status other than 0, with the reason on stdout. The user name "<token>" says that the
/// secret is an identity token. Errors are in Docker's words and never hold a secret: not_found for a missing
/// program, unavailable for one that fails or takes too long.
class CredentialHelper {
  public:
    /// Throws invalid_argument for a name that is empty or holds a '/'.
    explicit CredentialHelper(std::string name, std::chrono::milliseconds timeout = std::chrono::minutes(2));

    /// Nothing where the helper knows none for `server`.
    std::optional<spec::Credentials> get(const std::string& server) const;
    void store(const std::string& server, const spec::Credentials& credentials) const;
    /// False where there was nothing.
    bool erase(const std::string& server) const;

    const std::string& name() const { return name_; }

  private:
    struct Answer {
        int code = 0;
        std::string output;
    };
    /// `doing` is "getting", "storing" or "erasing", for messages.
    Answer call(const std::string& action, const std::string& doing, const std::string& input) const;

    std::string name_;
    std::chrono::milliseconds timeout_;
};

}  // namespace berth::client
