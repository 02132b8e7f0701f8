// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "engine/logs/forward_socket.h"
#include "engine/logs/forward_target.h"

/// The forward protocol (MessagePack): each record a message [tag, time, {…}]; with fluentd-request-ack a
/// batch [tag, [[time, {…}], …], {"chunk": id}], which the other side answers with {"ack": id}.
/// https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
namespace berth::engine {

namespace {

void put_number(std::string& out, uint64_t value, unsigned bytes) {
    while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes));
}

void put_string(std::string& out, std::string_view text) {
    if (text.size() < 32) {
        out += static_cast<char>(0xa0 | text.size());
    } else if (text.size() < 0x10000) {
        out += '\xda';
        put_number(out, text.size(), 2);
    } else {
        out += '\xdb';
        put_number(out, text.size(), 4);
    }
    out += text;
}

void put_count(std::string& out, size_t count, char small, char large) {
    if (count < 16) {
        out += static_cast<char>(static_cast<unsigned char>(small) | count);
    } else {
        out += large;
        put_number(out, count, 2);
    }
}
void put_array(std::string& out, size_t count) {
    put_count(out, count, '\x90', '\xdc');
}
void put_map(std::string& out, size_t count) {
    put_count(out, count, '\x80', '\xde');
}

class FluentdTarget : public ForwardTarget {
  public:
    explicit FluentdTarget(const ForwardLog& log)
        : address_(parse_fluentd_address(log.option("fluentd-address"))),
          tag_(log_tag(log.options, log.container, "{{.ID}}")),
          id_(log.container.id),
          name_(log.container.name.starts_with('/') ? log.container.name : "/" + log.container.name),
          extra_(log_attributes(log.options, log.container)) {
        auto flag = [&](const char* key) {
            std::string value = log.option(key);
            return !value.empty() && parse_bool_option(value);
        };
        sub_second_ = flag("fluentd-sub-second-precision");
        acknowledged_ = flag("fluentd-request-ack");
    }

    async::Task<void> connect() override {
        http::TlsClientOptions tls;
        co_await stream_.connect(address_, std::move(tls));
    }

    async::Task<void> send(const std::vector<ForwardRecord>& records, size_t& sent) override {
        std::string all;
        if (!acknowledged_) {
            for (size_t i = sent; i < records.size(); ++i) {
                put_array(all, 3);
                put_string(all, tag_);
                put_entry(all, records[i]);
            }
            co_await stream_.send(all);
        } else {
            std::string chunk = random_hex(16);
            put_array(all, 3);
            put_string(all, tag_);
            put_array(all, records.size() - sent);
            for (size_t i = sent; i < records.size(); ++i) {
                put_array(all, 2);
                put_entry(all, records[i]);
            }
            put_map(all, 1);
            put_string(all, "chunk");
            put_string(all, chunk);
            co_await stream_.send(all);
            co_await wait_for(chunk);
        }
        sent = records.size();
    }

    bool delivered() override { return acknowledged_ || stream_.delivered(); }
    bool lost() override { return !stream_.connected(); }
    bool resends() const override { return true; }

  private:
    async::Task<void> wait_for(std::string chunk) {
        std::string answer;
        constexpr size_t kLongest = 4096;
        while (answer.find(chunk) == std::string::npos) {
            if (answer.size() > kLongest) {
                stream_.close();
                throw Error(ErrorKind::unavailable, "fluentd: no acknowledgement");
            }
            co_await stream_.read(answer);
        }
    }

    /// time, {…}: two of an array's elements.
    void put_entry(std::string& out, const ForwardRecord& record) const {
        if (sub_second_) {
            // EventTime: extension type 0 of 8 bytes.
            out += '\xd7';
            out += '\0';
            put_number(out, static_cast<uint64_t>(record.time_ns / 1'000'000'000), 4);
            put_number(out, static_cast<uint64_t>(record.time_ns % 1'000'000'000), 4);
        } else {
            out += '\xce';
            put_number(out, static_cast<uint64_t>(record.time_ns / 1'000'000'000), 4);
        }
        std::map<std::string, std::string> fields = {
            {"container_id", id_},
            {"container_name", name_},
            {"source", record.stream == shim::Stream::err ? "stderr" : "stdout"},
            {"log", record.text},
        };
        for (const auto& [key, value] : extra_) fields[key] = value;
        if (record.partial) {
            fields["partial_message"] = "true";
            fields["partial_id"] = record.partial_id;
            fields["partial_ordinal"] = std::to_string(record.partial_ordinal);
            fields["partial_last"] = record.partial_last ? "true" : "false";
        }
        put_map(out, fields.size());
        for (const auto& [key, value] : fields) {
            put_string(out, key);
            put_string(out, value);
        }
    }

    LogAddress address_;
    std::string tag_, id_, name_;
    std::map<std::string, std::string> extra_;
    bool sub_second_ = false;
    bool acknowledged_ = false;
    EndpointStream stream_;
};

}  // namespace

std::unique_ptr<ForwardTarget> make_fluentd_target(const ForwardLog& log) {
    return std::make_unique<FluentdTarget>(log);
}

}  // namespace berth::engine
