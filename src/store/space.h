// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace berth::store {

/// ENOSPC, EDQUOT.
bool is_out_of_space(const Error& error);

/// Where `error` says that there is no space left (ENOSPC, EDQUOT; SQLITE_FULL comes as the first): the same
/// with the file system's place and what to do. Any other error as it is.
Error with_space_advice(const Error& error, std::string_view where);

/// Runs `body`; errors that leave it go through with_space_advice.
template <typename Body>
decltype(auto) advise_on_space(std::string_view where, Body&& body) {
    try {
        return std::forward<Body>(body)();
    } catch (const Error& error) {
        if (!is_out_of_space(error)) throw;
        throw with_space_advice(error, where);
    }
}

/// A file that only takes room (<root>/reserve, 512 KiB), so that on a full disk there is some for what frees
/// more: the database needs a few blocks to delete a row.
class Reserve {
  public:
    explicit Reserve(std::string root) : path_(std::move(root) + "/reserve") {}
    /// Gives a part of the room (64 KiB) to the file system: others may be waiting to take all they can.
    /// False where there is none left.
    bool release() const noexcept;
    /// Takes it again, if the disk has so much.
    void restore() const noexcept;

  private:
    std::string path_;
};

/// Runs `work`, which frees space or can't be done without; where it fails for lack of it, again with parts
/// of the reserve.
template <typename Work>
auto with_reserve(const Reserve& reserve, Work&& work) {
    struct Restore {
        const Reserve& what;
        ~Restore() { what.restore(); }
    } restore{reserve};
    for (;;) {
        try {
            return work();
        } catch (const Error& error) {
            if (!is_out_of_space(error) || !reserve.release()) throw;
        }
    }
}

}  // namespace berth::store
