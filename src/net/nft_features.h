// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/nft_library.h"

namespace berth::net {

/// What the tables need and this kernel does not have, in words for the administrator: "address translation
/// (CONFIG_NFT_NAT, modules nft_nat, nft_chain_nat), …"; "" where it lacks nothing. Changes nothing.
std::string missing_features(NftContext& nft);

}  // namespace berth::net
