// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "async/context.h"
#include "base/digest.h"
#include "base/unique_fd.h"
#include "store/blobs.h"

namespace berth::registry::server {

/// One blob on its way from the upstream, and those who follow it.
struct BlobFetch {
    BlobFetch(async::Context& context, std::string owner, Digest wanted)
        : repository(std::move(owner)), digest(std::move(wanted)), progress(context) {}

    const std::string repository;
    const Digest digest;

    // Of the loop's thread:
    std::optional<uint64_t> size;  ///< known once the upstream answered
    uint64_t available = 0;        ///< bytes in a row that followers may read
    bool finished = false;
    std::exception_ptr error;
    async::Event progress;  ///< something above has changed
    /// How far followers may read: all but the last byte before the whole is verified, so that nobody takes a
    /// wrong blob for complete.
    uint64_t readable() const {
        return !finished && size && available == *size && available > 0 ? available - 1 : available;
    }
    void tell() {
        progress.set();
        progress.reset();
    }

    // Of the pool, one call at a time:
    /// Takes the blob's ingest and hashes what an earlier fetch left.
    void open(store::BlobStore& blobs, const std::string& root);
    void append(std::span<const std::byte> data);
    void restart();
    /// Verifies and publishes; the lease holds the blob until it is linked.
    store::BlobInfo commit();
    uint64_t written = 0;

    /// The file, for followers: stays readable when the blob is published.
    UniqueFd file;

  private:
    std::optional<store::Lease> lease_;
    std::unique_ptr<store::Ingest> ingest_;
    std::optional<Hasher> hasher_;
};

}  // namespace berth::registry::server
