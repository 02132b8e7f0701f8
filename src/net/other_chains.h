// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "net/firewall.h"
#include "net/nft_library.h"

/// Chains of others at the hook forward. A packet passes only if no chain drops it, so where one of theirs
/// drops what it doesn't know (ufw, firewalld, Docker, an administrator's `policy drop`) ours can't let it
/// through.
///
/// There a chain of ours, berth-<tag>, is put into their table, with one rule at the head of theirs that
/// leads to it: it accepts what comes from or goes to our bridges, which our own chain judges. In two ways
/// that is better than a mark on packets set by our chain: marks belong to the administrator, and in the
/// tables of iptables-nft such rules are in the form that `iptables -S` shows:
///
///   -A FORWARD -m comment --comment berth-0a1b2c3d -j berth-0a1b2c3d
///   -A berth-0a1b2c3d -i berth0 -j ACCEPT
///   -A berth-0a1b2c3d -o berth0 -j ACCEPT
namespace berth::net {

/// A base chain at the hook forward.
struct ForwardChain {
    std::string family, table, chain;
    bool drops_by_policy = false;
    auto operator<=>(const ForwardChain&) const = default;
};
/// From what `nft list chains` prints; chains of all tables, by "family table".
struct ChainList {
    std::vector<ForwardChain> forward;
    std::set<std::string> tables;  ///< "inet berth-user"
    std::set<std::string> chains;  ///< "inet berth-user forward"
};
ChainList parse_chains(std::string_view text);
/// Whether `nft list chain` shows a rule that drops or rejects whatever comes to it.
bool drops_everything(std::string_view chain_text);
/// Bridges of other container engines and hypervisors, known by their names. Who may come in there is theirs
/// to say; bridges of the user's are like any way out.
std::vector<std::string> bridges_of_engines(const std::vector<std::string>& ours);
/// Handles of rules that jump to `target`, from the same text.
std::vector<std::string> handles_of_jumps(std::string_view chain_text, const std::string& target);

/// Of the firewall's thread. Failures are logged, once for each chain: the daemon works, and the
/// administrator can write such a rule himself.
class OtherChains {
  public:
    OtherChains(NftContext& nft, const Firewall::Options& options) : nft_(nft), options_(options) {}

    /// Brings the rules up to date: for these bridges (empty: none), or a warning where that is switched off.
    void update(const std::vector<std::string>& bridges);
    void remove() { update({}); }
    std::vector<Firewall::OtherChain> list();

  private:
    struct Judged {
        ForwardChain chain;
        bool drops = false;
        std::vector<std::string> jumps;
    };
    std::vector<Judged> judge(const ChainList& chains);
    void update_table(const std::string& family_and_table, const std::vector<Judged>& chains, bool has_chain,
                      const std::vector<std::string>& bridges);
    void warn_once(const std::string& key, const std::string& message);
    std::string name() const { return "berth-" + options_.tag; }

    NftContext& nft_;
    const Firewall::Options& options_;
    std::set<std::string> warned_;
};

/// The same for the chains of iptables-legacy, which nftables doesn't see; nothing where its kernel part is
/// not in use.
class LegacyChains {
  public:
    explicit LegacyChains(const Firewall::Options& options) : options_(options) {}
    void update(const std::vector<std::string>& bridges);
    std::vector<Firewall::OtherChain> list();

  private:
    const Firewall::Options& options_;
    bool warned_ = false;
};

}  // namespace berth::net
