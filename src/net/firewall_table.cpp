// SPDX-License-Identifier: Apache-2.0
#include "net/firewall_table.h"

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "net/nft_features.h"

namespace berth::net {
namespace {

constexpr const char* kAdministratorsTable = "inet berth-user";

/// As nft lists it while nobody has put anything there.
bool is_untouched(std::string_view table_text) {
    size_t lines = 0;
    for (std::string_view line : split(table_text, '\n')) {
        line = trim(line);
        if (!line.empty() && line != "}" && !line.starts_with("#")) ++lines;
    }
    return lines == 3;  // table, chain, type
}

}  // namespace

FirewallTable::FirewallTable(const Firewall::Options& options)
    : options_(options),
      rules_(options_),
      watch_(table_name(options_.tag)),
      others_(nft_, options_),
      legacy_(options_) {}

void FirewallTable::replace(const FirewallChange& all) {
    rules_.take(all);
    try {
        write_whole();
    } catch (const Error& error) {
        rules_.roll_back();
        std::string missing = missing_features(nft_);
        if (missing.empty()) throw;
        throw make_error(ErrorKind::unavailable,
                         "packet rules: the kernel lacks {}; load the modules, or start the daemon with "
                         "--iptables=false --ip6tables=false: it then makes no packet rules ({})",
                         missing, error.what());
    }
    rules_.commit();
    watch_.read();
    update_others();
}

std::vector<std::exception_ptr> FirewallTable::apply(const std::vector<const FirewallChange*>& changes) {
    std::vector<std::exception_ptr> failures(changes.size());
    std::vector<std::string> bridges = rules_.bridges();
    try {
        write(changes);
    } catch (const Error&) {
        // Somebody may have taken the table away from under the change.
        mend_if_hurt();
        for (size_t i = 0; i < changes.size(); ++i) {
            try {
                write({changes[i]});
            } catch (...) {
                failures[i] = std::current_exception();
            }
        }
    }
    if (rules_.bridges() != bridges) update_others();
    return failures;
}

void FirewallTable::write(const std::vector<const FirewallChange*>& changes) {
    try {
        std::string text;
        for (const FirewallChange* change : changes) text += rules_.take(*change);
        text += rules_.take_bridge_table();
        if (!text.empty()) nft_.run(text);
    } catch (...) {
        rules_.roll_back();
        throw;
    }
    rules_.commit();
}

void FirewallTable::write_whole() {
    ChainList present = parse_chains(nft_.list("list chains"));
    std::string text = rules_.whole(present.tables.contains("bridge " + table_name(options_.tag)));
    if (!present.chains.contains(fmt::format("{} forward", kAdministratorsTable)))
        text += fmt::format(
            "add table {0}\nadd chain {0} forward {{ type filter hook forward priority filter - 10; "
            "policy accept; }}\n",
            kAdministratorsTable);
    nft_.run(text);
}

bool FirewallTable::mend_if_hurt() {
    FirewallWatch::Seen seen = watch_.read();
    seen.ours_was_hurt |= std::exchange(is_hurt_again_, false);
    others_changed_ |= seen.others_changed || seen.is_lossy;
    if (!seen.ours_was_hurt && !seen.is_lossy) return false;
    try {
        write_whole();
        if (seen.ours_was_hurt)
            log::warning("the table inet {} was changed by somebody else; it is restored",
                         table_name(options_.tag));
        // A big table makes more messages than the queue takes: those that are lost now are our own, and no
        // reason to write it once more.
        FirewallWatch::Seen meanwhile = watch_.read();
        is_hurt_again_ = meanwhile.ours_was_hurt;
    } catch (const Error& error) {
        log::error("restoring the table inet {}: {}", table_name(options_.tag), error.what());
    }
    others_changed_ = true;
    return true;
}

bool FirewallTable::look() {
    mend_if_hurt();
    return std::exchange(others_changed_, false);
}

void FirewallTable::update_others() {
    try {
        others_.update(rules_.bridges());
    } catch (const Error& error) {
        log::warning("looking at others' forward chains: {}", error.what());
    }
    legacy_.update(rules_.bridges());
}

void FirewallTable::remove(bool remove_table) {
    if (!remove_table) return;
    others_.remove();
    legacy_.update({});
    ChainList present = parse_chains(nft_.list("list chains"));
    std::string text;
    for (const char* family : {"inet ", "bridge "}) {
        std::string table = family + table_name(options_.tag);
        if (present.tables.contains(table)) text += fmt::format("delete table {}\n", table);
    }
    if (present.tables.contains(kAdministratorsTable) &&
        is_untouched(nft_.list(fmt::format("list table {}", kAdministratorsTable))))
        text += fmt::format("delete table {}\n", kAdministratorsTable);
    if (!text.empty()) nft_.run(text);
}

std::vector<Firewall::OtherChain> FirewallTable::other_chains() {
    std::vector<Firewall::OtherChain> chains = others_.list();
    for (auto& chain : legacy_.list()) chains.push_back(std::move(chain));
    return chains;
}

}  // namespace berth::net
