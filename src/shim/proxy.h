// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth::shim {

/// `berth-shim proxy (--listen-fd N --to tcp:ADDR:PORT|udp:ADDR:PORT)… [--idle-timeout S]`
///
/// Passes on what arrives at inherited, listening (TCP) or bound (UDP) sockets: for the addresses that the
/// kernel's NAT cannot reach, such as [::1]. ADDR is numeric, IPv6 in brackets. One process serves any number
/// of pairs. argv[0] is the program or the word "proxy"; options begin at argv[1].
///
/// It leads its own session and ignores SIGHUP, because it outlives the daemon that starts it. SIGTERM: takes
/// what waits in the backlog, listens no more, and exits with 0 after the last TCP connection; a second one
/// ends at once. Exit status: 0, 2 for a wrong command line, 1 where a descriptor is no such socket.
int proxy_main(int argc, char** argv);

}  // namespace berth::shim
