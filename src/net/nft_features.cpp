// SPDX-License-Identifier: Apache-2.0
#include "net/nft_features.h"

#include <array>
#include <vector>

#include "base/strings.h"

namespace berth::net {
namespace {

struct Feature {
    const char* what;
    const char* commands;
};
/// Each is tried alone, from the plain to the special.
constexpr auto kFeatures = std::to_array<Feature>({
    {"nftables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)", "add table inet berth-probe"},
    {"maps and sets (CONFIG_NF_TABLES)",
     "table inet berth-probe { map m { type inet_proto . inet_service : ipv4_addr . inet_service; }; }"},
    {"connection tracking (CONFIG_NFT_CT, module nft_ct)",
     "table inet berth-probe { chain c { ct state established accept; }; }"},
    {"address translation (CONFIG_NFT_NAT, modules nft_nat, nft_chain_nat)",
     "table inet berth-probe { chain c { type nat hook prerouting priority -100; meta l4proto tcp dnat ip to "
     "10.0.0.1:80; }; }"},
    {"masquerading (CONFIG_NFT_MASQ, module nft_masq)",
     "table inet berth-probe { chain c { type nat hook postrouting priority 100; masquerade; }; }"},
    {"route look-ups (CONFIG_NFT_FIB_INET, modules nft_fib_inet, nft_fib_ipv4, nft_fib_ipv6)",
     "table inet berth-probe { chain c { type filter hook input priority 0; fib daddr type local accept; }; "
     "}"},
    {"rejecting (CONFIG_NFT_REJECT, module nft_reject_inet)",
     "table inet berth-probe { chain c { type filter hook input priority 0; reject; }; }"},
    {"counters over connections (CONFIG_NFT_NUMGEN, module nft_numgen)",
     "table inet berth-probe { chain c { numgen inc mod 2 0 accept; }; }"},
    {"hashes of addresses (CONFIG_NFT_HASH, module nft_hash)",
     "table inet berth-probe { chain c { jhash ip saddr mod 2 0 accept; }; }"},
    {"rules for bridges (CONFIG_NF_TABLES_BRIDGE, CONFIG_NFT_BRIDGE_META, module nft_meta_bridge)",
     "table bridge berth-probe { chain c { type filter hook forward priority 0; iifname lo accept; }; }"},
});

}  // namespace

std::string missing_features(NftContext& nft) {
    std::vector<std::string> missing;
    for (const auto& feature : kFeatures)
        if (!nft.would_run(feature.commands)) missing.emplace_back(feature.what);
    return join(missing, ", ");
}

}  // namespace berth::net
