// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "cli/template/template.h"

namespace berth::cli {

/// What `find` of an inspect found: the object, and the name of its structure in Docker's Go client (see
/// typed.h), by which templates see it; "" for none.
struct Inspected {
    json::Value object;
    std::string_view type = {};
    /// Docker's client has no bare JSON for it: it prints the structure, and runs templates on that alone.
    bool is_typed_only = false;
    /// Its structure, where that is in no table.
    std::optional<tmpl::Value> structure = {};
};

/// `docker X inspect`: prints the objects that `find` gives for the names as one indented JSON array, or each
/// through the template `format` ("json": the array in one line). As docker has it, a template that fails
/// with the structure is run again on the bare JSON, where missing keys are errors. Names without an object
/// are told on stderr after the rest ("Error response from daemon: No such container: x" or whatever `find`
/// threw), each on a line, by an ExitStatus of 1. What was found is printed also then ("[]" for nothing).
/// Throws ExitStatus 64 for a format that is no template.
int inspect(std::string_view format, std::span<const std::string> names,
            const std::function<Inspected(const std::string& name)>& find);
/// All of one structure; "volume.Volume" is typed only, as in `docker volume inspect`.
int inspect(std::string_view format, std::span<const std::string> names, std::string_view type,
            const std::function<json::Value(const std::string& name)>& find);
/// Of no known structure.
int inspect(std::string_view format, std::span<const std::string> names,
            const std::function<json::Value(const std::string& name)>& find);

/// What --format of `inspect`, `info` and `version` gives; "json" is {{json .}}. Throws ExitStatus 64 for
/// what is no template. `name` stands in its messages.
tmpl::Template parse_format(std::string_view format, std::string_view name = "");

}  // namespace berth::cli
