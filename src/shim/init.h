// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth::shim {

/// PID 1 of a container that was run with --init: `berth-init [OPTIONS] [--] PROGRAM [ARGS…]`, with tini's
/// options and variables, which images and compose files know (also called docker-init, or `berth-shim
/// init`). argv[0] is the program or the word "init"; options begin at argv[1].
///
///   -g          signals go to the program's process group, not to it alone     (TINI_KILL_PROCESS_GROUP)
///   -s          becomes a subreaper, for when it isn't PID 1                    (TINI_SUBREAPER)
///   -e CODE     this exit code of the program becomes 0 (repeatable)
///   -p SIGNAL   this process's own parent death signal
///   -v          says more (repeatable)                                         (TINI_VERBOSITY=N)
///   -w          warns of each orphan that is reaped
///   -h, -l, --version
///
/// Starts the program in its own process group, which becomes the foreground one if this process's was;
/// passes on each signal that isn't a fault of its own; reaps whatever is orphaned. Ends with the program's
/// exit code, or 128 + the signal that ended it; 127 if there is no such program, 126 if it can't be
/// executed. When it isn't PID 1 but a job of a shell, it stops and continues together with the program.
///
/// Stays for the container's whole life, so it uses no heap and starts nothing.
int init_main(int argc, char** argv);

}  // namespace berth::shim
