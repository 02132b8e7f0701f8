// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "net/firewall.h"
#include "net/firewall_rules.h"
#include "net/firewall_watch.h"
#include "net/nft_library.h"
#include "net/other_chains.h"

namespace berth::net {

/// The tables in the kernel, what they shall hold, and who else changes them. Blocking; all on one thread,
/// whose network namespace it is.
class FirewallTable {
  public:
    explicit FirewallTable(const Firewall::Options& options);

    void replace(const FirewallChange& all);
    /// All in one transaction; where the kernel doesn't take it each is tried alone. What failed for each, or
    /// null.
    std::vector<std::exception_ptr> apply(const std::vector<const FirewallChange*>& changes);
    /// What others did since the last call: mends our table at once. True where their chains changed, so that
    /// update_others() is due.
    bool look();
    void update_others();
    void remove(bool remove_table);
    std::vector<Firewall::OtherChain> other_chains();
    /// Readable when look() has something to see.
    UniqueFd watch_descriptor() const { return watch_.descriptor(); }

  private:
    /// Our tables and, where it is missing, the administrators'.
    void write_whole();
    void write(const std::vector<const FirewallChange*>& changes);
    bool mend_if_hurt();

    Firewall::Options options_;
    NftContext nft_;
    FirewallRules rules_;
    FirewallWatch watch_;
    OtherChains others_;
    LegacyChains legacy_;
    bool others_changed_ = false;
    bool is_hurt_again_ = false;  ///< while it was mended
};

}  // namespace berth::net
