// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "async/context.h"
#include "engine/logs/log_options.h"

namespace berth::engine {

/// A record on its way to an endpoint.
struct ForwardRecord {
    shim::Stream stream = shim::Stream::out;
    int64_t time_ns = 0;
    std::string text;      ///< without its newline
    bool partial = false;  ///< one part of a line that is longer than a record
    std::string partial_id;
    unsigned partial_ordinal = 0;  ///< from 1
    bool partial_last = false;
};

/// One kind of endpoint. Coroutines of one context; one call at a time. Failures are berth::Error, after
/// which connect() is called again.
class ForwardTarget {
  public:
    virtual ~ForwardTarget() = default;
    /// Does nothing where there is a connection that is worth a try.
    virtual async::Task<void> connect() = 0;
    /// Sends records[sent], … and counts `sent` up. What was given to a connection that fails later may be
    /// lost unless delivered() has been true since.
    virtual async::Task<void> send(const std::vector<ForwardRecord>& records, size_t& sent) = 0;
    /// What was sent is with the receiver's kernel, or was confirmed.
    virtual bool delivered() { return true; }
    /// The connection failed after something was sent: what was not delivered has to be sent again.
    virtual bool lost() { return false; }
    /// After a failure all that was not delivered has to be sent again, not only what was not sent.
    virtual bool resends() const { return false; }
};

/// Where the local endpoints are; other places are for tests.
struct ForwardPlaces {
    std::string journal = "/run/systemd/journal/socket";
    std::vector<std::string> syslog = {"/dev/log", "/var/run/syslog", "/var/run/log"};
};

/// What is the same for all records of a log.
struct ForwardLog {
    LogOptionMap options;
    LogContainer container;
    ForwardPlaces places;

    std::string option(const std::string& key) const {
        auto found = options.find(key);
        return found == options.end() ? std::string() : found->second;
    }
};

std::unique_ptr<ForwardTarget> make_journald_target(const ForwardLog& log);
std::unique_ptr<ForwardTarget> make_syslog_target(const ForwardLog& log);
std::unique_ptr<ForwardTarget> make_fluentd_target(const ForwardLog& log);
std::unique_ptr<ForwardTarget> make_gelf_target(const ForwardLog& log);

}  // namespace berth::engine
