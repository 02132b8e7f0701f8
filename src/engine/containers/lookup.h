// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace berth::engine {

/// Ids and names of all containers. A name may be reserved before its container is entered, so that two
/// creations that run at the same time can't have the same.
///
/// A template, since what is entered is for others to define; `Entry` has id() and record().name.
template <typename Entry>
class ContainerIndex {
  public:
    using Pointer = std::shared_ptr<Entry>;

    void add(Pointer entry) {
        std::string id = entry->id();
        by_id_[std::move(id)] = std::move(entry);
    }
    void remove(const std::string& id) { by_id_.erase(id); }

    /// False where it belongs to another id; holder() tells which.
    bool reserve_name(const std::string& name, const std::string& id) {
        return names_.try_emplace(name, id).first->second == id;
    }
    /// Only where it belongs to `id`.
    void release_name(const std::string& name, const std::string& id) {
        auto found = names_.find(name);
        if (found != names_.end() && found->second == id) names_.erase(found);
    }
    std::optional<std::string> holder(const std::string& name) const {
        auto found = names_.find(name);
        return found == names_.end() ? std::nullopt : std::optional(found->second);
    }

    Pointer find(std::string_view id) const {
        auto found = by_id_.find(id);
        return found == by_id_.end() ? nullptr : found->second;
    }

    /// By full id, by name (with or without "/"), by a unique prefix of the id, in this order. Null: none.
    Pointer look_up(std::string_view reference, bool& is_ambiguous) const {
        is_ambiguous = false;
        if (Pointer exact = find(reference)) return exact;
        std::string_view bare = reference.starts_with('/') ? reference.substr(1) : reference;
        if (std::optional<std::string> id = holder(std::string(bare)))
            if (Pointer named = find(*id)) return named;
        if (reference.empty()) return nullptr;
        auto first = by_id_.lower_bound(reference);
        if (first == by_id_.end() || !first->first.starts_with(reference)) return nullptr;
        auto next = std::next(first);
        is_ambiguous = next != by_id_.end() && next->first.starts_with(reference);
        return is_ambiguous ? nullptr : first->second;
    }

    /// In the order of their ids.
    std::vector<Pointer> all() const {
        std::vector<Pointer> entries;
        entries.reserve(by_id_.size());
        for (const auto& [id, entry] : by_id_) entries.push_back(entry);
        return entries;
    }

  private:
    std::map<std::string, Pointer, std::less<>> by_id_;
    std::unordered_map<std::string, std::string> names_;
};

}  // namespace berth::engine
