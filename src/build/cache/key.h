// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "build/plan/plan.h"

/// Cache keys: sha256 over a step's definition and its inputs' *content*. No time, inode, path of the client,
/// secret, proxy variable, display name or history text is in any of them, so that a fresh clone, another
/// machine and another tag of the same base find the same results.
///
///   key = H("berth-step-2", platform, kind, fields of the step, inputs)
///
/// docs/builder.md has the table of what counts, by kind. Every field is written with its length (Encoder),
/// so that no two definitions give the same bytes. A change of what a step does with the same definition
/// raises the number in the prefix.
namespace berth::build {

/// What an input is known by.
struct InputKey {
    /// The result's file system: the chain id of its layers, or "" for an empty one.
    std::string chain;
    /// Of a source whose selected files' contents are known; for each CopyStep::From (or bind mount) that
    /// uses it, in order.
    std::vector<Digest> content;
};

/// For steps that look at all of their inputs: inputs by chain id alone. Cheap: nothing is read.
Digest quick_key(const Vertex& vertex, const std::vector<InputKey>& inputs);
/// COPY, ADD and RUN with bind mounts, where a source is a context or another stage: inputs from 1 on by the
/// content of what is selected. Same as quick_key() where there are none. Throws internal where a content is
/// missing.
Digest content_key(const Vertex& vertex, const std::vector<InputKey>& inputs);
bool has_content_key(const Vertex& vertex);
/// Of a cache mount's folder: H(id, from, platform is not in it): as BuildKit, the id alone and the base.
std::string cache_mount_key(const MountStep& mount, const std::optional<std::string>& base_chain);

/// Length-prefixed fields into a hash. For keys alone.
class Encoder {
  public:
    explicit Encoder(std::string_view prefix);
    Encoder& text(std::string_view value);
    Encoder& number(int64_t value);
    Encoder& flag(bool value);
    Encoder& list(const std::vector<std::string>& values);
    Digest finish();

  private:
    Hasher hash_;
};

}  // namespace berth::build
