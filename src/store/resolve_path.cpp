// SPDX-License-Identifier: Apache-2.0
#include "store/resolve_path.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <vector>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::store {

namespace {

/// As the kernel's own limit (path_resolution(7)).
constexpr int kMaxLinks = 40;

/// A place below a root: the folders that are there, then names of what is not.
class Place {
  public:
    explicit Place(int root) : root_(root) { restart(); }

    void restart() {
        at_ = sys::open_at(root_, ".", O_PATH | O_DIRECTORY);
        names_.clear();
        absent_ = 0;
    }
    void leave() {
        if (names_.empty()) return;
        names_.pop_back();
        if (absent_ > 0)
            --absent_;
        else
            at_ = sys::open_at(at_.get(), "..", O_PATH | O_DIRECTORY);
    }
    /// Goes to `name`, unless it is a symlink: then stays, and gives what it points to.
    std::optional<std::string> enter(std::string name) {
        std::optional<UniqueFd> next;
        if (absent_ == 0) next = open(name);
        if (next) {
            std::array<char, PATH_MAX> target;
            ssize_t size = ::readlinkat(next->get(), "", target.data(), target.size());
            if (size >= 0) return std::string(target.data(), static_cast<size_t>(size));
        }
        names_.push_back(std::move(name));
        if (next)
            at_ = std::move(*next);
        else
            ++absent_;
        return std::nullopt;
    }
    std::string path() const { return join(names_, "/"); }

  private:
    std::optional<UniqueFd> open(const std::string& name) const {
        UniqueFd fd(::openat(at_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (fd) return fd;
        if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) return std::nullopt;
        throw errno_error(errno, "open " + name);
    }

    int root_;
    UniqueFd at_;
    std::vector<std::string> names_;
    size_t absent_ = 0;  ///< of the names, the last ones
};

}  // namespace

std::string resolve_folders(int root, std::span<const std::string_view> names) {
    Place place(root);
    std::vector<std::string> ahead(names.rbegin() + 1, names.rend());
    for (int links = 0; !ahead.empty();) {
        std::string name = std::move(ahead.back());
        ahead.pop_back();
        if (name.empty() || name == ".") continue;
        if (name == "..") {
            place.leave();
            continue;
        }
        std::optional<std::string> target = place.enter(std::move(name));
        if (!target) continue;
        if (++links > kMaxLinks)
            throw Error(ErrorKind::invalid_argument, "too many levels of symbolic links in its path");
        if (target->starts_with('/')) place.restart();
        std::vector<std::string_view> parts = split(*target, '/');
        ahead.insert(ahead.end(), parts.rbegin(), parts.rend());
    }
    std::string path = place.path();
    if (!path.empty()) path += '/';
    return path += names.back();
}

}  // namespace berth::store
