// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "sys/file.h"

namespace berth::client {

/// A folder of its own, that is first in $PATH, for configuration files and credential helpers that are shell
/// scripts.
class CredentialFixture : public testing::Test {
  protected:
    CredentialFixture() {
        char name[] = "/tmp/berth-client-XXXXXX";
        if (::mkdtemp(name) == nullptr) throw errno_error(errno, "mkdtemp");
        dir_ = name;
        const char* path = std::getenv("PATH");
        old_path_ = path != nullptr ? path : "";
        ::setenv("PATH", (dir_ + ':' + old_path_).c_str(), 1);
    }
    ~CredentialFixture() override {
        ::setenv("PATH", old_path_.c_str(), 1);
        sys::remove_tree_at(AT_FDCWD, dir_);
    }

    std::string path(const std::string& name) const { return dir_ + '/' + name; }
    void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        UniqueFd file = sys::open_file(path(name), O_CREAT | O_TRUNC | O_WRONLY, mode);
        sys::write_all(file.get(), text, name);
    }
    std::string read(const std::string& name) const { return sys::read_file(path(name)); }

    void add_helper(const std::string& name, const std::string& script) const {
        write("docker-credential-" + name, "#!/bin/sh\n" + script + '\n', 0755);
    }
    /// One that keeps each server's JSON in a file.
    void add_keeping_helper(const std::string& name) const {
        add_helper(name, "cd " + dir_ + " && own=kept-" + name + R"sh(
            absent() { echo "credentials not found in native keychain"; exit 1; }
            key() { tr -c 'a-z0-9.\n' _; }
            case $1 in
            store)
                json=$(cat)
                server=${json#*\"ServerURL\":\"}
                printf '%s\n' "$json" >"$own-$(echo "${server%%\"*}" | key)"
                ;;
            get) cat "$own-$(key)" 2>/dev/null || absent ;;
            erase) rm "$own-$(key)" 2>/dev/null || absent ;;
            esac)sh");
    }
    std::string kept(const std::string& helper, const std::string& key) const {
        return read("kept-" + helper + '-' + key);
    }

    std::string dir_;
    std::string old_path_;
};

}  // namespace berth::client
