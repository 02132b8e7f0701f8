// SPDX-License-Identifier: Apache-2.0
#include "oci/flags.h"

#include <array>

#include "base/byte_size.h"
#include "oci/exec_process.h"
#include "oci/signal_names.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;
using oci::Flag;

namespace {

constexpr std::array kTable = {
    Flag{.name = "detach", .alias = "d", .kind = Flag::Kind::boolean},
    Flag{.name = "bundle", .alias = "b", .kind = Flag::Kind::text},
    Flag{.name = "preserve-fds", .kind = Flag::Kind::number},
    Flag{.name = "interval", .kind = Flag::Kind::duration},
    Flag{.name = "env", .alias = "e", .kind = Flag::Kind::texts},
    Flag{.name = "additional-gids", .alias = "g", .kind = Flag::Kind::numbers},
};

/// No value that was accepted may fail when it is asked for.
void check_values(const oci::Flags& flags) {
    (void)flags.boolean("detach");
    (void)flags.text("bundle");
    require(flags.is_set("preserve-fds") == flags.number("preserve-fds").has_value(), "a number stays one");
    require(flags.is_set("interval") == flags.duration("interval").has_value(), "a duration stays one");
    require(flags.is_set("env") == !flags.texts("env").empty(), "texts are kept");
    require(flags.texts("additional-gids").size() == flags.numbers("additional-gids").size(),
            "numbers stay such");
}

void check_line(const std::vector<std::string>& words) {
    size_t used = 0;
    oci::Flags flags = oci::parse_flags(kTable, words, used);
    check_values(flags);
    require(used <= words.size(), "no more is taken than there is");
    bool ended = used > 0 && words[used - 1] == "--";
    bool at_operand = used == words.size() || words[used].size() < 2 || words[used][0] != '-';
    require(ended || at_operand, "no flag is left");

    size_t again = 0;
    std::vector<std::string> taken(words.begin(), words.begin() + static_cast<ptrdiff_t>(used));
    (void)oci::parse_flags(kTable, taken, again);
    require(again == used, "what was taken is taken again");
}

/// The formats of single values.
void check_word(const std::string& word) {
    (void)oci::parse_duration(word);
    (void)oci::parse_bool(word);
    (void)oci::parse_signal(word);
    if (auto size = parse_byte_size(word)) require(*size >= 0, "no size is negative");
    fuzz::is_valid([&] { (void)oci::parse_user(word); });
    fuzz::is_valid([&] { (void)oci::parse_cgroups({word}); });
}

}  // namespace

/// Words, each ended by a NUL.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::Bytes bytes(data, size);
    std::vector<std::string> words;
    while (!bytes.empty()) words.emplace_back(bytes.text());
    for (const std::string& word : words) check_word(word);
    fuzz::is_valid([&] { check_line(words); });
    return 0;
}
