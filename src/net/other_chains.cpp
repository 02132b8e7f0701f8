// SPDX-License-Identifier: Apache-2.0
#include "net/other_chains.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "net/firewall_text.h"
#include "net/link.h"

namespace berth::net {
namespace {

/// "chain FORWARD { # handle 1" gives "FORWARD".
std::string_view name_after(std::string_view line, std::string_view word) {
    line.remove_prefix(word.size());
    return line.substr(0, line.find(' '));
}

/// A rule without its handle and comment.
std::string_view bare_rule(std::string_view line) {
    line = line.substr(0, line.rfind(" # handle "));
    return trim(line.substr(0, line.find(" comment \"")));
}

std::string_view handle_of(std::string_view line) {
    constexpr std::string_view kMark = " # handle ";
    size_t at = line.rfind(kMark);
    return at == std::string_view::npos ? std::string_view() : trim(line.substr(at + kMark.size()));
}

/// The verdict of a rule that all packets meet: "drop", "reject", "accept"; "" for any other rule.
std::string_view general_verdict(std::string_view line) {
    auto is_verdict = [](std::string_view word) {
        return word == "drop" || word == "reject" || word == "accept" || word == "return";
    };
    std::vector<std::string_view> words = split_fields(bare_rule(line));
    bool in_log = false;
    for (size_t i = 0; i < words.size(); ++i) {
        if (is_verdict(words[i])) return words[i];
        if (words[i] == "log") in_log = true;
        if (words[i] == "counter" || in_log) continue;
        return {};
    }
    return {};
}

std::string jump_name(std::string_view rule) {
    std::vector<std::string_view> words = split_fields(bare_rule(rule));
    if (words.size() < 2 || words[words.size() - 2] != "jump") return "";
    return std::string(words.back());
}

std::string accept_rule(const char* direction, const std::string& bridge) {
    return fmt::format("{} {} accept", direction, quoted_name(bridge));
}

std::vector<std::string> accept_rules(const std::vector<std::string>& bridges,
                                      const std::vector<std::string>& engines) {
    std::vector<std::string> rules;
    for (const auto& bridge : bridges) rules.push_back(accept_rule("oifname", bridge));
    for (const auto& bridge : engines) rules.push_back(fmt::format("oifname {} return", quoted_name(bridge)));
    for (const auto& bridge : bridges) rules.push_back(accept_rule("iifname", bridge));
    return rules;
}

std::vector<std::string> rules_in(std::string_view chain_text) {
    std::vector<std::string> rules;
    for (std::string_view line : split(chain_text, '\n'))
        if (line.starts_with("\t\t")) rules.emplace_back(bare_rule(line));
    return rules;
}

}  // namespace

std::vector<std::string> bridges_of_engines(const std::vector<std::string>& ours) {
    constexpr std::string_view kPrefixes[] = {"docker", "podman", "cni", "virbr", "lxcbr", "lxdbr", "berth"};
    constexpr std::string_view kHex = "0123456789abcdef";
    constexpr std::string_view kOfNetwork = "br-";
    constexpr size_t kIdLength = 12;
    std::vector<std::string> names;
    for (const LinkInfo& link : list_links()) {
        const std::string& name = link.name;
        if (link.kind != "bridge" || std::ranges::find(ours, name) != ours.end()) continue;
        bool has_id = name.starts_with(kOfNetwork) && name.size() == kOfNetwork.size() + kIdLength &&
                      name.find_first_not_of(kHex, kOfNetwork.size()) == std::string::npos;
        bool is_known = std::ranges::any_of(kPrefixes, [&](auto prefix) { return name.starts_with(prefix); });
        if (has_id || is_known) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

ChainList parse_chains(std::string_view text) {
    ChainList list;
    std::string family, table, chain;
    for (std::string_view line : split(text, '\n')) {
        line = trim(line);
        if (line.starts_with("table ")) {
            std::vector<std::string_view> words = split_fields(line);
            if (words.size() < 3) continue;
            family = words[1];
            table = words[2];
            list.tables.insert(family + " " + table);
        } else if (line.starts_with("chain ")) {
            chain = name_after(line, "chain ");
            list.chains.insert(fmt::format("{} {} {}", family, table, chain));
        } else if (line.starts_with("type filter hook forward ")) {
            list.forward.push_back(
                {family, table, chain, line.find("policy drop;") != std::string_view::npos});
        }
    }
    return list;
}

bool drops_everything(std::string_view chain_text) {
    for (std::string_view line : split(chain_text, '\n')) {
        if (!line.starts_with("\t\t")) continue;
        std::string_view verdict = general_verdict(line);
        if (!verdict.empty()) return verdict == "drop" || verdict == "reject";
    }
    return false;
}

std::vector<std::string> handles_of_jumps(std::string_view chain_text, const std::string& target) {
    std::vector<std::string> handles;
    for (std::string_view line : split(chain_text, '\n'))
        if (line.starts_with("\t\t") && jump_name(line) == target) handles.emplace_back(handle_of(line));
    return handles;
}

std::vector<OtherChains::Judged> OtherChains::judge(const ChainList& chains) {
    std::vector<Judged> judged;
    for (const auto& chain : chains.forward) {
        bool is_theirs = chain.family == "ip"     ? options_.enable4
                         : chain.family == "ip6"  ? options_.enable6
                         : chain.family == "inet" ? !chain.table.starts_with("berth-")
                                                  : false;
        if (!is_theirs) continue;
        std::string text;
        try {
            text = nft_.list(fmt::format("list chain {} {} {}", chain.family, chain.table, chain.chain));
        } catch (const Error&) {
            continue;  // it has just gone
        }
        bool drops = drops_everything(text);
        if (!drops && chain.drops_by_policy) {
            // A rule that accepts all comes before the policy.
            std::vector<std::string> rules = rules_in(text);
            drops = std::none_of(rules.begin(), rules.end(),
                                 [](const auto& rule) { return general_verdict(rule) == "accept"; });
        }
        judged.push_back({chain, drops, handles_of_jumps(text, name())});
    }
    return judged;
}

void OtherChains::update(const std::vector<std::string>& bridges) {
    ChainList chains = parse_chains(nft_.list("list chains"));
    std::map<std::string, std::vector<Judged>> tables;
    for (auto& judged : judge(chains)) {
        if (judged.drops && !options_.accept_in_others && !bridges.empty())
            warn_once(
                judged.chain.table + judged.chain.chain,
                fmt::format("the chain {} of the table {} {} drops what is forwarded, and rules in others' "
                            "chains are switched off: containers have no network until it accepts their "
                            "bridges",
                            judged.chain.chain, judged.chain.family, judged.chain.table));
        tables[judged.chain.family + " " + judged.chain.table].push_back(std::move(judged));
    }
    for (const auto& [table, in_table] : tables) {
        try {
            update_table(table, in_table, chains.chains.contains(table + " " + name()),
                         options_.accept_in_others ? bridges : std::vector<std::string>());
        } catch (const Error& error) {
            warn_once(
                table,
                fmt::format("accepting containers' packets in the table {}: {}; where firewalld owns it, "
                            "put the bridges into a zone: firewall-cmd --zone=trusted --add-interface={}",
                            table, error.what(), bridges.empty() ? "berth0" : bridges.front()));
        }
    }
}

void OtherChains::update_table(const std::string& table, const std::vector<Judged>& chains, bool has_chain,
                               const std::vector<std::string>& bridges) {
    bool drops = std::any_of(chains.begin(), chains.end(), [](const Judged& chain) { return chain.drops; });
    bool is_wanted = drops && !bridges.empty();
    if (!is_wanted && !has_chain) return;
    std::string text;
    if (is_wanted) {
        std::vector<std::string> rules = accept_rules(bridges, bridges_of_engines(bridges));
        if (!has_chain) text += fmt::format("add chain {} {}\n", table, name());
        if (!has_chain || rules_in(nft_.list(fmt::format("list chain {} {}", table, name()))) != rules) {
            if (has_chain) text += fmt::format("flush chain {} {}\n", table, name());
            for (const auto& rule : rules) text += fmt::format("add rule {} {} {}\n", table, name(), rule);
        }
    }
    for (const auto& judged : chains) {
        bool keeps = is_wanted && judged.drops;
        if (keeps && judged.jumps.empty())
            text += fmt::format("insert rule {0} {1} counter jump {2} comment \"{2}\"\n", table,
                                judged.chain.chain, name());
        // One is enough: an interrupted `iptables-restore` may have left two.
        for (size_t i = keeps ? 1 : 0; i < judged.jumps.size(); ++i)
            text += fmt::format("delete rule {} {} handle {}\n", table, judged.chain.chain, judged.jumps[i]);
    }
    if (!is_wanted) text += fmt::format("flush chain {0} {1}\ndelete chain {0} {1}\n", table, name());
    if (!text.empty()) nft_.run(text);
}

std::vector<Firewall::OtherChain> OtherChains::list() {
    std::vector<Firewall::OtherChain> result;
    for (const auto& judged : judge(parse_chains(nft_.list("list chains")))) {
        if (judged.drops)
            result.push_back(
                {judged.chain.family, judged.chain.table, judged.chain.chain, !judged.jumps.empty()});
    }
    return result;
}

void OtherChains::warn_once(const std::string& key, const std::string& message) {
    if (warned_.insert(key).second) log::warning("{}", message);
}

}  // namespace berth::net
