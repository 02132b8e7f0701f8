// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/validate.h"
#include "spec/runtime.h"

/// The parts of validate() that its files share. All throw as fail_field does.
namespace berth::runtime {

/// No NUL byte: the kernel's strings end there.
void check_text(std::string_view text, std::string_view field);
void check_texts(const std::vector<std::string>& texts, std::string_view field);
void check_absolute(std::string_view path, std::string_view field);
void check_environment(const std::vector<std::string>& env, std::string_view field);
void check_id_mappings(const std::vector<spec::IdMapping>& mappings, std::string_view field);

/// "0-2, 5"; the empty list is fine.
void check_number_list(std::string_view text, std::string_view field);

/// nullptr, if the container shares the runtime's.
const spec::Namespace* find_namespace(const spec::Config& config, spec::NamespaceType type);
bool has_namespace(const spec::Config& config, spec::NamespaceType type);

/// config.linux_, which must be there.
void check_linux(const spec::Config& config, const ValidateContext& context);

}  // namespace berth::runtime
