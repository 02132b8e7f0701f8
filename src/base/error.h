// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace berth {

/// What a failure means to the caller. The list is closed: each kind maps to one HTTP status (api/) and to
/// one exit code (cli/). Code that needs finer distinctions looks at Error::code().
enum class ErrorKind {
    not_found,
    conflict,
    invalid_argument,
    unauthorized,
    forbidden,
    not_modified,
    unavailable,
    not_implemented,
    internal,
};

std::string_view to_string(ErrorKind kind) noexcept;

/// The one exception type of Berth. `what()` reads outermost context first, as people read it:
/// "creating container web: mounts[3] (/proc): mount proc: operation not permitted".
///
/// A function throws, or logs, never both. An absence that callers expect is a std::optional, not an Error.
class Error : public std::exception {
  public:
    /// `code` is an errno where the failure came from the kernel, else 0.
    explicit Error(ErrorKind kind, std::string message, int code = 0)
        : kind_(kind), code_(code), message_(std::move(message)) {}

    ErrorKind kind() const noexcept { return kind_; }
    int code() const noexcept { return code_; }
    const char* what() const noexcept override { return message_.c_str(); }

    /// Puts "context: " before the message. For use on the way up, see with_context.
    Error& add_context(std::string_view context);

  private:
    ErrorKind kind_;
    int code_;
    std::string message_;
};

template <typename... Args>
Error make_error(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
    return Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// An Error from an errno: the kind follows from `code` (ENOENT: not_found, EACCES: forbidden, …) and the
/// kernel's own words are added: "open /etc/x: no such file or directory".
Error errno_error(int code, std::string_view what);

/// The kernel's words for an errno, in lower case and without a locale ("no such file or directory").
std::string errno_text(int code);

/// Runs `body`; an Error that leaves it gets `context` (a string, or a callable that makes one when needed).
template <typename Context, typename Body>
decltype(auto) with_context(Context&& context, Body&& body) {
    try {
        return std::forward<Body>(body)();
    } catch (Error& error) {
        if constexpr (std::is_invocable_v<Context>)
            error.add_context(context());
        else
            error.add_context(context);
        throw;
    }
}

/// The message of whatever is being handled: for a catch (...) at a thread's, callback's or program's edge.
std::string current_exception_message() noexcept;

}  // namespace berth
