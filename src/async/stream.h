// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "async/context.h"
#include "async/task.h"
#include "base/unique_fd.h"

namespace berth::async {

class Socket;

/// A socket that its stream gave away, and what was read of it but not taken.
struct PlainSocket {
    UniqueFd fd;         ///< non-blocking
    std::string before;  ///< comes first
};

/// A connected byte stream: unix, TCP, TLS. One reader and one writer at a time. A read or write that makes
/// no progress for the stream's idle time-out ends with unavailable ("… timed out").
class Stream {
  public:
    virtual ~Stream() = default;
    /// At least one byte; 0 at the end. Throws.
    virtual Task<size_t> read_some(std::span<std::byte> into) = 0;
    /// Returns when read_some is worth trying: bytes, the end or an error wait. Costs no buffer, for idle
    /// connections: the idle time-out does not count here, the deadline does.
    virtual Task<void> wait_readable() = 0;
    virtual Task<void> write(std::span<const std::byte> data) = 0;
    /// All pieces in order, in as few packets as possible.
    virtual Task<void> write_pieces(std::span<const std::span<const std::byte>> pieces) = 0;
    /// Ends our side; the peer reads the end, and can still send.
    virtual Task<void> shutdown_write() = 0;
    /// Closes at once; pending reads and writes end with an error.
    virtual void close() = 0;
    /// 0: none (the default).
    virtual void set_idle_timeout(std::chrono::milliseconds limit) = 0;
    /// A read that still waits at `end` fails as at the idle time-out, however many bytes came before;
    /// nothing: no end (the default). Against peers that send byte by byte.
    virtual void set_read_deadline(std::optional<std::chrono::steady_clock::time_point> end) = 0;
    /// Sends `length` bytes of a file from `offset`: sendfile(2) where the stream is plain, else read and
    /// write.
    virtual Task<void> send_file(int fd, uint64_t offset, uint64_t length) = 0;
    /// The descriptor of the socket, borrowed.
    virtual int fd() const = 0;
    /// The socket itself where the stream is nothing but one, so that TLS can be laid over it; else null.
    virtual Socket* socket() { return nullptr; }
    /// Gives the socket away where the stream is nothing but one (unix, TCP) and leaves the stream closed;
    /// nothing where it is not (TLS): it stays as it is. Nothing may be pending.
    virtual std::optional<PlainSocket> release_fd() { return std::nullopt; }
    /// From now on the stream belongs to the loop and thread of `context`. Nothing may be pending; called on
    /// the thread that it belonged to.
    virtual void move_to(Context& context) = 0;
    /// "127.0.0.1:41234", "unix", for logs.
    virtual std::string peer() const = 0;
};

/// Stream::send_file by reading and writing, for streams that must see the bytes.
Task<void> copy_file(Stream& to, int fd, uint64_t offset, uint64_t length);

/// A stream over a connected, non-blocking socket of any family.
std::unique_ptr<Stream> adopt(Context& context, UniqueFd socket);

/// `before` comes first from what is read, then what `stream` gives. For bytes that were read too far.
std::unique_ptr<Stream> with_prefix(std::string before, std::unique_ptr<Stream> stream);

/// "unix:///run/x.sock", "tcp://host:port", "tcp://[::1]:0"; also "/run/x.sock", "host:port" and ":port" (any
/// address).
struct Address {
    enum class Kind { unix_socket, tcp } kind = Kind::tcp;
    std::string host;  ///< or the socket's path
    uint16_t port = 0;
    /// Throws invalid_argument.
    static Address parse(std::string_view text);
    std::string text() const;
};

/// All addresses of the name are tried one after the other, within `limit` together. Throws unavailable
/// ("dial tcp 127.0.0.1:5000: connect: connection refused").
Task<std::unique_ptr<Stream>> connect(Address address,
                                      std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace berth::async
