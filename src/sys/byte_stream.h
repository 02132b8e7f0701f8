// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace berth::sys {

/// Bytes that are read from front to end, blocking: a file, a decompressor, a tar entry. Each layer pulls
/// from the one below, so that a chain needs one buffer for each stage and no thread of its own.
class ByteSource {
  public:
    virtual ~ByteSource() = default;
    /// At least one byte, at most into.size(); 0 at the end, and again 0 after it. Throws berth::Error.
    virtual size_t read(std::span<std::byte> into) = 0;
};

/// Bytes that are written from front to end, blocking. What a sink still holds is handed on by its own
/// finish().
class ByteSink {
  public:
    virtual ~ByteSink() = default;
    /// All of `data`, or an Error.
    virtual void write(std::span<const std::byte> data) = 0;
};

/// Reads a descriptor from its present offset; borrows it. `name` is for messages.
class FdSource : public ByteSource {
  public:
    FdSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
    size_t read(std::span<std::byte> into) override;

  private:
    int fd_;
    std::string name_;
};

/// Writes to a descriptor; borrows it.
class FdSink : public ByteSink {
  public:
    FdSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
    void write(std::span<const std::byte> data) override;

  private:
    int fd_;
    std::string name_;
};

/// Reads a text that the caller keeps.
class TextSource : public ByteSource {
  public:
    explicit TextSource(std::string_view text) : rest_(text) {}
    size_t read(std::span<std::byte> into) override;

  private:
    std::string_view rest_;
};

/// Gathers what is written.
class TextSink : public ByteSink {
  public:
    void write(std::span<const std::byte> data) override {
        text.append(reinterpret_cast<const char*>(data.data()), data.size());
    }
    std::string text;
};

/// Moves everything from `from` to `to`; the number of bytes.
uint64_t copy(ByteSource& from, ByteSink& to);

inline std::span<const std::byte> bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace berth::sys
