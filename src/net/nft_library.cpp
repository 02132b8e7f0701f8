// SPDX-License-Identifier: Apache-2.0
#include "net/nft_library.h"

#include <dlfcn.h>

#include <cstdint>
#include <mutex>
#include <string_view>

#include "base/error.h"
#include "base/strings.h"

namespace berth::net {
namespace {

// libnftables(3); the values are part of its interface.
constexpr unsigned kStateless = 1U << 2;
constexpr unsigned kHandle = 1U << 3;
constexpr unsigned kGuid = 1U << 6;

struct Library {
    nft_ctx* (*make)(uint32_t flags) = nullptr;
    void (*free)(nft_ctx*) = nullptr;
    int (*run)(nft_ctx*, const char*) = nullptr;
    int (*buffer_output)(nft_ctx*) = nullptr;
    int (*buffer_error)(nft_ctx*) = nullptr;
    const char* (*output)(nft_ctx*) = nullptr;
    const char* (*error)(nft_ctx*) = nullptr;
    void (*set_output_flags)(nft_ctx*, unsigned) = nullptr;
    void (*set_dry_run)(nft_ctx*, bool) = nullptr;
    std::string failure;
    std::mutex one_at_a_time;

    Library() {
        void* library = ::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            failure = ::dlerror();
            return;
        }
        find(library, "nft_ctx_new", make);
        find(library, "nft_ctx_free", free);
        find(library, "nft_run_cmd_from_buffer", run);
        find(library, "nft_ctx_buffer_output", buffer_output);
        find(library, "nft_ctx_buffer_error", buffer_error);
        find(library, "nft_ctx_get_output_buffer", output);
        find(library, "nft_ctx_get_error_buffer", error);
        find(library, "nft_ctx_output_set_flags", set_output_flags);
        find(library, "nft_ctx_set_dry_run", set_dry_run);
    }

  private:
    template <typename Function>
    void find(void* library, const char* name, Function& function) {
        function = reinterpret_cast<Function>(::dlsym(library, name));
        if (function == nullptr) failure = std::string("libnftables.so.1 has no ") + name;
    }
};

Library& library() {
    static Library loaded;
    return loaded;
}

/// Of "/dev/stdin:1:1-9: Error: Could not process rule: No such file or directory\nadd element …\n^^^^":
/// "could not process rule: no such file or directory: add element …".
Error failure_of(std::string_view text) {
    std::vector<std::string_view> lines = split(text, '\n');
    for (size_t i = 0; i < lines.size(); ++i) {
        size_t at = lines[i].find("Error: ");
        if (at == std::string_view::npos) continue;
        std::string message(lines[i].substr(at + 7));
        if (i + 1 < lines.size()) {
            std::string_view command = trim(lines[i + 1]).substr(0, 200);
            if (!command.empty()) message += fmt::format(" ({})", command);
        }
        return make_error(ErrorKind::internal, "nftables: {}", message);
    }
    return make_error(ErrorKind::internal, "nftables: {}", trim(text));
}

}  // namespace

NftContext::NftContext() {
    Library& nft = library();
    if (!nft.failure.empty())
        throw make_error(
            ErrorKind::unavailable,
            "{}; install libnftables (Debian: package libnftables1, Fedora and Alpine: nftables), or "
            "start the daemon with --iptables=false --ip6tables=false: it then makes no packet rules",
            nft.failure);
    std::lock_guard lock(nft.one_at_a_time);
    context_ = nft.make(0);
    if (context_ == nullptr)
        throw Error(ErrorKind::unavailable, "nft_ctx_new failed: the kernel has no netfilter netlink");
    nft.buffer_output(context_);
    nft.buffer_error(context_);
    nft.set_output_flags(context_, kStateless | kHandle | kGuid);
}

NftContext::~NftContext() {
    std::lock_guard lock(library().one_at_a_time);
    library().free(context_);
}

void NftContext::run(const std::string& commands) {
    Library& nft = library();
    std::lock_guard lock(nft.one_at_a_time);
    int result = nft.run(context_, commands.c_str());
    nft.output(context_);
    std::string_view error = nft.error(context_);
    if (result != 0) throw failure_of(error);
}

std::string NftContext::list(const std::string& command) {
    Library& nft = library();
    std::lock_guard lock(nft.one_at_a_time);
    int result = nft.run(context_, command.c_str());
    std::string output = nft.output(context_);
    std::string_view error = nft.error(context_);
    if (result != 0) throw failure_of(error);
    return output;
}

bool NftContext::would_run(const std::string& commands) {
    Library& nft = library();
    std::lock_guard lock(nft.one_at_a_time);
    nft.set_dry_run(context_, true);
    int result = nft.run(context_, commands.c_str());
    nft.set_dry_run(context_, false);
    nft.output(context_);
    nft.error(context_);
    return result == 0;
}

}  // namespace berth::net
