// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "spec/reference.h"

namespace berth::cli {

namespace {

spec::Reference parse_name(const std::string& text) {
    try {
        return spec::Reference::parse(text);
    } catch (const Error& error) {
        throw make_error(ErrorKind::invalid_argument,
                         "Error parsing reference: {} is not a valid repository/tag: {}", quote(text),
                         error.what());
    }
}

bool is_id(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

int run(Invocation& call) {
    if (!is_id(call.args[0])) parse_name(call.args[0]);
    spec::Reference target = parse_name(call.args[1]);
    if (target.digest())
        throw Error(ErrorKind::invalid_argument, "refusing to create a tag with a digest reference");
    call.session.call({.method = "POST",
                       .path = "/images/" + client::path_name(call.args[0]) + "/tag",
                       .query = {{"repo", target.name()}, {"tag", *target.with_default_tag().tag()}}});
    return 0;
}

constexpr std::array<std::string_view, 2> kAliases{"image tag", "tag"};

}  // namespace

constexpr Command kTagCommand{
    .name = "tag",
    .summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    .arguments = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    .min_args = 2,
    .max_args = 2,
    .run = run,
    .aliases = kAliases,
    .words = Words::images,
};

}  // namespace berth::cli
