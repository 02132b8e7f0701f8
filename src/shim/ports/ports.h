// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth::shim {

/// `berth-shim ports --tag TAG --socket PATH [--linger MS]`
///
/// Holds ports of the host for one daemon and outlives it; docs/networking.md has the protocol. Descriptor 0
/// is the daemon's end of a SOCK_SEQPACKET pair, the handshake: {"ready":true,…} or {"error":{…}} is sent
/// over it, and from then on it is a connection as those to PATH. The process that is executed ends as soon
/// as it has made the one that stays.
///
/// Ends when it holds nothing and no connection goes through it: at once where no client is connected, else
/// after MS milliseconds of that. All signals but SIGKILL are ignored. Exit status: 0; 2 for a wrong command
/// line; 1 where it can't begin.
int ports_main(int argc, char** argv);

}  // namespace berth::shim
