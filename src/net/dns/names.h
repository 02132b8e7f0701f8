// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "net/address.h"
#include "net/dns/server.h"

/// What the names of networks mean. Values in memory; of the stream context.
///
/// A client sees its own names (links), then those of its networks in their order: "web" and "web.mynet". The
/// first network that has an address of the family that is asked for answers. Letters' case does not count.
namespace berth::net::dns {

std::string lower_case(std::string_view text);
/// The address in "4.3.2.1.in-addr.arpa" or "….ip6.arpa" (lower case); nothing where it is no whole one.
std::optional<IpAddress> address_of_reverse_name(std::string_view name);

/// For unordered_map::find with a string_view.
struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

/// The names of one network.
class NetworkNames {
  public:
    struct Endpoint {
        std::string name;                ///< the first one, as it was written
        std::vector<std::string> names;  ///< lower case, each once
        std::vector<IpAddress> addresses;
        std::vector<std::pair<Protocol, uint16_t>> ports;
    };

    void set_name(std::string_view name);
    const std::string& name() const { return name_; }  ///< as it was written; "" until it is known
    bool is_called(std::string_view lower) const { return !lower_name_.empty() && lower_name_ == lower; }
    bool is_empty() const { return names_.empty() && endpoints_.empty(); }

    void add(DnsEndpoint endpoint);
    void remove(std::string_view endpoint);
    void add_name(std::string_view name, std::vector<IpAddress> addresses);
    void remove_name(std::string_view name);

    /// Whether there is such a name. Appends its addresses (of the family), beginning with another one at
    /// each call.
    bool addresses(std::string_view name, Family family, std::vector<IpAddress>& into);
    bool has(std::string_view name) const { return names_.contains(name); }
    const Endpoint* at(const IpAddress& address) const;
    /// Appends the name's endpoints.
    void endpoints(std::string_view name, std::vector<const Endpoint*>& into) const;

  private:
    struct Entry {
        std::vector<const Endpoint*> endpoints;
        std::vector<IpAddress> fixed;
        uint32_t next[2] = {0, 0};  ///< for each family, where the next answer begins
    };
    using Entries = std::unordered_map<std::string, Entry, TextHash, std::equal_to<>>;
    void erase_if_unused(Entries::iterator entry);

    std::string name_, lower_name_;
    Entries names_;
    std::unordered_map<std::string, std::unique_ptr<Endpoint>, TextHash, std::equal_to<>> endpoints_;
    std::map<IpAddress, const Endpoint*> reverse_;
};

/// What one client sees.
class View {
  public:
    std::vector<std::shared_ptr<NetworkNames>> networks;
    std::vector<std::pair<std::string, std::vector<IpAddress>>> own_names;  ///< lower case

    /// `name` in lower case, as everywhere here.
    bool has(std::string_view name) const;
    /// Whether there is such a name; it may have no address of the family. `into` is what was found.
    bool addresses(std::string_view name, Family family, std::vector<IpAddress>& into) const;
    /// "web.mynet"; "" where no container has the address.
    std::string name_of(const IpAddress& address) const;
    /// Of the first network that has the name.
    bool endpoints(std::string_view name, std::vector<const NetworkNames::Endpoint*>& into) const;

  private:
    template <typename Visit>
    bool visit(std::string_view name, Visit&& visit) const;
};

class Names {
  public:
    /// Makes it where it is not there yet: clients and endpoints come in any order.
    std::shared_ptr<NetworkNames> network(const std::string& id);
    /// Null where nobody has named it.
    std::shared_ptr<NetworkNames> find(std::string_view id) const;
    /// Forgets networks that have no name and no client.
    void prune();
    size_t size() const { return networks_.size(); }

  private:
    std::unordered_map<std::string, std::shared_ptr<NetworkNames>, TextHash, std::equal_to<>> networks_;
};

}  // namespace berth::net::dns
