// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>
#include <zlib.h>

#include "base/json.h"
#include "base/strings.h"
#include "engine/logs/forward_socket.h"
#include "engine/logs/forward_target.h"

/// GELF 1.1: a JSON object for each record. Over UDP compressed, and in chunks where it is longer than a
/// datagram should be; over TCP with a zero byte at its end.
/// https://go2docs.graylog.org/current/getting_in_log_data/gelf.html
namespace berth::engine {

namespace {

/// A chunk with its head of 12 bytes; as go-gelf cuts them, for networks of 1500 bytes.
constexpr size_t kChunk = 1420;
constexpr size_t kChunkHead = 12;
constexpr size_t kMostChunks = 128;

enum class GelfCompression { none, gzip, zlib };

std::string deflate(const std::string& text, GelfCompression kind, int level) {
    z_stream stream{};
    constexpr int kGzip = 16;
    int window = MAX_WBITS + (kind == GelfCompression::gzip ? kGzip : 0);
    if (::deflateInit2(&stream, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        throw Error(ErrorKind::internal, "gelf: no memory to compress");
    std::string out(::deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    ::deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    ::deflateEnd(&stream);
    return out;
}

class GelfTarget : public ForwardTarget {
  public:
    explicit GelfTarget(const ForwardLog& log) : address_(parse_gelf_address(log.option("gelf-address"))) {
        char host[256] = {};
        ::gethostname(host, sizeof host - 1);
        const LogContainer& container = log.container;
        fixed_["version"] = "1.1";
        fixed_["host"] = host;
        fixed_["_container_id"] = container.id;
        fixed_["_container_name"] = container.name.substr(container.name.starts_with('/') ? 1 : 0);
        fixed_["_image_id"] = container.image_id;
        fixed_["_image_name"] = container.image_name;
        fixed_["_command"] = log_tag({}, container, "{{.Command}}");
        fixed_["_tag"] = log_tag(log.options, container, "{{.ID}}");
        fixed_["_created"] = container.created;
        auto underscored = [](std::string key) { return key.starts_with('_') ? key : "_" + key; };
        for (const auto& [key, value] : log_attributes(log.options, container, underscored))
            fixed_[key] = value;
        std::string kind = log.option("gelf-compression-type");
        compression_ = kind == "none"   ? GelfCompression::none
                       : kind == "zlib" ? GelfCompression::zlib
                                        : GelfCompression::gzip;
        level_ = parse_number<int>(log.option("gelf-compression-level")).value_or(Z_BEST_SPEED);
    }

    async::Task<void> connect() override {
        if (address_.scheme == "udp") {
            if (!datagrams_.connected()) co_await datagrams_.connect(address_);
        } else {
            http::TlsClientOptions tls;
            co_await stream_.connect(address_, std::move(tls));
        }
    }

    async::Task<void> send(const std::vector<ForwardRecord>& records, size_t& sent) override {
        if (address_.scheme == "udp") {
            for (; sent < records.size(); ++sent) {
                std::string message = encode(records[sent]);
                if (compression_ != GelfCompression::none) message = deflate(message, compression_, level_);
                co_await send_datagrams(std::move(message));
            }
            co_return;
        }
        std::string all;
        for (size_t i = sent; i < records.size(); ++i) {
            all += encode(records[i]);
            all += '\0';
        }
        co_await stream_.send(all);
        sent = records.size();
    }

    bool delivered() override { return address_.scheme == "udp" || stream_.delivered(); }
    bool lost() override { return address_.scheme != "udp" && !stream_.connected(); }
    bool resends() const override { return address_.scheme != "udp"; }

  private:
    async::Task<void> send_datagrams(std::string message) {
        if (message.size() <= kChunk) {
            co_await datagrams_.send(message);
            co_return;
        }
        constexpr size_t kBody = kChunk - kChunkHead;
        size_t count = (message.size() + kBody - 1) / kBody;
        if (count > kMostChunks) co_return;  // No receiver would take it; records of 16 KiB never get there.
        std::string id = random_hex(4);
        for (size_t i = 0; i < count; ++i) {
            std::string chunk = "\x1e\x0f" + id;
            chunk += static_cast<char>(i);
            chunk += static_cast<char>(count);
            chunk += message.substr(i * kBody, kBody);
            co_await datagrams_.send(chunk);
        }
    }

    std::string encode(const ForwardRecord& record) const {
        json::Object object = fixed_;
        object["short_message"] = record.text;
        object["timestamp"] = static_cast<double>(record.time_ns / 1'000'000) / 1000.0;
        object["level"] = record.stream == shim::Stream::err ? 3 : 6;
        if (record.partial) {
            object["_partial_id"] = record.partial_id;
            object["_partial_ordinal"] = record.partial_ordinal;
            object["_partial_last"] = record.partial_last;
        }
        return json::print(object);
    }

    LogAddress address_;
    json::Object fixed_;
    GelfCompression compression_ = GelfCompression::gzip;
    int level_ = Z_BEST_SPEED;
    DatagramSocket datagrams_;
    EndpointStream stream_;
};

}  // namespace

std::unique_ptr<ForwardTarget> make_gelf_target(const ForwardLog& log) {
    return std::make_unique<GelfTarget>(log);
}

}  // namespace berth::engine
