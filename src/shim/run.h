// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth::shim {

/// Descriptors that `berth-shim run` inherits.
inline constexpr int kBundleFd = 3;  ///< the container's directory
inline constexpr int kHandshakeFd =
    4;  ///< one end of a SOCK_SEQPACKET pair, whose other end the spawner holds

/// `berth-shim run [ID]`: makes the container of the directory, and stays until it has ended (docs/shim.md).
/// ID is only for people who read process lists. The answer, ready or an error, goes to the handshake's
/// descriptor. Exit status: 0, or 1 where there is no container. Leaves the session, the standard streams and
/// the working directory of its caller, and holds no descriptor but the two.
int run_main(int argc, char** argv);

}  // namespace berth::shim
