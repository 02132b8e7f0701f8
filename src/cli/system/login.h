// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "cli/flags.h"
#include "client/config_file.h"

/// What `login` and `store login` share.
namespace berth::cli {

inline constexpr Flag kPasswordFlag = {
    .name = "password", .shorthand = 'p', .usage = "Password or Personal Access Token (PAT)"};
inline constexpr Flag kPasswordStdinFlag = {
    .name = "password-stdin",
    .kind = Flag::Kind::boolean,
    .usage = "Take the Password or Personal Access Token (PAT) from stdin"};
inline constexpr Flag kUsernameFlag = {.name = "username", .shorthand = 'u', .usage = "Username"};

/// What a person types on a line of stdin after `prompt`, without the blanks around it. A secret is not
/// echoed; a signal meanwhile throws Interrupted, with the terminal as it was.
std::string ask_person(std::string_view prompt, bool is_secret);

/// On stderr: that `file` has credentials for all to read.
void warn_of_plain_credentials(const client::ConfigFile& file);

}  // namespace berth::cli
