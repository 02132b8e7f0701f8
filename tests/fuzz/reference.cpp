// SPDX-License-Identifier: Apache-2.0
#include "spec/reference.h"

#include "spec/platform.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;

namespace {

void check_reference(std::string_view text) {
    spec::Reference reference = spec::Reference::parse("a");
    if (!fuzz::is_valid([&] { reference = spec::Reference::parse(text); })) {
        require(!spec::Reference::try_parse(text), "try_parse agrees with parse");
        return;
    }
    require(!reference.domain().empty() && !reference.path().empty(), "no part is empty");
    require(spec::is_valid_repository(reference.path()), "the path is one of the distribution specification");
    require(!reference.tag() || spec::is_valid_tag(*reference.tag()), "the tag is valid");
    require(spec::Reference::parse(reference.text()) == reference, "the full text means the same");
    require(spec::Reference::parse(reference.familiar()) == reference, "the short text means the same");
    require(reference.familiar().size() <= reference.text().size(), "the short text is not longer");
}

void check_platform(std::string_view text) {
    spec::Platform platform;
    if (!fuzz::is_valid([&] { platform = spec::Platform::parse(text); })) return;
    require(spec::Platform::parse(platform.text()) == platform, "a platform's text means the same");
    require(platform.normalized().normalized() == platform.normalized(), "normalizing once is enough");
    require(platform.distance(platform) == 0, "a platform satisfies itself");
}

}  // namespace

/// A reference, and a platform.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = fuzz::as_text(data, size);
    check_reference(text);
    check_platform(text);
    return 0;
}
