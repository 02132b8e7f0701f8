// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/unique_fd.h"

/// The wire form of what a shim and its clients say to each other (docs/shim.md has the messages): JSON
/// objects over a unix socket of type SOCK_SEQPACKET, with descriptors.
///
///   request  {"id":n,"op":"…",…}       answer  {"id":n,"ok":…} | {"id":n,"error":{…}}       event
///   {"event":"…",…}
namespace berth::shim {

inline constexpr int kProtocolMajor = 1;
inline constexpr int kProtocolMinor = 0;
inline constexpr std::array<std::string_view, 8> kProtocolFeatures = {
    "exec-direct", "framed", "lossless", "log-copy", "park", "stats", "update", "tty"};

inline constexpr size_t kMaxMessage = size_t{64} * 1024;
inline constexpr size_t kMaxMessageFds = 32;
inline constexpr const char* kSocketName = "shim.sock";

struct Message {
    std::string text;
    std::vector<UniqueFd> fds;
    bool fds_lost = false;  ///< some did not fit into this process's descriptor table
};

enum class SendResult { sent, would_block, gone };

/// One message. `text` longer than kMaxMessage is the caller's mistake and throws; so does nothing else.
SendResult send_message(int socket, std::string_view text, const std::vector<int>& fds, bool wait);

/// Nothing: would block (without `wait`). An empty text: the other side is gone. A message that
/// is too long throws invalid_argument, and its descriptors are closed.
std::optional<Message> receive_message(int socket, bool wait);

/// A program that could not be executed: what its exit code would be in a shell, 127 or 126.
class ProgramError : public Error {
  public:
    ProgramError(const Error& error, int exit_code) : Error(error), exit_code_(exit_code) {}
    int exit_code() const noexcept { return exit_code_; }

  private:
    int exit_code_;
};

/// {"kind":…,"message":…,"code":…[,"exit_code":…]} and back (thrown). An unknown kind becomes `internal`; of
/// a long text the middle is left out, so that it always fits into a message.
json::Object encode_error(const Error& error);
[[noreturn]] void throw_error(const json::Object& object);

/// A unix socket's address that reaches `name` in the folder `directory`, however long its path is (sun_path
/// has 108 bytes). Used with connect_beneath and listen_beneath.
UniqueFd connect_beneath(int directory, const std::string& name);
UniqueFd listen_beneath(int directory, const std::string& name, mode_t mode);

}  // namespace berth::shim
