// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth {

/// The defence against CVE-2019-5736: a process in a container can see ours as /proc/PID/exe (between clone
/// and exec, or by executing /proc/self/exe itself), and that link leads past all mount namespaces to the
/// host's file. So our own executable must be one that nobody can open for writing, whatever the file's
/// permissions:
///   a detached read-only mount of it, made for this process alone, where we may mount;
///   else a sealed copy in memory.
/// Executes itself again from there; returns at once in a process that runs so. What tells is the kernel
/// (seals, or that the mount is read-only and belongs to no mount namespace), never the environment or the
/// arguments. Throws where neither way works. To be called before there are threads, and before anything else
/// that costs.
void protect_own_executable(char** argv);

/// Whether this process already runs from such a place.
bool own_executable_protected();

}  // namespace berth
