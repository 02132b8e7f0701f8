// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth::shim {

/// What `berth-shim run` inherits: one end of a SOCK_SEQPACKET pair, whose other end the spawner holds.
inline constexpr int kHandshakeFd = 3;

/// `berth-shim run [TITLE]`: waits for the spawner to name a directory, makes its container, and stays until
/// that has ended (docs/shim.md). TITLE is for people who read process lists: the container's id is written
/// over it. The answer, ready or an error, goes to the handshake's descriptor. Exit status: 0 (also when the
/// spawner went away before it named a directory), or 1 where there is no container. Leaves the session, the
/// standard streams and the working directory of its caller, and holds no descriptor but the two.
int run_main(int argc, char** argv);

}  // namespace berth::shim
